"""Which instrument belongs to the universe when: a dated table, checked, as a panel."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from nightdesk.errors import BadData

SYMBOL, FIRST, LAST = "symbol", "first", "last"
STILL = pd.Timestamp("2200-01-01")
"""The last day of who still is a member."""


def load_membership(path: Path) -> pd.DataFrame:
    """The table of a CSV file as text, unchecked. Raises `BadData` where it cannot be read or lacks a column."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:  # pandas' parsing errors are ValueErrors
        raise BadData(f"The table of members {path.name} cannot be read: {error}.", path=str(path)) from error
    if absent := [name for name in (SYMBOL, FIRST, LAST) if name not in table.columns]:
        raise BadData(f"The table of members {path.name} lacks {', '.join(absent)}; it has {', '.join(map(str, table.columns))}.")
    return table


def members_panel(table: pd.DataFrame | None, sessions: pd.DatetimeIndex, instruments: Sequence[str]) -> pd.DataFrame:
    """Sessions x instruments, True from a row's `first` to its `last`, both included; without `last` for ever. No table: True.

    Raises `BadData` where a row names no instrument of the strategy, no date, a last before its first, or overlaps another.
    """
    if table is None:
        return pd.DataFrame(True, index=sessions, columns=list(instruments))
    first, last = _days(table, FIRST), _days(table, LAST).where(table[LAST].str.strip() != "", STILL)
    _refuse(table, ~table[SYMBOL].isin(list(instruments)), f"an instrument of the strategy ({', '.join(instruments[:10])})")
    _refuse(table, first.isna() | last.isna(), "dates as 2018-12-31, the last one empty for who still is a member")
    _refuse(table, last < first, "a last day on or after the first")
    ordered = pd.DataFrame({SYMBOL: table[SYMBOL], FIRST: first, LAST: last}).sort_values([SYMBOL, FIRST])
    overlaps = ordered[FIRST] <= ordered.groupby(SYMBOL)[LAST].shift()
    _refuse(table, overlaps.reindex(table.index), "spans of a symbol that do not overlap")
    panel = np.zeros((len(sessions), len(instruments)), dtype=bool)
    column = pd.Index(instruments).get_indexer(table[SYMBOL])
    begin, end = sessions.searchsorted(pd.DatetimeIndex(first)), sessions.searchsorted(pd.DatetimeIndex(last), side="right")
    for place, start, stop in zip(column, begin, end, strict=True):
        panel[start:stop, place] = True
    return pd.DataFrame(panel, index=sessions, columns=list(instruments))


def _days(table: pd.DataFrame, column: str) -> pd.Series:
    days: pd.Series = pd.to_datetime(table[column].str.strip(), errors="coerce", format="ISO8601")
    return days.astype("datetime64[ns]")


def _refuse(table: pd.DataFrame, wrong: pd.Series, allowed: str) -> None:
    """Raise `BadData` with the first row that is wrong."""
    if wrong.any():
        row = table[wrong].iloc[0]
        said = f"The member {row[SYMBOL]} from {row[FIRST] or 'no day'} to {row[LAST] or 'today'}"
        raise BadData(f"{said}: allowed is {allowed}; {int(wrong.sum())} such rows.", rows=int(wrong.sum()))
