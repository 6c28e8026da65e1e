"""The day's report as a document for machines and as markdown for a page."""

import textwrap
from collections.abc import Mapping
from dataclasses import asdict
from datetime import date
from typing import Any

from nightdesk.performance.figure_words import formatted
from nightdesk.performance.gate_words import gate_sentence
from schemas.evidence import gate_of
from schemas.reports import DayReport

CELL = 75
LEAVES = (
    "`nightdesk submit` sends what waits; while `make up` runs, the flow `submit` does so at 19:05, 08:45 and 09:20 New York time"
)


def as_document(report: DayReport) -> dict[str, object]:
    """The report as plain JSON: dates as ISO text, money as numbers in `currency`, NaN as null."""
    return {name: value.isoformat() if isinstance(value, date) else _plain(value) for name, value in asdict(report).items()}


def from_document(document: dict[str, Any]) -> DayReport:
    """The report of a document that `as_document` made."""
    dates = {name: date.fromisoformat(document[name]) for name in ("session", "execution_session")}
    rows = {name: tuple(document[name]) for name in ("signal", "orders", "fills")}
    return DayReport(**{**document, **dates, **rows})


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and value != value else value


def facts(report: DayReport) -> list[tuple[str, str]]:
    """The report in lines of (what, how it was), in the order of the day."""
    parts = {
        "Outcome": _outcome,
        "State": _state,
        "Bars": _bars,
        "Restated": _restated,
        "Checks": _checks,
        "Model": _model,
        "Accuracy": _accuracy,
    }
    parts |= {"Gate": _gate, "Evidence": _evidence, "Signal": _signals, "Order": _orders, "Filled": _fills}
    parts |= {"Holdings": _holdings, "Equity": _equity, "Expected": _expected, "Drift": _drift}
    lines = [(what, said(report)) for what, said in parts.items()]
    return [(what, text) for what, text in lines if text]


def figures(report: DayReport) -> list[tuple[str, str]]:
    """The performance figures, each with its unit in the label; empty before the second session."""
    values = {name: float("nan") if value is None else value for name, value in report.performance.items()}
    return formatted(values, report.currency) if values else []


def markdown(report: DayReport, plot_base64: str) -> str:
    """The report as a page: the facts, the plot, the figures."""
    title = f"# {report.strategy}, {report.mode} book\n"
    table = [f"| Session | {report.session:%A %d %B %Y} |", "|---|---|"]
    table += [f"| **{what}** | {_cell(text)} |" for what, text in facts(report)]
    picture = f"\n![equity against the benchmark](data:image/png;base64,{plot_base64})\n" if plot_base64 else ""
    shown = figures(report)
    numbers = ["", f"| Since the first session | {report.sessions} sessions |", "|---|---:|"] if shown else []
    numbers += [f"| {label} | {text} |" for label, text in shown]
    numbers += _gap_table(report)
    where = ["", "## Look further", f"- MLflow run: [{report.look['mlflow']}]({report.look['mlflow']})"]
    if page := report.look.get("console"):
        where.append(f"- This book in the console, while `nightdesk console` runs: [{page}]({page})")
    where += [f"- Decision document: `{report.look['decision']}`", f"- Decision SHA-256: `{report.decision_sha256 or 'none'}`"]
    where += [f"- Chain of decisions up to it: `{report.chain_sha256}`"] if report.chain_sha256 else []
    return "\n".join([title, *table, picture, *numbers, *where])


def _cell(text: str) -> str:
    """A cell's text in lines of at most `CELL` characters: Prefect's page does not wrap table cells."""
    lines = [part for line in text.splitlines() for part in textwrap.wrap(line, CELL)]
    return "<br>".join(lines).replace("|", "\\|")


def _outcome(report: DayReport) -> str:
    again = " (decided before: this run resumed it and placed nothing new)" if report.resumed else ""
    return f"{report.outcome}{again}" + (f"\n{report.reason}" if report.reason else "")


def _state(report: DayReport) -> str:
    """Who restricts the book and how it is released; nothing where it is ACTIVE."""
    control: Any = report.control
    if not control:
        return ""
    return f"{control['state']} by {control['who']} at {control['at']}: {control['reason']}\n`nightdesk resume` releases it"


def _bars(report: DayReport) -> str:
    bars: Any = report.bars
    if "rows" not in bars:
        return ""
    restated = f", {bars['restated']:,} restated" if bars.get("restated") else ""
    symbols = ", ".join(bars["symbols"])
    return f"{bars.get('new', 0):,} new{restated}; {bars['rows']:,} of {symbols} from {bars['first']} to {bars['last']}"


def _restated(report: DayReport) -> str:
    """What the vendor changed in the past; nothing where it changed nothing but late volume."""
    restated: Any = report.restated
    if not restated or not restated["bars"]:
        return ""
    explained = restated["bars"] - restated["unexplained"]
    lines = [restated["sentence"]] if restated["sentence"] else []
    if restated["set_aside"]:
        lines.append(f"{restated['set_aside']} of them wait in the quarantine: `nightdesk quarantine list`")
    if explained:
        lines.append(f"{explained} changed as a dividend, a split or late volume explains")
    for row in restated["decisions"]:
        differs = f"would be another one: {row['difference']}" if row["difference"] else "would be the same"
        lines.append(f"The decision of {row['session']} in {row['book']} {differs} on the bars of today")
    return "\n".join(lines)


def _checks(report: DayReport) -> str:
    checks: Any = report.checks
    if not checks:
        return ""
    return "\n".join([f"{checks['passed']} passed, {len(checks['warnings'])} warned", *checks["warnings"]])


def _model(report: DayReport) -> str:
    model: Any = report.model
    if "estimator" not in model:
        return f"none: {model['reason']}" if model else ""
    when = "today" if model["fitted_today"] else str(model["cutoff"])
    counts = f" on {model['n_train']:,.0f} rows and tested on the next {model['n_test']:,.0f}" if "n_test" in model else ""
    again = "" if model["fitted_today"] else "; reused, the next fit is not due"
    return f"{str(model['estimator']).rpartition('.')[2]}, fitted {when}{counts}{again}"


def _accuracy(report: DayReport) -> str:
    model: Any = report.model
    if "test_accuracy" not in model:
        return ""
    said = "up" if model["test_baseline"] == model["share_up_test"] else "down"
    return (
        f"{model['test_accuracy']:.2%} on test, where always saying {said!r} is right {model['test_baseline']:.2%} of the time; "
        f"{model['train_accuracy']:.2%} on train"
    )


def _gate(report: DayReport) -> str:
    model: Any = report.model
    return f"{model['gate']}: {model['reason']}" if "gate" in model else ""


def _evidence(report: DayReport) -> str:
    """What the honest gates say of the fit, whether or not the strategy requires them."""
    model: Any = report.model
    gates = [gate_of(document) for document in model.get("gates", ())]
    return "\n".join(f"{gate.name} {gate_sentence(gate)}" for gate in gates)


def _signals(report: DayReport) -> str:
    return "\n".join(_signal(row) for row in report.signal)


def _signal(row: Any) -> str:
    wanted = {"hold": "hold what there is", "excluded": "excluded"}.get(row["action"])
    if wanted is None:
        wanted = (
            f"{'long' if row['weight'] > 0 else 'short'} {row['instrument']}, weight {abs(row['weight']):.2f}"
            if row["weight"]
            else f"flat {row['instrument']}"
        )
    return wanted + (f"; score {row['score']:+.4f} ({row['score_kind']})" if row["score"] is not None else "")


def _orders(report: DayReport) -> str:
    if not report.orders:
        return f"none: {report.reason}" if report.reason else "none"
    lines = [_one_order(row, report.currency) for row in report.orders]
    return "\n".join([*lines, LEAVES] if report.outcome == "waiting" else lines)


def _one_order(row: Any, currency: str) -> str:
    why = f" ({row['reason']})" if row["reason"] else ""
    return (
        f"{row['side']} {row['quantity']:,.9g} {row['instrument']} at the open of {row['execution_session']}, "
        f"sized at {row['reference_price']:,.2f} {currency}: {row['status']}{why}"
    )


def _fills(report: DayReport) -> str:
    return "\n".join(
        f"{row['side']} {row['quantity']:,.9g} {row['instrument']} at {row['price']:,.2f}, commission {row['commission']:,.2f}, "
        f"slippage {row['slippage']:,.2f} {report.currency}" + (f" ({row['note']})" if row["note"] else "")
        for row in report.fills
    )


def _holdings(report: DayReport) -> str:
    if report.cash is None:
        return ""
    held = [f"{quantity:,.9g} {name}" for name, quantity in report.holdings.items()]
    return ", ".join([*held, f"{report.cash:,.2f} {report.currency} cash"])


def _equity(report: DayReport) -> str:
    if report.equity is None or report.benchmark is None:
        return ""
    total: Any = report.performance.get("total_return")
    gained = f" ({total:+.2%} in {report.sessions} sessions)" if total is not None else ""
    return f"{report.equity:,.2f} {report.currency}{gained}; buy and hold {report.benchmark:,.2f} {report.currency}"


def _expected(report: DayReport) -> str:
    """What the session made beside what the model expected of it; nothing where that was not compared."""
    found: Any = report.expected
    if not found:
        return ""
    currency, total = report.currency, found["total"]["gap"]
    parts = ", ".join(f"{name} {value:+,.2f}" for name, value in found["parts"].items() if round(value, 2))
    lines = [f"{_money(found['actual'])} made, {_money(found['expected'])} {currency} expected: {_gap(found, parts)}"]
    lines += [found["note"]] if found["note"] else []
    lines += [f"above the tolerance of {found['tolerance_bps']:g} basis points of equity"] if found["above"] else []
    lines += [f"{_money(total)} {currency} in {found['sessions']} sessions"] if round(total, 2) else []
    return "\n".join(lines)


def _gap(found: Any, parts: str) -> str:
    if not round(found["gap"], 2) and not parts:
        return "as expected"
    return f"{_money(found['gap'])}, {found['gap_bps']:+.1f} basis points of equity ({parts})"


def _money(value: float) -> str:
    return f"{value:+,.2f}" if round(value, 2) else "0.00"


def _gap_table(report: DayReport) -> list[str]:
    """The gap in its parts, today and since the first session that was compared, as a table of the page."""
    found: Any = report.expected
    if not found:
        return []
    lines = [
        "",
        "## Live against expected",
        f"| {report.currency} | {found['session']} | since {found['since']} |",
        "|---|---:|---:|",
    ]
    lines += [f"| {name} | {_money(found['parts'][name])} | {_money(found['total'][name])} |" for name in found["parts"]]
    return [*lines, f"| **gap** | {_money(found['gap'])} | {_money(found['total']['gap'])} |"]


def _drift(report: DayReport) -> str:
    """What the model sees beside what it was trained on; nothing where no model may trade."""
    drift: Any = report.drift
    rows = {**drift["inputs"], "predictions": drift["predictions"]} if drift else {}
    shown = ", ".join(f"{name} {row['index']:.2f} ({row['word']})" for name, row in rows.items() if row)
    if not shown:
        return ""
    return f"{shown}: stability index of {drift['sessions']} sessions against {drift['window'][0]} to {drift['window'][1]}"
