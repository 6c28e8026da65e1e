"""A folder of files keeps the contract, whatever the files are: CSV, packed CSV, Parquet, in the dialects of three vendors."""

import gzip
from datetime import date
from pathlib import Path

import pandas as pd
import pytest

from nightdesk.errors import BadData, Misconfigured
from nightdesk.market.csvdir import CsvDirSource
from nightdesk.market.sample import SampleSource
from nightdesk.market.source import Source
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars
from tests.contracts.source_contract import SourceContract

SESSIONS = exchange_sessions("XNYS")
FIRST, LAST = date(2018, 10, 1), date(2018, 12, 31)
NAMES_OF_YAHOO = {
    Bars.session: "Date",
    Bars.open: "Open",
    Bars.high: "High",
    Bars.low: "Low",
    Bars.close: "Close",
    Bars.volume: "Volume",
    Bars.dividend: "Dividends",
    Bars.split: "Stock Splits",
}


def sample(symbol: str) -> pd.DataFrame:
    return SampleSource().fetch_bars([symbol], FIRST, LAST)


def write_yahoo(folder: Path) -> None:
    """As yfinance writes a history: midnight in New York, 0.0 where there is no split."""
    table = sample("^GSPC").rename(columns=NAMES_OF_YAHOO).drop(columns=Bars.symbol).assign(**{"Stock Splits": 0.0})
    table["Date"] = table["Date"].dt.tz_localize("America/New_York")
    table.to_csv(folder / "^GSPC.csv", index=False)


def write_nasdaq(folder: Path) -> None:
    """As Nasdaq.com offers it: newest first, dollars, month first."""
    bars = sample("^IXIC").iloc[::-1]
    lines = [
        f"{row.session:%m/%d/%Y},${row.close},{row.volume:.0f},${row.open},${row.high},${row.low}" for row in bars.itertuples()
    ]
    content = "\n".join(["Date,Close/Last,Volume,Open,High,Low", *lines, ""])
    (folder / "^IXIC.csv.gz").write_bytes(gzip.compress(content.encode()))


def write_own(folder: Path, symbol: str = "SPXSIM") -> None:
    sample("^GSPC").assign(**{Bars.symbol: symbol}).to_parquet(folder / f"{symbol}.parquet", index=False)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    bars = tmp_path / "bars"
    bars.mkdir()
    for write in (write_yahoo, write_nasdaq, write_own):
        write(bars)
    return bars


class TestCsvDirSource(SourceContract):
    symbols = ("SPXSIM", "^GSPC", "^IXIC")
    first = date(2018, 11, 30)
    last = LAST

    @pytest.fixture
    def source(self, folder: Path) -> Source:
        return CsvDirSource(folder, "USD", self.symbols, SESSIONS)

    def test_every_file_gives_back_the_bars_that_were_written(self, source: Source) -> None:
        for symbol, of_sample in (("SPXSIM", "^GSPC"), ("^GSPC", "^GSPC"), ("^IXIC", "^IXIC")):
            expected = sample(of_sample).assign(**{Bars.symbol: pd.Series(symbol, index=range(63), dtype="str")})
            pd.testing.assert_frame_equal(source.fetch_bars([symbol], FIRST, LAST), expected)

    def test_a_fresh_book_begins_with_the_newest_bar(self, source: Source) -> None:
        assert source.span == (FIRST, LAST)
        assert source.opens == LAST

    def test_what_was_not_said_by_a_file_is_noted(self, source: Source) -> None:
        notes = source.fetch_bars(self.symbols, FIRST, LAST).attrs["notes"]
        assert notes == ("^IXIC.csv.gz says nothing about dividends and splits: its prices are taken as traded.",)


def test_an_appended_bar_is_seen_by_the_same_source(tmp_path: Path) -> None:
    path = tmp_path / "SPXSIM.csv"
    bars = sample("^GSPC").assign(**{Bars.symbol: "SPXSIM"})
    bars.iloc[:-1].to_csv(path, index=False)
    source = CsvDirSource(tmp_path, "USD", ["SPXSIM"], SESSIONS)
    assert source.span == (FIRST, date(2018, 12, 28))
    bars.to_csv(path, index=False)
    assert source.span == (FIRST, LAST)
    assert len(source.fetch_bars(["SPXSIM"], LAST, LAST)) == 1


@pytest.mark.parametrize("symbol", ["../../x", "", "AAPL?qty=1", "A\0", "A" * 10_000, "/etc/passwd", "..", "AAPL\n", "aapl"])
def test_a_symbol_that_is_none_never_becomes_a_path(symbol: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="symbol was"):
        CsvDirSource(tmp_path, "USD", [symbol], SESSIONS).fetch_bars([symbol], FIRST, LAST)


def test_a_symbol_without_a_file_and_one_with_two_are_refused_by_folder(folder: Path) -> None:
    write_own(folder, "TWICE")
    sample("^GSPC").to_csv(folder / "TWICE.csv", index=False)
    source = CsvDirSource(folder, "USD", ["TWICE"], SESSIONS)
    with pytest.raises(Misconfigured) as refusal:
        source.fetch_bars(["AAPL"], FIRST, LAST)
    assert str(folder) in refusal.value.message and "AAPL.csv.gz" in refusal.value.message
    with pytest.raises(Misconfigured, match=r"TWICE\.csv, TWICE\.parquet"):
        source.fetch_bars(["TWICE"], FIRST, LAST)


def test_a_link_that_leaves_the_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    write_own(tmp_path, "AWAY")
    (folder / "AWAY.parquet").symlink_to(tmp_path / "AWAY.parquet")
    with pytest.raises(Misconfigured, match=r"AWAY\.parquet"):
        CsvDirSource(folder, "USD", ["AWAY"], SESSIONS).fetch_bars(["AWAY"], FIRST, LAST)


def test_a_file_that_says_another_symbol_is_refused(folder: Path) -> None:
    (folder / "SPXSIM.parquet").rename(folder / "AAPL.parquet")
    with pytest.raises(BadData, match="'SPXSIM' instead of 'AAPL'"):
        CsvDirSource(folder, "USD", ["AAPL"], SESSIONS).fetch_bars(["AAPL"], FIRST, LAST)


def test_a_file_with_one_bar_is_no_market(tmp_path: Path) -> None:
    sample("^GSPC").head(1).to_csv(tmp_path / "^GSPC.csv", index=False)
    with pytest.raises(BadData, match="two sessions"):
        _ = CsvDirSource(tmp_path, "USD", ["^GSPC"], SESSIONS).opens
