"""Bars in quarantine: which are set aside, which wait, and how a person releases one."""

import math
from collections.abc import Iterable
from datetime import date, datetime

import pandas as pd

from nightdesk.clock import WallClock
from nightdesk.errors import BadData, Misconfigured
from nightdesk.market.checks import findings
from nightdesk.market.restated import VALUES
from nightdesk.sessions import exchange_sessions
from nightdesk.settings import Settings
from nightdesk.wiring.markets import quarantine_of, source_of, store_of
from nightdesk.wiring.strategies import load_strategy
from schemas.bars import Bars
from schemas.findings import Finding, QuarantinedBar


def quarantined_bars(bars: pd.DataFrame, found: Iterable[Finding], seen_at: datetime) -> list[QuarantinedBar]:
    """The bars that findings name, each with the finding's code and sentence."""
    days = pd.to_datetime(bars[Bars.session])
    made = []
    for finding in found:
        named = bars[(bars[Bars.symbol] == finding.symbol) & days.isin(pd.DatetimeIndex(finding.sessions))]
        made += [_quarantined(row, finding, seen_at) for row in named.to_dict("records")]
    return made


def _quarantined(row: dict[str, object], finding: Finding, seen_at: datetime) -> QuarantinedBar:
    numbers = {name: float(row[name]) for name in VALUES}  # type: ignore[arg-type]  # columns of numbers
    values = {name: value if math.isfinite(value) else None for name, value in numbers.items()}
    return QuarantinedBar(
        pd.Timestamp(row[Bars.session]).date(), str(row[Bars.symbol]), values, finding.code, finding.message, seen_at
    )


def waiting_bars(strategy_name: str, here: Settings) -> list[QuarantinedBar]:
    """What waits in the quarantine of the strategy's source."""
    return quarantine_of(source_of(load_strategy(strategy_name, here), here), here).bars()


def release_bar(strategy_name: str, symbol: str, session: date, by: str, reason: str, here: Settings) -> QuarantinedBar:
    """Store a bar that waits, as it is, because a person vouches for it. The newest version that waits is stored.

    Raises `Misconfigured` where nothing waits, the reason is empty, or the day is no session; `BadData` where the bar cannot be
    right whoever says so: a price that is missing or not positive, a low above the close.
    """
    strategy = load_strategy(strategy_name, here)
    source = source_of(strategy, here)
    quarantine, sessions = quarantine_of(source, here), exchange_sessions(strategy.market.calendar)
    waiting = [bar for bar in quarantine.bars() if (bar.symbol, bar.session) == (symbol, session)]
    if not waiting:
        known = ", ".join(sorted({f"{bar.symbol} {bar.session}" for bar in quarantine.bars()})[:5]) or "nothing"
        raise Misconfigured.value("bar", f"{symbol} {session}", f"one that waits in the quarantine: {known}")
    if not reason.strip():
        raise Misconfigured.value("reason", reason, "a sentence that says why this bar is right")
    newest = waiting[-1]
    _require_possible(newest)
    now = WallClock().now()
    store_of(source, here).append_bars(_frame(newest), sessions, known_at=now)
    quarantine.release(session, symbol, by, reason, now)
    return newest


def _require_possible(bar: QuarantinedBar) -> None:
    day = pd.DatetimeIndex([bar.session])
    wrong = findings(_frame(bar), [bar.symbol], day, released=frozenset({(bar.session, bar.symbol)}))
    if errors := [row.message for row in wrong if row.severity == "error"]:
        raise BadData(f"A bar that cannot be right is not released: {' '.join(errors)}", symbol=bar.symbol, session=bar.session)


def _frame(bar: QuarantinedBar) -> pd.DataFrame:
    values = {name: math.nan if bar.values[name] is None else float(bar.values[name] or 0.0) for name in VALUES}
    frame = pd.DataFrame([{Bars.session: pd.Timestamp(bar.session), Bars.symbol: bar.symbol, **values}])
    return frame.astype({Bars.session: "datetime64[ns]", Bars.symbol: "str"} | dict.fromkeys(VALUES, "float64"))
