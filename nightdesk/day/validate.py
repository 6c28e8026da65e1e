"""Step 2: refuse a bad day before it costs money."""

import hashlib
from datetime import date, datetime

import numpy as np
import pandas as pd

from nightdesk.clock import WallClock
from nightdesk.day.desk import Day, step
from nightdesk.market.checks import Released, checks_passed, findings, raise_errors, with_coverage
from schemas.bars import Bars
from schemas.findings import Finding
from schemas.strategy import Strategy

NAMED_IN_REPORT = 20


@step("validate")
def validate_bars(day: Day) -> pd.DataFrame:
    """The bars that may be used today, checked: the gate before training and before ordering.

    Read from the store, final at the session and nothing later. Raises `BadData` with every error; warnings are kept.
    """
    return checked_bars(day, WallClock().now())


def checked_bars(day: Day, known_until: datetime) -> pd.DataFrame:
    """The bars that were final at the session as they were known at an instant, checked. Raises `BadData` as `validate_bars`."""
    desk = day.desk
    day.detail["known_until"] = known_until.isoformat()
    symbols = desk.strategy.data_symbols
    bars = desk.store.load_bars(symbols, available_until=day.as_of, known_until=known_until)
    first = bars[Bars.session].min().date() if len(bars) else day.session
    note_findings(day, judged(day, bars, first))
    raise_errors(day.findings)
    day.data = {
        "source": desk.source.name,
        "symbols": list(symbols),
        "rows": len(bars),
        "first": first.isoformat(),
        "last": day.session.isoformat(),
        "sha256": bars_sha256(bars),
    }
    day.bars = bars
    return bars


def judged(day: Day, bars: pd.DataFrame, first: date) -> tuple[Finding, ...]:
    """All that is wrong with bars from `first` to the session; missing bars of few enough symbols are warnings."""
    desk = day.desk
    return findings_of(bars, desk.strategy, desk.sessions.between(first, day.session), desk.quarantine.released())


def findings_of(bars: pd.DataFrame, strategy: Strategy, sessions: pd.DatetimeIndex, released: Released) -> tuple[Finding, ...]:
    """All that is wrong with a strategy's bars over some sessions; missing bars of few enough symbols are warnings."""
    symbols = strategy.data_symbols
    found = findings(bars, symbols, sessions, released=released)
    starts = bars.groupby(Bars.symbol)[Bars.session].min().dropna().dt.date
    return with_coverage(found, len(symbols), strategy.market.min_coverage, starts)


def note_findings(day: Day, found: tuple[Finding, ...]) -> None:
    """Keep what the checks found for the day's report and the run's row."""
    day.findings = found
    day.detail["checks"] = {
        "passed": checks_passed(found),
        "warnings": [row.message for row in found if row.severity == "warning"] + day.notes,
        "findings": [_plain(row) for row in found],
    }


def summary(day: Day) -> str:
    """What the checks came to, in a line."""
    warned = [row.message for row in day.findings if row.severity == "warning"]
    return " ".join([f"{checks_passed(day.findings)} checks passed, {len(warned)} warned.", *warned])


def _plain(found: Finding) -> dict[str, object]:
    named = [session.isoformat() for session in found.sessions[:NAMED_IN_REPORT]]
    counted = {"sessions": named, "n_sessions": len(found.sessions)}
    return {"code": found.code, "severity": found.severity, "symbol": found.symbol, **counted, "message": found.message} | {
        "done": found.done
    }


def bars_sha256(bars: pd.DataFrame) -> str:
    """SHA-256 of the values of a `Bars` frame sorted by (session, symbol): names, dates as days, numbers as float64."""
    digest = hashlib.sha256()
    digest.update("\n".join(bars[Bars.symbol]).encode())
    digest.update(bars[Bars.session].to_numpy().astype("datetime64[D]").astype("<i8").tobytes())
    for column in (Bars.open, Bars.high, Bars.low, Bars.close, Bars.volume, Bars.dividend, Bars.split):
        digest.update(bars[column].to_numpy().astype("<f8").tobytes())
    return digest.hexdigest()


def frame_sha256(values: np.ndarray) -> str:
    """SHA-256 of a float matrix, row by row."""
    return hashlib.sha256(np.ascontiguousarray(values, dtype="<f8").tobytes()).hexdigest()
