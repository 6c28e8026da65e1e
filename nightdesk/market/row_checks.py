"""Checks of a row by itself, of the order of rows, and of the bars that are not there. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np
import pandas as pd

from nightdesk.market.histories import DAY_NS, NO_DAY, PRICES, Keys
from schemas.bars import Bars
from schemas.findings import Finding

NUMBERS: Final = [*PRICES, Bars.volume, Bars.dividend, Bars.split]
SHOWN: Final = 3
REPEATS_ALLOWED: Final = 0.10
REPEATS_MIN_SESSIONS: Final = 20
"""A year with fewer sessions than these is too short to speak of a share."""


@dataclass(frozen=True)
class Rule:
    """Cells of a frame that break a check: `broken` is rows x `columns`. `beside` is the column that they are compared with."""

    code: str
    says: str
    columns: Sequence[str]
    broken: np.ndarray
    beside: Sequence[str] = field(default=())


def wall_dates(session: pd.Series) -> tuple[pd.Series, np.ndarray]:
    """The date that each stamp shows where it was written, and which stamps are more than a date."""
    if isinstance(session.dtype, pd.DatetimeTZDtype):
        return session.dt.tz_localize(None).dt.normalize().astype("datetime64[ns]"), session.notna().to_numpy()
    if session.dtype.kind != "M":  # stamps of several time zones in one column
        written = session.astype("str")
        wall = pd.to_datetime(written.str[:19], errors="coerce").astype("datetime64[ns]")
        more = written.str.slice(11, 19).fillna("").str.strip("0:").ne("") | written.str.len().gt(19)
        return wall.dt.normalize(), (more & wall.notna()).to_numpy()
    stamps = session.to_numpy("datetime64[ns]")
    timed = (stamps.astype(np.int64) % DAY_NS != 0) & ~np.isnat(stamps)
    plain = session.astype("datetime64[ns]")
    return (plain.dt.normalize() if timed.any() else plain), timed


def time_zone_rule(session: pd.Series, timed: np.ndarray) -> Rule:
    zone = getattr(session.dtype, "tz", None)
    written = f"in the time zone {zone}" if zone is not None else "with a time of day or a time zone"
    return Rule("time_zone", f"has a session that is written {written}, which is no plain date", [], timed[:, None])


def order_rules(bars: pd.DataFrame, keys: Keys, expected: pd.DatetimeIndex) -> list[Rule]:
    falls = np.zeros((len(bars), 1), dtype=bool)
    day, code = keys.day, keys.code
    falls[1:, 0] = (day[1:] < day[:-1]) | ((day[1:] == day[:-1]) & (code[1:] < code[:-1]))
    falls[day == NO_DAY] = False
    planned = expected_days(expected)
    late = (day > planned[-1]) if len(planned) else np.zeros(len(bars), dtype=bool)
    extra = ~_is_among(day, planned) & (day > NO_DAY) & ~late
    differs = _differs(bars, keys)
    close = [Bars.close]
    until = f"{expected[-1]:%Y-%m-%d}" if len(expected) else ""
    return [
        Rule("extra_session", "has a bar on a day that is no expected session", close, extra[:, None]),
        Rule("unfinished_bar", f"has a bar after {until}, the last session that is over", close, late[:, None]),
        Rule("duplicate", "has the same session twice", close, (keys.repeated & ~differs)[:, None]),
        Rule("conflicting_duplicate", "has the same session twice with different values", close, differs[:, None]),
        Rule("unsorted", "has a bar that should stand before the row above it", close, falls),
    ]


def expected_days(expected: pd.DatetimeIndex) -> np.ndarray:
    """Sessions as days since 1970."""
    days: np.ndarray = expected.to_numpy("datetime64[ns]").astype(np.int64) // DAY_NS
    return days


def _is_among(day: np.ndarray, planned: np.ndarray) -> np.ndarray:
    """Which days are planned ones; quick, for a table of days is short."""
    if not len(planned):
        return np.zeros(len(day), dtype=bool)
    table = np.zeros(planned[-1] - planned[0] + 3, dtype=bool)
    table[planned - planned[0] + 1] = True
    among: np.ndarray = table[np.clip(day - planned[0] + 1, 0, len(table) - 1)]
    return among


def _differs(bars: pd.DataFrame, keys: Keys) -> np.ndarray:
    """Repeated rows of which the symbol's session has not the same values everywhere."""
    differs = np.zeros(len(bars), dtype=bool)
    if keys.repeated.any():
        again = keys.repeated[keys.order]
        in_group = again | np.append(again[1:], False)
        rows = keys.order[in_group]
        group = pd.MultiIndex.from_arrays([keys.code[rows], keys.day[rows]])
        values = bars.iloc[rows][NUMBERS].set_axis(group)
        spread = values.fillna(0.0).groupby(level=[0, 1]).nunique().max(axis=1) > 1
        mixed = np.asarray(spread.reindex(group), dtype=bool)
        differs[rows[mixed]] = keys.repeated[rows[mixed]]
    return differs


def value_rules(bars: pd.DataFrame) -> tuple[list[Rule], np.ndarray]:
    """The rules of a row's values, and which rows have four prices that can be a bar's."""
    numbers = bars[NUMBERS].to_numpy(float)
    with np.errstate(invalid="ignore"):
        at = dict(zip(NUMBERS, numbers.T, strict=True))
        finite = np.isfinite(numbers)
        absent = np.column_stack([bars[Bars.session].isna(), ~finite])
        positive, amounts = [*PRICES, Bars.split], np.column_stack([at[Bars.volume], at[Bars.dividend]])
        too_small = np.column_stack([at[column] <= 0 for column in positive]) & np.column_stack([finite[:, :4], finite[:, 6]])
        sound = (finite[:, :4] & (numbers[:, :4] > 0)).all(axis=1)
        ends = np.column_stack([at[Bars.open], at[Bars.close]])
        below = (at[Bars.low][:, None] > ends) & sound[:, None]
        above = (at[Bars.high][:, None] < ends) & sound[:, None]
        negative = (amounts < 0) & finite[:, 4:6]
    open_close = [Bars.open, Bars.close]
    rules = [
        Rule("not_finite", "has a value that is not a finite number", [Bars.session, *NUMBERS], absent),
        Rule("not_positive", "has a price or split that is not above zero", positive, too_small),
        Rule("low_above_open_close", "breaks low <= open, close", open_close, below, beside=[Bars.low]),
        Rule("high_below_open_close", "breaks open, close <= high", open_close, above, beside=[Bars.high]),
        Rule("negative_volume", "has a negative volume", [Bars.volume], negative[:, :1]),
        Rule("negative_dividend", "has a negative dividend", [Bars.dividend], negative[:, 1:]),
    ]
    return rules, sound & ~below.any(axis=1) & ~above.any(axis=1)


def row_findings(bars: pd.DataFrame, rule: Rule) -> Iterator[Finding]:
    """One finding per symbol that breaks a rule; only the rows that break it are touched."""
    rows = np.flatnonzero(rule.broken.any(axis=1))
    if not len(rows):
        return
    broken = bars.iloc[rows].assign(row=rows).sort_values(Bars.session, kind="stable")
    for symbol, group in broken.groupby(Bars.symbol, dropna=False):
        shown = [_offence(row, rule) for _, row in group.head(SHOWN).iterrows()]
        sessions = pd.DatetimeIndex(group[Bars.session].dropna().unique())
        message = f"{symbol} {rule.says}: {listed(shown, len(group))}."
        yield Finding(rule.code, "error", str(symbol), tuple(sessions.date), message)


def _offence(row: pd.Series, rule: Rule) -> str:
    """A bar and its offending values, as "2018-12-31 (low 2600.0, close 2500.0)"."""
    day = str(row[Bars.session])[:10]  # a session may be NaT
    if not rule.columns:
        return day
    columns = [column for column, broken in zip(rule.columns, rule.broken[row["row"]], strict=True) if broken]
    return f"{day} ({', '.join(f'{column} {row[column]}' for column in [*rule.beside, *columns])})"


def absences(keys: Keys, symbols: Sequence[str], expected: pd.DatetimeIndex) -> Iterator[Finding]:
    """The bars that are not there: within a symbol's history, and at its end."""
    present = _present(keys, symbols, expected)
    last = len(expected) - 1
    started = np.logical_or.accumulate(present, axis=1)
    for row, symbol in enumerate(symbols):
        missing = expected[:-1][started[row, :-1] & ~present[row, :-1]]
        if len(missing):
            days = listed([f"{day:%Y-%m-%d}" for day in missing[:SHOWN]], len(missing))
            yield Finding("missing_session", "error", symbol, tuple(missing.date), f"{symbol} has no bar on {days}.")
        if last >= 0 and not present[row, last]:
            ending = "" if started[row, last] else ", nor has any before it"
            message = f"The bar of {expected[last]:%Y-%m-%d} has not come yet for {symbol}{ending}."
            yield Finding("missing_last_bar", "error", symbol, (expected[last].date(),), message)


def _present(keys: Keys, symbols: Sequence[str], expected: pd.DatetimeIndex) -> np.ndarray:
    """Which bars are there, symbols x expected sessions."""
    row_of = np.append(pd.Index(symbols).get_indexer(keys.symbols), -1)
    rows, columns = row_of[keys.code], np.searchsorted(planned := expected_days(expected), keys.day)
    known = (rows >= 0) & _is_among(keys.day, planned)
    present = np.zeros((len(symbols), len(expected)), dtype=bool)
    present[rows[known], columns[known]] = True
    return present


def listed(shown: Sequence[str], total: int) -> str:
    """The first few, then how many more there are."""
    more = f" and {total - len(shown)} more" if total > len(shown) else ""
    return ", ".join(shown) + more
