"""The bar store: every version of every bar, in one append-only table. A row is never updated."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from nightdesk.errors import BadData, Misconfigured
from nightdesk.market.restated import KEY, SAME, VALUES
from nightdesk.market.table import BarTable
from nightdesk.sessions import Sessions
from schemas.bars import Bars
from schemas.strategy import DATA_SYMBOL

COLUMNS: Final = KEY + VALUES
AVAILABLE_AT: Final = "available_at"
KNOWN_AT: Final = "known_at"
INSTANT: Final = pa.timestamp("us", "UTC")
SCHEMA: Final = pa.schema(
    [(Bars.session, pa.date32()), (Bars.symbol, pa.string())]
    + [(column, pa.float64()) for column in VALUES]
    + [(AVAILABLE_AT, INSTANT), (KNOWN_AT, INSTANT)]
)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Appended:
    """What an append added: rows of bars that were new, and of bars that the vendor changed."""

    new: int
    restated: int


@dataclass(frozen=True)
class BarStore:
    """Every version of every bar, in `folder`: a path, or a text of the form s3://bucket/folder. Beside the columns of `Bars`
    a row carries two instants: `available_at`, when the bar was final at the exchange, and `known_at`, when we stored it.

    Raises `Misconfigured` for a place that the Delta library cannot open. `nightdesk.market.table` says what else every method
    may raise.
    """

    folder: Path | str

    def __post_init__(self) -> None:
        BarTable(self.folder)

    @property
    def _table(self) -> BarTable:
        return BarTable(self.folder)

    def append_bars(self, bars: pd.DataFrame, sessions: Sessions, known_at: datetime) -> Appended:
        """Append the `Bars` that are new or differ from their latest stored version; nothing where all are stored already.

        Raises `BadData` for a bar that is named twice, is of no session, or was not final at `known_at`; `Misconfigured` where
        the clock went back behind a stored version; `TryAgain` where other writers did not let us in.
        """
        if bars.empty:
            return Appended(0, 0)
        rows = _stamped(bars, sessions, known_at)
        changed, restated = _changes(rows, self._load_like(rows))
        if not changed.empty:
            self._table.append_rows(pa.Table.from_pandas(changed, schema=SCHEMA, preserve_index=False))
        return Appended(len(changed) - len(restated), len(restated))

    def compact_bars(self) -> int:
        """Write the small files of many appends anew as larger ones; how many files that were. No row and no version is lost.

        Call it about once a month, after an append: every append adds a file, and every read opens them all.
        """
        return self._table.merge_files()

    def load_bars(self, symbols: Sequence[str], available_until: datetime, known_until: datetime | None = None) -> pd.DataFrame:
        """`Bars` as they stood: of each bar that was final by `available_until` the latest version known by `known_until`.

        Sorted by (session, symbol); an empty frame where nothing is stored. Both instants are tz-aware and included.
        """
        until = [_not_after(AVAILABLE_AT, available_until)] + ([] if known_until is None else [_not_after(KNOWN_AT, known_until)])
        return self._load_latest([_among(symbols), *until])[COLUMNS]

    def load_latest(self, bars: pd.DataFrame) -> pd.DataFrame:
        """The stored `Bars`, each in its latest version, of the symbols of `bars` from its first session to its last."""
        return self._load_like(bars)[COLUMNS]

    def last_session(self, symbols: Sequence[str]) -> date | None:
        """The newest session that is stored for all of the symbols; None where one of them has no bar."""
        query = f"select max({Bars.session}) as newest from bars where {_among(symbols)} group by {Bars.symbol}"
        found = self._table.load_rows(query)
        newest = [] if found is None else found["newest"].to_pylist()
        return min(newest) if newest and len(newest) == len(set(symbols)) else None

    def file_sha256s(self, known: Collection[str] = ()) -> dict[str, str]:
        """SHA-256 of each file of the table that is not in `known`, by its path within the table. To be recorded after each
        append."""
        return self._table.file_sha256s(known)

    def require_intact(self, recorded: Mapping[str, str]) -> None:
        """Raise `OutOfSync` where a recorded file has changed or is gone. Call it before anything is read: a reader takes most
        flipped bytes for prices."""
        self._table.require_intact(recorded)

    def _load_like(self, rows: pd.DataFrame) -> pd.DataFrame:
        """The latest stored versions of the symbols of some rows, over their sessions."""
        if rows.empty:
            return self._load_latest(["false"])
        first, last = rows[Bars.session].min(), rows[Bars.session].max()
        span = f"{Bars.session} between date '{first:%Y-%m-%d}' and date '{last:%Y-%m-%d}'"
        return self._load_latest([_among(rows[Bars.symbol].unique()), span])

    def _load_latest(self, conditions: Iterable[str]) -> pd.DataFrame:
        """Of each bar the latest version that meets the conditions, with its `known_at`."""
        columns = [*COLUMNS, KNOWN_AT]
        found = self._table.load_rows(f"select {', '.join(columns)} from bars where {' and '.join(conditions)}")
        schema = pa.schema([SCHEMA.field(column) for column in columns])
        return _latest(schema.empty_table() if found is None else found.cast(schema))


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
    same = np.isclose(both[VALUES].to_numpy(float), before, rtol=SAME, atol=0.0, equal_nan=True).all(axis=1)
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


def _latest(rows: pa.Table) -> pd.DataFrame:
    """The last version of each bar with its `known_at`, sorted by (session, symbol)."""
    symbols = pc.dictionary_encode(rows[Bars.symbol].combine_chunks())
    days = rows[Bars.session].cast(pa.int32()).to_numpy()
    known_at = rows[KNOWN_AT].cast(pa.int64()).to_numpy()
    values = {column: rows[column].to_numpy() for column in VALUES}
    ranks = pc.rank(symbols.dictionary).to_numpy().astype("int64")
    key = days.astype("int64") * (len(ranks) + 1) + ranks[symbols.indices.to_numpy()]
    kept = _last_versions(key, known_at, list(values.values()))
    columns = {
        Bars.session: days[kept].astype("datetime64[D]").astype("datetime64[ns]"),
        Bars.symbol: pd.array(symbols.take(pa.array(kept)).cast(pa.large_string()), dtype="str"),
        **{column: numbers[kept] for column, numbers in values.items()},
        KNOWN_AT: pd.DatetimeIndex(known_at[kept].view("datetime64[us]"), tz="UTC"),
    }
    return pd.DataFrame(columns, copy=False)


def _last_versions(key: np.ndarray, known_at: np.ndarray, values: Sequence[np.ndarray]) -> np.ndarray:
    """Where the last known version of each key stands, by key.

    Of versions that were stored at one instant the one with the largest values counts, so that no two readings differ.
    """
    order = np.lexsort((known_at, key))
    same_key = key[order][1:] == key[order][:-1]
    tied = same_key & (known_at[order][1:] == known_at[order][:-1])
    if tied.any():
        places = np.flatnonzero(np.append(tied, False) | np.append(False, tied))
        among = order[places]
        order[places] = among[np.lexsort((*(numbers[among] for numbers in reversed(values)), known_at[among], key[among]))]
    last: np.ndarray = order[np.append(~same_key, True)[: len(order)]]
    return last
