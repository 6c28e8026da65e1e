"""Bars in which too little happens: closes that stay, sessions without volume, an open that is not a real one. Pure."""

from collections.abc import Iterator
from typing import Final

import numpy as np
import pandas as pd

from nightdesk.market.histories import Event, Histories
from nightdesk.market.row_checks import REPEATS_ALLOWED, REPEATS_MIN_SESSIONS
from schemas.findings import Finding

STALE_CLOSES: Final = 5
SELDOM_IDLE: Final = 0.2
"""A symbol is a traded one where fewer of its other bars than this share are without volume."""
MIN_OTHER_BARS: Final = 20
MOSTLY_TRADED: Final = 0.5


def stale_events(bars: Histories) -> Iterator[Event]:
    """Runs of equal closes: an error where a symbol that is traded otherwise has flat bars without volume there."""
    n = len(bars.symbols)
    same = (bars.close == bars.previous_close) & ~bars.is_first
    run = np.cumsum(~same) - 1
    length = np.bincount(run)
    idle = (bars.volume == 0) & (bars.high == bars.low)
    idle_in_run, none_in_run = (np.bincount(run, weights=which) for which in (idle, bars.volume == 0))
    none_in_all, in_all = np.bincount(bars.code, weights=bars.volume == 0, minlength=n), np.diff(bars.starts)
    start = np.flatnonzero(~same)
    for at in np.flatnonzero(length >= STALE_CLOSES):
        first, count = start[at], length[at]
        code = bars.code[first]
        others = in_all[code] - count
        traded = others >= MIN_OTHER_BARS and none_in_all[code] - none_in_run[at] < SELDOM_IDLE * others
        frozen = traded and idle_in_run[at] >= STALE_CLOSES
        rows = np.arange(first, first + count)
        says = f"closes at {bars.close[first]:g} on {count} sessions from {bars.date_of(first)}"
        yield Event("stale_closes", "error" if frozen else "warning", rows, first, says + (", without volume" if frozen else ""))


def no_volume_events(bars: Histories) -> Iterator[Event]:
    """A warning for the sessions without volume of a symbol that mostly has some."""
    none = bars.volume == 0
    share = np.bincount(bars.code, weights=none, minlength=len(bars.symbols)) / np.maximum(1, np.diff(bars.starts))
    rows = np.flatnonzero(none & (share[bars.code] < MOSTLY_TRADED))
    for code in np.unique(bars.code[rows]):
        named = rows[bars.code[rows] == code]
        yield Event(
            "no_volume", "warning", named, named[0], f"has no volume on {len(named)} sessions from {bars.date_of(named[0])}"
        )


def open_repeats(bars: Histories) -> Iterator[Finding]:
    """A warning per symbol with the years in which the open is hardly ever a real one; it names the first session of each."""
    year = bars.day.astype("datetime64[D]").astype("datetime64[Y]").astype(int) + 1970
    base = int(year.min(initial=0))
    width = int(year.max(initial=0)) - base + 1
    cell = (bars.code * width + year - base)[~bars.is_first]
    repeats = (bars.open == bars.previous_close)[~bars.is_first]
    length = np.bincount(cell, minlength=len(bars.symbols) * width)
    share = np.bincount(cell, weights=repeats, minlength=len(length)) / np.maximum(1, length)
    named = np.flatnonzero((share > REPEATS_ALLOWED) & (length >= REPEATS_MIN_SESSIONS))
    first_row = np.flatnonzero(~bars.is_first)[np.searchsorted(cell, named)]  # cells ascend, as symbols and days do
    for code in np.unique(named // width):
        mine = named // width == code
        years = pd.Series(named[mine] % width + base)
        message = (
            f"{bars.symbols[code]} opens at the previous close on up to {share[named[mine]].max():.0%} of the sessions of "
            f"{_spans(years)}: a fill at the open is not a real fill there."
        )
        days = tuple(bars.date_of(row) for row in first_row[mine])
        yield Finding("open_repeats_close", "warning", bars.symbols[code], days, message)


def _spans(years: pd.Series) -> str:
    """Ascending years in words, neighbours together: 1999-2005, 2012."""
    spans = years.groupby((years.diff() != 1).cumsum()).agg(["min", "max"])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in spans.itertuples(index=False))
