"""What is wrong with a frame of bars: every finding at once, nothing raised until `raise_errors`. Pure."""

from collections.abc import Iterable, Iterator, Sequence, Set
from dataclasses import replace
from datetime import date
from itertools import chain, groupby
from typing import Final

import numpy as np
import pandas as pd

from nightdesk.errors import BadData
from nightdesk.market.actions import adjustment_events, dividend_events
from nightdesk.market.histories import Event, Histories, histories, row_keys
from nightdesk.market.jumps import jump_events, range_events
from nightdesk.market.quiet import no_volume_events, open_repeats, stale_events
from nightdesk.market.row_checks import (
    SHOWN,
    absences,
    listed,
    order_rules,
    row_findings,
    time_zone_rule,
    value_rules,
    wall_dates,
)
from schemas.bars import Bars
from schemas.findings import Finding

CHECKS: Final = {
    "missing_session": "Every session from a symbol's first bar on has a bar; a symbol that starts late is normal.",
    "missing_last_bar": "The bar of the last expected session has come.",
    "extra_session": "No bar is of a day that is not an expected session.",
    "unfinished_bar": "No bar is later than the last expected session: it would not be final yet.",
    "duplicate": "No (session, symbol) comes twice.",
    "conflicting_duplicate": "No (session, symbol) comes twice with different values.",
    "unsorted": "Rows are sorted by (session, symbol).",
    "time_zone": "A session is a plain date, without a time of day or a time zone.",
    "not_finite": "Sessions are present; prices, volume, dividend and split are finite numbers.",
    "not_positive": "Prices and split are above zero.",
    "low_above_open_close": "low <= open and low <= close.",
    "high_below_open_close": "open <= high and close <= high.",
    "negative_volume": "Volume is not negative.",
    "negative_dividend": "Dividend is not negative.",
    "bar_range": "High and low are not many times away from open and close.",
    "jump": "No bars stand at ten, a hundred or another large multiple of their symbol's level.",
    "split_not_applied": "A recorded split is in the prices.",
    "split_applied_twice": "A recorded split is in the prices once.",
    "split_unexplained": "No price moves by a split's ratio, and as calmly, on a session without one.",
    "large_move": "No price moves by more than ten times the symbol's noise and a quarter of itself (a warning).",
    "dividend_implausible": "The price falls by a large dividend; no dividend is a hundredth of the regular ones.",
    "dividend_twice": "A symbol that pays seldom does not pay the same dividend twice within days.",
    "dividend_not_adjusted": "A vendor's adjusted closes are adjusted for each dividend.",
    "adjusted_without_dividend": "A vendor's adjusted closes are adjusted only where there is a dividend or a split.",
    "dividend_adjusted_wrong": "A vendor's adjusted closes are adjusted by the dividend's share of the close, and above zero.",
    "stale_closes": "No close stays for five sessions (a warning; an error without volume, where a symbol is traded otherwise).",
    "no_volume": "A symbol that is traded has volume on every session (a warning).",
    "open_repeats_close": "In no year does the open equal the previous close on more than 10 % of the sessions (a warning).",
}
"""What is checked, by code."""

SET_ASIDE: Final = frozenset(
    {
        "extra_session",
        "unfinished_bar",
        "conflicting_duplicate",
        "not_finite",
        "not_positive",
        "low_above_open_close",
        "high_below_open_close",
        "negative_volume",
        "negative_dividend",
        "bar_range",
        "jump",
        "split_not_applied",
        "split_applied_twice",
        "split_unexplained",
        "dividend_implausible",
        "dividend_twice",
        "dividend_not_adjusted",
        "adjusted_without_dividend",
        "dividend_adjusted_wrong",
        "stale_closes",
    }
)
"""Codes of errors whose named bars must not be stored; the other codes speak of the frame or of bars that are not there."""

Released = Set[tuple[date, str]]


def findings(
    bars: pd.DataFrame, symbols: Sequence[str], expected: pd.DatetimeIndex, released: Released = frozenset()
) -> tuple[Finding, ...]:
    """All that is wrong with a raw frame of bars, one finding per (code, symbol), errors first, sorted by code and symbol.

    `bars` has the columns of `Bars`, and `ADJUSTED_CLOSE` where the vendor gives one; it may have NaN, duplicates, any order,
    and sessions with a time zone (then their wall dates count). `expected` are the sessions that each symbol should have, from
    its own first bar on. What is found from one bar to the next (jumps, splits, dividends, stale closes) and was `released`
    by a person is a warning: the first bar of a block releases the block.
    """
    session, timed = wall_dates(bars[Bars.session])
    rows = bars.assign(**{Bars.session: session})
    keys = row_keys(rows)
    of_values, sound = value_rules(rows)
    rules = [time_zone_rule(bars[Bars.session], timed), *order_rules(rows, keys, expected), *of_values]
    sound_bars = histories(rows, keys, sound)
    found = chain(
        chain.from_iterable(row_findings(rows, rule) for rule in rules),
        absences(keys, symbols, expected),
        open_repeats(sound_bars),
        _event_findings(sound_bars, _events(sound_bars), released),
    )
    return tuple(sorted(found, key=lambda finding: (finding.severity, finding.code, finding.symbol)))


def checks_passed(found: Iterable[Finding]) -> int:
    """How many of `CHECKS` found nothing."""
    return len(CHECKS) - len({finding.code for finding in found})


def with_coverage(
    found: Iterable[Finding], n_symbols: int, min_coverage: float, first_bars: Iterable[date] = ()
) -> tuple[Finding, ...]:
    """The findings, missing bars as warnings (that symbol holds) for sessions that enough of the symbols have.

    `first_bars` has the date of each symbol's first bar: those that had not started do not count. Without it all had.
    """
    rows = tuple(found)
    absent = [(row, row.sessions) for row in rows if row.code in ("missing_session", "missing_last_bar")]
    days = pd.Series([day for _, sessions in absent for day in sessions], dtype=object)
    starts = np.sort(np.array(list(first_bars), dtype="datetime64[D]"))

    def started(day: date) -> int:
        return int(np.searchsorted(starts, np.datetime64(day, "D"), side="right")) if len(starts) else n_symbols

    missing = days.value_counts()
    covered = {day for day, count in missing.items() if (present := started(day)) and (present - count) / present >= min_coverage}
    harmless = {id(row) for row, sessions in absent if covered.issuperset(sessions)}
    return tuple(replace(row, severity="warning") if id(row) in harmless else row for row in rows)


def raise_errors(found: Iterable[Finding]) -> None:
    """Raise `BadData` where any finding is an error: a sentence for each, the findings themselves in `values`."""
    errors = tuple(finding for finding in found if finding.severity == "error")
    if errors:
        raise BadData(" ".join(finding.message for finding in errors), findings=errors)


def _events(bars: Histories) -> Iterator[Event]:
    yield from jump_events(bars)
    yield from range_events(bars)
    yield from dividend_events(bars)
    yield from adjustment_events(bars)
    yield from stale_events(bars)
    yield from no_volume_events(bars)


def _event_findings(bars: Histories, events: Iterable[Event], released: Released) -> Iterator[Finding]:
    """The events of one code and symbol as one finding; those that a person released as a warning of their own."""
    marked = [(event.code, int(bars.code[event.edge]), _is_released(bars, event, released), event) for event in events]
    marked.sort(key=lambda entry: (*entry[:3], entry[3].edge))
    for (code, at, is_released), group in groupby(marked, key=lambda entry: entry[:3]):
        same = [entry[3] for entry in group]
        symbol, severity = bars.symbols[at], min(event.severity for event in same)  # "error" comes first
        rows = np.unique(np.concatenate([event.rows for event in same if event.severity == severity]))
        shown = [event.says for event in same if event.severity == severity]
        message = f"{symbol} {listed(shown[:SHOWN], len(shown))}."
        days = tuple(bars.day[rows].astype("datetime64[D]").tolist())
        if is_released:
            yield Finding(code, "warning", symbol, days, message, done="released")
        else:
            yield Finding(code, severity, symbol, days, message)


def _is_released(bars: Histories, event: Event, released: Released) -> bool:
    if event.severity == "warning" or not released:
        return False
    symbol = bars.symbols[bars.code[event.edge]]
    if (bars.date_of(event.edge), symbol) in released:
        return True
    return all((bars.date_of(int(row)), symbol) in released for row in event.rows)
