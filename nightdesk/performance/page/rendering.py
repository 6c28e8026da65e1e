"""The page as one HTML document that needs nothing from elsewhere: style and pictures inside, no script."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from nightdesk.performance.figure_words import LABELS, formatted
from nightdesk.performance.page.charts import Picture, fold_chart, histogram, line_chart, signed
from nightdesk.performance.page.tables import ROLLING_SESSIONS, YEAR, costs_so_far, rolling_turnover
from nightdesk.performance.page.tearsheet import Tearsheet, Trading
from nightdesk.performance.page.words import LEVEL, confidence
from nightdesk.performance.sharpe import EDITIONS
from schemas.equity import Equity
from schemas.evidence import GateResult
from schemas.fills import Fills

HERE = Path(__file__).parent
START = 100.0
"""Growth is drawn from here."""
MOST_FILLS = 500
MOST_RESTRICTIONS = 100
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
BOOK_LABELS = {name: LABELS[name] for name in ("exposure", "turnover", "costs_paid")} | {"cost_drag": "Cost drag [%/year]"}
NONE = "n/a"


@dataclass(frozen=True)
class Shaded:
    """A cell of the monthly table: text, whether it lost, and how strongly it is shaded, 0 to 1."""

    text: str
    loses: bool
    strength: float


def page(sheet: Tearsheet) -> str:
    """The page of these numbers."""
    return PAGES.get_template("page.html").render(
        sheet=sheet,
        style=Markup((HERE / "page.css").read_text(encoding="utf-8")),  # our own file: not escaped
        pictures=_pictures(sheet),
        histogram=histogram(sheet.distribution),
        figures=_figures(sheet),
        evidence=_evidence(sheet),
        months=_months(sheet.months),
        month_names=MONTHS,
        book=_book(sheet),
        fills=_fills(sheet.trading) if sheet.trading else [],
        most_fills=MOST_FILLS,
        most_restrictions=MOST_RESTRICTIONS,
        facts=sheet.trading.facts if sheet.trading else (),
        gates=_gates(sheet.trading.gates) if sheet.trading else [],
        opens=sheet.trading.opens if sheet.trading else (),
        fold_picture=_folds(sheet.trading) if sheet.trading and sheet.trading.folds else None,
        percent=percent,
    )


def percent(value: float, places: int = 2) -> str:
    """A fraction in percent with its sign, without the sign for percent; n/a where it is not defined."""
    return NONE if math.isnan(value) else f"{100 * value:+z,.{places}f}".replace("-", "\N{MINUS SIGN}")


def _pictures(sheet: Tearsheet) -> list[Picture]:
    names = (("own", sheet.title),) + ((("market", sheet.benchmark_name),) if sheet.benchmark is not None else ())
    pictures = [_growth(sheet, names), _drawdowns(sheet, names)]
    if sheet.rolling["sharpe"].notna().any():
        chart = line_chart([("own", sheet.rolling["sharpe"])], signed, rule=0.0)
        says = f"Sharpe ratio of the last {ROLLING_SESSIONS} sessions, by session"
        pictures.append(Picture("Rolling Sharpe ratio", f"a year, last {ROLLING_SESSIONS} sessions", chart, (), says))
    if "beta" in sheet.rolling and sheet.rolling["beta"].notna().any():
        chart = line_chart([("own", sheet.rolling["beta"])], signed, rule=0.0)
        says = f"Beta to {sheet.benchmark_name} over the last {ROLLING_SESSIONS} sessions, by session"
        pictures.append(Picture("Rolling beta", f"to {sheet.benchmark_name}, last {ROLLING_SESSIONS} sessions", chart, (), says))
    if sheet.trading:
        pictures += [_exposure(sheet.trading), *_trading(sheet.trading)]
    return pictures


def _growth(sheet: Tearsheet, names: tuple[tuple[str, str], ...]) -> Picture:
    lines = [("own", START * sheet.lines["wealth"])]
    if sheet.benchmark is not None:
        lines.insert(0, ("market", START * sheet.lines["benchmark_wealth"]))
    chart = line_chart(lines, lambda value: f"{value:,.6g}", rule=START, can_be_log=True)
    unit = f"{START:g} before the first session" + (", logarithmic" if chart.log else "")
    says = f"Growth of {START:g} to {START * sheet.lines['wealth'].iloc[-1]:,.2f}, by session"
    return Picture("Growth", unit, chart, names, says, tall=True)


def _drawdowns(sheet: Tearsheet, names: tuple[tuple[str, str], ...]) -> Picture:
    lines = [("own", 100 * sheet.lines["drawdown"])]
    if sheet.benchmark is not None:
        lines.insert(0, ("market", 100 * sheet.lines["benchmark_drawdown"]))
    chart = line_chart(lines, signed, rule=0.0, fill=True)
    says = f"Drawdown at each close; the deepest is {percent(sheet.performance['max_drawdown'])} %"
    return Picture("Drawdown", "% below the highest close so far", chart, names, says)


def _exposure(trading: Trading) -> Picture:
    owned = trading.equity.set_index(Equity.session)
    share = 100 * owned[Equity.positions_value] / owned[Equity.equity].where(owned[Equity.equity] > 0)
    chart = line_chart([("own", share)], signed, rule=0.0, fill=bool(share.notna().all()))
    return Picture("Exposure", "% of equity at each close", chart, (), "Value of the positions over equity, by session")


def _trading(trading: Trading) -> Iterator[Picture]:
    """What trading took: turnover, and costs."""
    rolling = rolling_turnover(trading.equity, trading.fills)
    if len(rolling):
        chart = line_chart([("own", rolling)], plain_number, rule=0.0)
        unit = f"times mean equity a year, last {ROLLING_SESSIONS} sessions"
        yield Picture("Turnover", unit, chart, (), f"Turnover of the last {ROLLING_SESSIONS} sessions, by session")
    paid = costs_so_far(trading.equity, trading.fills)
    chart = line_chart([("own", paid)], plain_number, rule=0.0, fill=True)
    says = f"Commission and slippage so far, {paid.iloc[-1]:,.2f} {trading.currency} at the end"
    yield Picture("Costs", f"{trading.currency}, commission and slippage so far", chart, (), says)


def plain_number(value: float) -> str:
    """A number with no more places than it needs."""
    return f"{value:,.6g}"


def _folds(trading: Trading) -> Picture:
    chart = fold_chart(trading.folds, plain_number)
    better = sum(fold.accuracy > fold.baseline for fold in trading.folds)
    legend = (("own", "accuracy"), ("market", "training majority"), ("interval", "interval"))
    says = f"Accuracy of {len(trading.folds)} folds; {better} of them above their baseline"
    unit = f"% of test rows; {better} of {len(trading.folds)} above their baseline"
    return Picture("Accuracy by fold", unit, chart, legend, says)


def _gates(gates: Sequence[GateResult]) -> list[dict[str, str]]:
    return [
        {
            "name": gate.name,
            "method": gate.method,
            "result": "passed" if gate.passed else "not passed",
            "bound": NONE if math.isnan(gate.bound) else _minus(f"{gate.bound:z.5f}"),
            "limit": f"{gate.limit:g}",
            "n": f"{gate.n:,}",
            "needed": _minus(gate.needed),
        }
        for gate in gates
    ]


def _figures(sheet: Tearsheet) -> list[tuple[str, str, str]]:
    """Label, the record's figure, the benchmark's (empty without one)."""
    own = {name: value for name, value in sheet.performance.items() if sheet.gate or name not in ("alpha", "beta")}
    theirs = dict(formatted(sheet.benchmark_performance, ""))
    return [(label, _minus(text), _minus(theirs.get(label, ""))) for label, text in formatted(own, "")]


def _evidence(sheet: Tearsheet) -> list[tuple[str, str]]:
    seen, edition = sheet.evidence, EDITIONS["2012"]
    rows = [
        ("Sessions with a known return", f"{seen['sessions_known']:,.0f}"),
        ("Sharpe ratio [per session]", _number(seen["sharpe_per_session"], 4)),
        ("Skewness", _number(seen["skewness"], 2)),
        ("Kurtosis (normal: 3)", _number(seen["kurtosis"], 2)),
        (f"Probabilistic Sharpe ratio [%], {edition}", confidence(seen["probabilistic_sharpe_2012"])),
        (f"Minimum track record [sessions], error {LEVEL:.0%}", _sessions(seen["minimum_track_record_sessions_2012"])),
    ]
    if sheet.gate and sheet.gate.figures:
        figures = sheet.gate.figures
        rows += [
            ("Excess at the same beta [%/year]", percent(figures["excess_per_year"])),
            (f"Its lower bound [%/year], error {LEVEL:.0%}", percent(figures["lower_per_year"])),
            (f"Its upper bound [%/year], error {LEVEL:.0%}", percent(figures["upper_per_year"])),
            ("Blocks of the bootstrap [sessions]", f"{figures['block_sessions']:,.0f}"),
        ]
    return rows


def _months(months: pd.DataFrame) -> list[tuple[int, list[Shaded], Shaded]]:
    """A row a year: its months, then the year. The shade of a month is its share of the largest month."""
    monthly = months.drop(columns=YEAR)
    largest, best_year = float(monthly.abs().max().max()) or 1.0, float(months[YEAR].abs().max()) or 1.0
    return [
        (int(year), [_shaded(value, largest) for value in row[:-1]], _shaded(row[-1], best_year))
        for year, *row in months.itertuples(name=None)
    ]


def _shaded(value: float, largest: float) -> Shaded:
    if math.isnan(value):
        return Shaded("", False, 0.0)
    return Shaded(percent(value, 1), value < 0, round(abs(value) / largest, 2))


def _book(sheet: Tearsheet) -> list[tuple[str, str]]:
    if sheet.trading is None:
        return []
    scale: Mapping[str, float] = {"exposure": 100, "cost_drag": 100}
    return [
        (label.format(currency=sheet.trading.currency), _number(sheet.book[name] * scale.get(name, 1), 2))
        for name, label in BOOK_LABELS.items()
    ]


def _fills(trading: Trading) -> list[dict[str, Any]]:
    """The newest fills, newest first, as text."""
    newest = trading.fills.sort_values(Fills.session, kind="stable").iloc[::-1].head(MOST_FILLS)
    rows: list[dict[str, Any]] = newest.to_dict("records")
    return [
        {
            "session": f"{row[Fills.session]:%Y-%m-%d}",
            "side": "buy" if row[Fills.quantity] > 0 else "sell",
            "quantity": f"{abs(row[Fills.quantity]):,.9g}",
            "instrument": row[Fills.instrument],
            "price": f"{row[Fills.price]:,.2f}",
            "costs": f"{row[Fills.commission] + row[Fills.slippage]:,.2f}",
        }
        for row in rows
    ]


def _number(value: float, places: int) -> str:
    return NONE if math.isnan(value) else _minus(f"{value:z,.{places}f}")


def _sessions(value: float) -> str:
    return "no number would do" if math.isinf(value) else f"{math.ceil(value):,}"


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


PAGES = Environment(
    loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
