"""The bar store: one append-only Delta Lake table in a folder. A row is never updated.

Start child processes with spawn, never fork, once a store has been read: the reader's threads do not survive a fork.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa

from nightdesk.errors import BadData, Misconfigured, TryAgain
from nightdesk.sessions import Sessions
from schemas.bars import Bars
from schemas.strategy import DATA_SYMBOL

KEY: Final = [Bars.session, Bars.symbol]
VALUES: Final = [Bars.open, Bars.high, Bars.low, Bars.close, Bars.volume, Bars.dividend, Bars.split]
COLUMNS: Final = KEY + VALUES
AVAILABLE_AT: Final = "available_at"
KNOWN_AT: Final = "known_at"
TOLERANCE: Final = 1e-6
"""A value that moved by less than this share of itself is the same value."""

INSTANT: Final = pa.timestamp("us", "UTC")
SCHEMA: Final = pa.schema(
    [(Bars.session, pa.date32()), (Bars.symbol, pa.string())]
    + [(column, pa.float64()) for column in VALUES]
    + [(AVAILABLE_AT, INSTANT), (KNOWN_AT, INSTANT)]
)
KEEP_EVERYTHING: Final = {
    "delta.enableExpiredLogCleanup": "false",
    "delta.logRetentionDuration": "interval 36500 days",
    "delta.deletedFileRetentionDuration": "interval 36500 days",
}
UNREADABLE_IN_PATHS: Final = "%[]\\^|"
ATTEMPTS: Final = 5
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append added: rows of bars that were new, and of bars that the vendor changed, with their (session, symbol)."""

    new: int
    restated: int
    restated_bars: tuple[tuple[date, str], ...]


@dataclass(frozen=True)
class BarStore:
    """Every version of every bar, in `folder`. Beside the columns of `Bars` a row carries two instants:
    `available_at`, when the bar was final at the exchange, and `known_at`, when we stored it.

    Raises `Misconfigured` for a folder whose name the Delta library cannot open.
    """

    folder: Path

    def __post_init__(self) -> None:
        if any(mark in str(self.folder) for mark in UNREADABLE_IN_PATHS):
            raise Misconfigured.value("the bar store's folder", str(self.folder), f"a path without any of {UNREADABLE_IN_PATHS}")

    def append_bars(self, bars: pd.DataFrame, sessions: Sessions, known_at: datetime) -> Appended:
        """Append the `Bars` that are new or differ from their latest stored version; nothing where all are stored already.

        Raises `BadData` for a bar that is named twice, is of no session, or was not final at `known_at`; `Misconfigured` where
        the clock went back behind a stored version; `TryAgain` where other writers did not let us in.
        """
        if bars.empty:
            return Appended(0, 0, ())
        rows = _stamped(bars, sessions, known_at)
        changed, restated = _changes(rows, self._load_like(rows))
        restated_bars = tuple((row.session.date(), row.symbol) for row in restated[KEY].itertuples())
        if not changed.empty:
            self._append(pa.Table.from_pandas(changed, schema=SCHEMA, preserve_index=False))
        return Appended(len(changed) - len(restated), len(restated), restated_bars)

    def load_bars(self, symbols: Sequence[str], available_until: datetime, known_until: datetime | None = None) -> pd.DataFrame:
        """`Bars` as they stood: of each bar that was final by `available_until` the latest version known by `known_until`.

        Sorted by (session, symbol); an empty frame where nothing is stored. Both instants are tz-aware and included.
        """
        until = [_not_after(AVAILABLE_AT, available_until)] + ([] if known_until is None else [_not_after(KNOWN_AT, known_until)])
        return self._load_latest([_among(symbols), *until])[COLUMNS]

    def last_session(self, symbols: Sequence[str]) -> date | None:
        """The newest session that is stored for all of the symbols; None where one of them has no bar."""
        from deltalake import DeltaTable, QueryBuilder

        if not DeltaTable.is_deltatable(str(self.folder)):
            return None
        query = f"select max({Bars.session}) as newest from bars where {_among(symbols)} group by {Bars.symbol}"
        newest = pa.table(QueryBuilder().register("bars", DeltaTable(str(self.folder))).execute(query))["newest"].to_pylist()
        return min(newest) if len(newest) == len(set(symbols)) else None

    def _load_like(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The latest stored versions of the symbols of some rows, over their sessions."""
        first, last = rows[Bars.session].min(), rows[Bars.session].max()
        span = f"{Bars.session} between date '{first:%Y-%m-%d}' and date '{last:%Y-%m-%d}'"
        return self._load_latest([_among(rows[Bars.symbol].unique()), span])

    def _load_latest(self, conditions: Iterable[str]) -> pd.DataFrame:
        from deltalake import DeltaTable, QueryBuilder

        table = SCHEMA.empty_table()
        if DeltaTable.is_deltatable(str(self.folder)):
            # the values break ties: two writers at one instant must not make two readings differ
            order = ", ".join([*KEY, KNOWN_AT, *VALUES])
            query = f"select {', '.join(SCHEMA.names)} from bars where {' and '.join(conditions)} order by {order}"
            table = pa.table(QueryBuilder().register("bars", DeltaTable(str(self.folder))).execute(query)).cast(SCHEMA)
        rows = table.to_pandas(date_as_object=False).astype({Bars.session: "datetime64[ns]", Bars.symbol: "str"})
        return rows[~rows.duplicated(KEY, keep="last")].reset_index(drop=True)

    def _append(self, table: pa.Table) -> None:
        from deltalake import write_deltalake
        from deltalake.exceptions import CommitFailedError

        for _ in range(ATTEMPTS):
            try:
                write_deltalake(str(self.folder), table, mode="append", configuration=KEEP_EVERYTHING)
                return
            except CommitFailedError as error:
                reason = str(error)
        raise TryAgain(f"The bar store {self.folder} was busy {ATTEMPTS} times: {reason}", folder=self.folder, reason=reason)


def _stamped(bars: pd.DataFrame, sessions: Sessions, known_at: datetime) -> pd.DataFrame:
    """The bars with their two instants, once they are fit to be stored."""
    _refuse(bars[bars.duplicated(KEY)], "came twice in one append")
    open_days = sessions.between(bars[Bars.session].min().date(), bars[Bars.session].max().date())
    _refuse(bars[~bars[Bars.session].isin(open_days)], f"is of no session of {sessions.name}")
    available_at = sessions.settled_at_all(pd.DatetimeIndex(bars[Bars.session]))
    _refuse(bars[available_at > known_at], f"was not final yet at {known_at}")
    stamps = {AVAILABLE_AT: available_at.as_unit("us"), KNOWN_AT: pd.Timestamp(known_at).tz_convert("UTC").as_unit("us")}
    return bars[COLUMNS].assign(**stamps)


def _refuse(rows: pd.DataFrame, why: str) -> None:
    if len(rows):
        first = rows.iloc[0]
        more = f", and {len(rows) - 1} more" if len(rows) > 1 else ""
        named = f"{first[Bars.symbol]} on {str(first[Bars.session])[:10]}"
        raise BadData(f"The bar of {named} {why}{more}.", bars=tuple(rows[KEY].itertuples(index=False, name=None)))


def _changes(rows: pd.DataFrame, stored: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The rows to append (new or restated), and those among them that are restated."""
    both = rows.merge(stored, on=KEY, how="left", suffixes=("", "_stored"), indicator=True)
    before = both[[f"{column}_stored" for column in VALUES]].to_numpy(float)
    same = np.isclose(both[VALUES].to_numpy(float), before, rtol=TOLERANCE, atol=0.0, equal_nan=True).all(axis=1)
    new = both["_merge"].to_numpy() == "left_only"
    restated = both[~new & ~same]
    backwards = restated[restated[KNOWN_AT] <= restated[f"{KNOWN_AT}_stored"]]
    if len(backwards):
        now, stored_at = backwards.iloc[0][[KNOWN_AT, f"{KNOWN_AT}_stored"]]
        raise Misconfigured.value("known_at", str(now), f"after {stored_at}, when the bar that is now changed was stored")
    return both.loc[new | ~same, SCHEMA.names], restated


def _among(symbols: Iterable[str]) -> str:
    """A condition on symbols; each is checked before it comes near a query."""
    checked = sorted(set(symbols))
    for symbol in checked:
        if re.fullmatch(DATA_SYMBOL, symbol) is None:
            raise Misconfigured.value("symbol", symbol, f"a match of {DATA_SYMBOL}")
    quoted = ", ".join(f"'{symbol}'" for symbol in checked)
    return f"{Bars.symbol} in ({quoted})" if quoted else "false"


def _not_after(column: str, instant: datetime) -> str:
    microseconds = (instant - EPOCH) // timedelta(microseconds=1)
    return f"{column} <= to_timestamp_micros({microseconds})"
