"""What an audit finds."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

import numpy as np
import pandas as pd

from schemas.features import Features

KEYS = [Features.session, Features.symbol]
ROWS = "rows"
"""What differs where a row is there in one table and not in the other."""


@dataclass(frozen=True, slots=True)
class Leak:
    """One thing that looks ahead. `what` is the column or step; `session` the first one that shows it, None where it has none.

    `was` and `now` are its two values, before and after what it must not depend on was changed; `meaning` is a sentence.
    A "warning" is no leak but must be known.
    """

    check: str
    what: str
    session: date | None
    symbol: str
    was: str
    now: str
    meaning: str
    severity: Literal["leak", "warning"] = "leak"


@dataclass(frozen=True, slots=True)
class Checked:
    """One check: what it found, how many times it was tried, and why it was not, where it was not."""

    check: str
    tried: int
    leaks: tuple[Leak, ...] = ()
    left_out: str = ""

    @property
    def result(self) -> Literal["OK", "LEAK", "warning", "left out"]:
        if any(leak.severity == "leak" for leak in self.leaks):
            return "LEAK"
        if self.leaks:
            return "warning"
        return "left out" if self.left_out else "OK"


@dataclass(frozen=True, slots=True)
class Difference:
    """The first row in which a column differs between two tables that should be equal."""

    column: str
    session: pd.Timestamp | None
    symbol: str
    was: Any
    now: Any


def first_of_each(leaks: Iterable[Leak]) -> tuple[Leak, ...]:
    """The first finding for each thing: in the order of trying, which is that of the sessions."""
    found: dict[str, Leak] = {}
    for leak in leaks:
        found.setdefault(leak.what, leak)
    return tuple(found.values())


def differences(was: pd.DataFrame, now: pd.DataFrame, upto: date, tolerance: float = 0.0) -> Iterator[Difference]:
    """For each column the first row up to the session that is not equal, both tables having `session` and `symbol`.

    Equal to the bit, or within a relative tolerance. A row that only one of them has is a difference of `ROWS`.
    """
    before, after = (_indexed(table, upto) for table in (was, now))
    if not before.index.equals(after.index):
        session, symbol = before.index.symmetric_difference(after.index).sort_values()[0]
        there = (session, symbol) in before.index
        yield Difference(ROWS, session, str(symbol), *(("there", "absent") if there else ("absent", "there")))
        both = before.index.intersection(after.index)
        before, after = before.loc[both], after.loc[both]
    for column in before.columns.union(after.columns, sort=False):
        if column not in before.columns or column not in after.columns:
            yield Difference(str(column), None, "", *(("there", "absent") if column in before.columns else ("absent", "there")))
            continue
        unequal = np.flatnonzero(_unequal(before[column], after[column], tolerance))
        if len(unequal):
            session, symbol = before.index[unequal[0]]
            yield Difference(str(column), session, str(symbol), before[column].iloc[unequal[0]], after[column].iloc[unequal[0]])


def plain(value: Any) -> str:
    """A value to read: a number with all its digits."""
    if isinstance(value, pd.Timestamp):
        return str(value.date())
    return repr(float(value)) if isinstance(value, float | np.floating) else str(value)


def _indexed(table: pd.DataFrame, upto: date) -> pd.DataFrame:
    return table[table[Features.session] <= pd.Timestamp(upto)].set_index(KEYS).sort_index()


def _unequal(was: pd.Series, now: pd.Series, tolerance: float) -> Any:
    if not (pd.api.types.is_numeric_dtype(was) and pd.api.types.is_numeric_dtype(now)):
        return ((was != now) & ~(was.isna() & now.isna())).to_numpy(dtype=bool)
    a, b = was.to_numpy(dtype=float), now.to_numpy(dtype=float)
    unequal = (a != b) & ~(np.isnan(a) & np.isnan(b))
    if tolerance:
        with np.errstate(invalid="ignore"):
            unequal &= ~(np.abs(a - b) <= tolerance * np.maximum(np.abs(a), np.abs(b)))
    return unequal
