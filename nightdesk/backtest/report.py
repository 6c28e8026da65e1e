"""A backtest as words, as lines and as a document."""

import math
from collections.abc import Iterator
from dataclasses import asdict
from datetime import date
from typing import Any

import numpy as np

from nightdesk.backtest.run import Backtest
from nightdesk.backtest.walk import NONE, Walk
from nightdesk.performance.figure_words import formatted
from nightdesk.performance.gate_words import gate_sentence
from nightdesk.performance.page.tearsheet import REPEATS, opens_warnings
from nightdesk.portfolio.history import OUTCOMES
from schemas.evidence import GateResult, gate_document

DEFLATED = "deflated Sharpe"
GATE = "Gate: "
NO_END = "it lasts until a person releases it, which no backtest does"


def conclusion(made: Backtest) -> str:
    """What the evidence allows to say, in words."""
    counted = any(gate.name == DEFLATED for gate in made.evidence)
    sentences = [
        f"{len(made.equity)} sessions, one history.",
        *evidence_words(made),
        "" if counted else "Nothing here counts how many variants were tried before this one.",
        *warnings_of(made),
        *restriction_words(made),
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def evidence_words(made: Backtest) -> list[str]:
    """A sentence for each gate."""
    return [
        SENTENCES[gate.name](gate) if gate.name in SENTENCES else f"{gate.name}: {gate_sentence(gate)}" for gate in made.evidence
    ]


def warnings_of(made: Backtest) -> list[str]:
    """What a reader should know: that no model ever traded and why, and of the bars: years whose opens are not real ones."""
    untraded = [f"No model traded in any session. On {made.last}: {made.walk.why[-1]}."] if _never_traded(made.walk) else []
    others = [row.message for row in made.findings if row.code != REPEATS]
    return [*untraded, *opens_warnings(made.fills, made.findings), *others]


def _never_traded(walk: Walk) -> bool:
    return bool(walk.fits) and bool((walk.champion == NONE).all())


def restriction_words(made: Backtest) -> Iterator[str]:
    """How limits changed the run, in at most two sentences."""
    kept = [row for row in made.restrictions if not row.state]
    if kept:
        sessions = f"{len(kept):,} session{'s' if len(kept) > 1 else ''}"
        yield f"Limits kept the orders of {sessions} back, first on {kept[0].session}: {kept[0].reason}."
    for row in made.restrictions:
        if row.state:
            does = "held what it had" if row.state == "HALTED" else "closed what it held"
            yield f"From {row.session} on the book was {row.state} and {does}: {row.reason}; {NO_END}."


def facts(made: Backtest) -> list[tuple[str, str]]:
    """The backtest in lines of (what, how it was)."""
    currency = made.strategy.market.currency
    return [
        ("Evidence", conclusion(made)),
        ("Bars", f"{made.source} {', '.join(made.strategy.data_symbols)}, SHA-256 {made.bars_sha256[:12]}"),
        *_fitting(made),
        ("Orders", _orders(made)),
        *([("Limits", " ".join(restriction_words(made)))] if made.restrictions else []),
        (
            "Equity",
            f"{_last(made, 'equity'):,.2f} {currency} from {made.capital:,.2f}; buy and hold {_last(made, 'benchmark'):,.2f}",
        ),
        *((f"{GATE}{gate.name}", gate_sentence(gate)) for gate in made.evidence),
    ]


def _fitting(made: Backtest) -> list[tuple[str, str]]:
    walk = made.walk
    if made.strategy.kind != "model":
        return [("Fits", f"none: {walk.why[0]}")]
    traded = sum(int((walk.champion == place).any()) for place in range(len(walk.fits)))
    fits = f"{len(walk.fits)} {made.strategy.model.retrain}, {_statuses(made)}; {traded} traded; {walk.fits_made} made now"
    return [("Fits", fits), ("No model", f"in {int((walk.champion == NONE).sum()):,} of {len(walk.champion):,} sessions")]


def figures(made: Backtest) -> list[tuple[str, str]]:
    """The performance figures, each with its unit in the label."""
    return formatted(made.figures, made.strategy.market.currency)


def markdown(made: Backtest, page: str) -> str:
    """The report for Prefect: what the evidence allows to say, what was played and the figures."""
    lines = [f"# {made.strategy.name}, {made.first} to {made.last}", "", conclusion(made), ""]
    for title, rows in (("", [row for row in facts(made) if row[0] != "Evidence"]), ("Figures", figures(made))):
        lines += [f"## {title}", ""] if title else []
        lines += ["| | |", "|---|---|", *(f"| {what} | {text.replace('|', chr(92) + '|')} |" for what, text in rows), ""]
    return "\n".join([*lines, f"Page: `{page}`" if page else ""])


def fold_rows(made: Backtest) -> list[dict[str, object]]:
    """The folds as rows of a table, in percent."""
    return [
        {
            "from": fold.first.isoformat(),
            "to": fold.last.isoformat(),
            "rows": fold.n,
            "accuracy [%]": f"{fold.accuracy:.1%}"[:-1],
            "interval [%]": f"{100 * fold.lower:.1f} to {100 * fold.upper:.1f}",
            "baseline [%]": f"{fold.baseline:.1%}"[:-1],
        }
        for fold in made.folds
    ]


def as_document(made: Backtest) -> dict[str, object]:
    """The backtest as plain JSON: ratios are fractions, what is undefined is null."""
    walk = made.walk
    document: dict[str, object] = {
        "strategy": made.strategy.name,
        "strategy_sha256": made.strategy.sha256,
        "source": made.source,
        "bars_sha256": made.bars_sha256,
        "currency": made.strategy.market.currency,
        "capital": made.capital,
        "first": made.first.isoformat(),
        "last": made.last.isoformat(),
        "sessions": len(made.equity),
        "conclusion": conclusion(made),
        "warnings": warnings_of(made),
        "performance": made.figures,
        "evidence": [gate_document(gate) for gate in made.evidence],
        "fits": [_fit(made, place) for place in range(len(walk.fits))],
        "folds": [{name: _day(value) for name, value in asdict(fold).items()} for fold in made.folds],
        "fits_made": walk.fits_made,
        "opens": [asdict(year) for year in made.opens],
        "restrictions": [{name: _day(value) for name, value in asdict(row).items()} for row in made.restrictions],
        "orders": len(made.history.ordered),
        "fills": _rows(made.fills),
        "equity": _rows(made.equity),
    }
    plain: dict[str, object] = _plain(document)
    return plain


def accuracy_words(gate: GateResult) -> str:
    """The gate on accuracy in a sentence."""
    if not gate.n:
        return "No model traded, so nothing can be said of its accuracy."
    said, same = gate.figures["accuracy"], gate.figures["baseline_accuracy"]
    better = "is better than that, with an error of 5 %" if gate.passed else "is not shown to be better"
    seen = f"The models were right on {said:.2%} of what they predicted, always saying the same would have been on {same:.2%}"
    return f"{seen}: accuracy {better}."


def _excess_words(gate: GateResult) -> str:
    if "excess_per_year" not in gate.figures:
        return f"Whether it earned more than buying and holding can not be said: {gate.needed}"
    found = gate.figures
    seen = (
        f"After costs it earned {found['excess_per_year']:+.2%} a year beyond {found['beta']:.2f} times buying and holding, "
        f"and with 95 % certainty more than {found['lower_per_year']:+.2%}"
    )
    return f"{seen}: {'an excess' if gate.passed else 'no excess is shown'}."


def _deflated_words(gate: GateResult) -> str:
    """How many configurations were tried, and what that leaves of the Sharpe ratio."""
    tried = int(gate.figures["n_trials"])
    counted = f"{tried} configurations were" if tried > 1 else "No other configuration was"
    if math.isnan(gate.bound):
        return f"{counted} tried for this target: what luck shows among so few is not defined, from 10 on it is."
    above = "is above" if gate.passed else "is not shown to be above"
    deflated = f"deflated Sharpe ratio {gate.bound:.3f}, wanted {gate.limit:g}"
    return f"{counted} tried for this target: the Sharpe ratio {above} what luck alone shows ({deflated})."


def _overfitting_words(gate: GateResult) -> str:
    return f"In its search the best of the past was no better than the median afterwards with a probability of {gate.bound:.2f}."


SENTENCES = {
    "accuracy": accuracy_words,
    "excess return": _excess_words,
    DEFLATED: _deflated_words,
    "overfitting": _overfitting_words,
}


def _day(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def _statuses(made: Backtest) -> str:
    counted = {status: sum(fit.status == status for fit in made.walk.fits) for status in ("passed", "failed", "degenerate")}
    return ", ".join(f"{count} {status}" for status, count in counted.items() if count)


def _orders(made: Backtest) -> str:
    numbers = np.bincount(made.history.outcome, minlength=len(OUTCOMES))
    less = [f"{count} {words}" for count, words in zip(numbers[1:], OUTCOMES[1:], strict=True) if count]
    return f"{len(made.history.ordered):,}, {len(made.fills):,} filled" + (f" ({', '.join(less)})" if less else "")


def _last(made: Backtest, column: str) -> float:
    return float(made.equity[column].iloc[-1])


def _fit(made: Backtest, place: int) -> dict[str, object]:
    fit = made.walk.fits[place]
    facts = fit.made.facts
    spans = {"train": [facts.train_first, facts.train_last], "test": [facts.test_first, facts.test_last]}
    traded = int((made.walk.champion == place).sum())
    return {
        "cutoff": fit.cutoff.isoformat(),
        "gate": fit.status,
        "reason": fit.reason,
        **spans,
        "sessions_traded": traded,
    } | facts.metrics


def _rows(frame: Any) -> list[dict[str, object]]:
    shown = frame.assign(session=frame["session"].dt.strftime("%Y-%m-%d"))
    rows: list[dict[str, object]] = shown.to_dict("records")
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
