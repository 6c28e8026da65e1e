"""A folder of CSV and Parquet files, one a symbol, on a simulated clock: its newest bar is its present."""

import re
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Final

import pandas as pd

from nightdesk.errors import BadData, Misconfigured
from nightdesk.market.bar_files import SUFFIXES, load_bar_file
from nightdesk.market.histories import ADJUSTED_CLOSE
from nightdesk.sessions import Sessions
from schemas.bars import Bars
from schemas.strategy import DATA_SYMBOL

Version = tuple[int, int]


class CsvDirSource:
    """The bars of `<SYMBOL>.csv`, `.csv.gz` or `.parquet` in a folder, as `load_bar_file` understands them.

    `span` and `opens` are those of `symbols`. A file is read again when its time or size has changed.
    """

    name: Final = "csvdir"

    def __init__(self, folder: Path, currency: str, symbols: Sequence[str], sessions: Sessions) -> None:
        self.folder = folder
        self.currency = currency
        self._symbols = tuple(symbols)
        self._sessions = sessions
        self._read: dict[Path, tuple[Version, pd.DataFrame]] = {}

    @property
    def span(self) -> tuple[date, date]:
        """From the first day that any of the symbols' files has, to the last."""
        days = pd.concat([self._load(symbol)[Bars.session] for symbol in self._symbols])
        return days.min().date(), days.max().date()

    @property
    def opens(self) -> date:
        """The last session of the span: a fresh book begins with the newest bar, and goes on with what is added to the files."""
        first, last = self.span
        sessions = self._sessions.between(max(first, self._sessions.first), last)
        if len(sessions) < 2:
            raise BadData(f"{self.folder} has bars from {first} to {last}: that is not two sessions.", folder=str(self.folder))
        newest: date = sessions[-1].date()
        return newest

    def fetch_bars(self, symbols: Sequence[str], first: date, last: date) -> pd.DataFrame:
        """`Bars` from `first` to `last`, both included. Raises `Misconfigured` for a symbol without a file, or with two;
        `BadData` for a file that is not understood."""
        files = [self._load(symbol) for symbol in sorted(set(symbols))]
        bars = pd.concat(files, ignore_index=True).drop(columns=ADJUSTED_CLOSE, errors="ignore")
        wanted = bars[Bars.session].dt.normalize().between(pd.Timestamp(first), pd.Timestamp(last))
        bars = bars[wanted].sort_values([Bars.session, Bars.symbol], kind="stable", ignore_index=True)
        bars.attrs = {"notes": tuple(note for file in files for note in file.attrs["notes"])}
        return bars

    def _load(self, symbol: str) -> pd.DataFrame:
        path = self._file_of(symbol)
        status = path.stat()
        version = (status.st_mtime_ns, status.st_size)
        if path not in self._read or self._read[path][0] != version:
            bars = load_bar_file(path, symbol, root=self.folder)
            if bars.attrs["symbol"] not in ("", symbol):
                raise BadData(f"{path} has bars of {bars.attrs['symbol']!r} instead of {symbol!r}.", path=str(path))
            self._read[path] = (version, bars)
        return self._read[path][1]

    def _file_of(self, symbol: str) -> Path:
        if re.fullmatch(DATA_SYMBOL, symbol) is None:
            raise Misconfigured.value("symbol", symbol, f"a match of {DATA_SYMBOL}")
        candidates = [self.folder / f"{symbol}{suffix}" for suffix in SUFFIXES]
        found = [path for path in candidates if path.is_file()]
        if len(found) != 1:
            names = ", ".join(path.name for path in found or candidates)
            allowed = f"one with one file in {self.folder}, which has {'all of' if found else 'none of'} {names}"
            raise Misconfigured.value("symbol", symbol, allowed)
        return found[0]
