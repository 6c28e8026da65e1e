"""A file in any of the common dialects gives the bars that it says; whatever is not certain is refused with one sentence."""

import gzip
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from nightdesk.errors import BadData, Misconfigured
from nightdesk.market import bar_cells
from nightdesk.market.bar_files import load_bar_file
from schemas.bars import Bars

VALUES = [Bars.open, Bars.high, Bars.low, Bars.close, Bars.volume, Bars.dividend, Bars.split]

# Apple around its split of 4 for 1 on 2020-08-31. Yahoo's own figures, split-adjusted; as traded the close of the 28th was
# 499.23, of which a quarter is 124.8075. The adjusted closes are made up.
YAHOO = """Date,Open,High,Low,Close,Adj Close,Volume,Dividends,Stock Splits
2020-08-27 00:00:00-04:00,127.142502,127.485001,123.832497,125.010002,122.5,155552400,0.0,0.0
2020-08-28 00:00:00-04:00,126.012497,126.442497,124.577499,124.807503,122.3,187630000,0.0,0.0
2020-08-31 00:00:00-04:00,127.580002,131.0,126.0,129.039993,126.4,225702700,0.0,4.0
2020-09-01 00:00:00-04:00,132.759995,134.800003,130.529999,134.179993,131.5,151948100,0.0,0.0
"""
TWO_DAYS = [[10.0, 11.0, 9.0, 10.5, 1000.0, 0.0, 1.0], [10.5, 12.0, 10.0, 11.5, 2000.0, 0.25, 2.0]]
WITHOUT_ACTIONS = [[*row[:5], 0.0, 1.0] for row in TWO_DAYS]
DIALECTS = {
    "own": (
        "session,symbol,open,high,low,close,volume,dividend,split\n"
        "2024-01-30,AAPL,10,11,9,10.5,1000,0,1\n2024-01-31,AAPL,10.5,12,10,11.5,2000,0.25,2\n",
        TWO_DAYS,
    ),
    "Yahoo's own, split-adjusted": (
        "Date,Open,High,Low,Close,Volume,Dividends,Stock Splits,Capital Gains,Repaired?\n"
        "2024-01-30 00:00:00-05:00,5,5.5,4.5,5.25,2000,0,0.0,0,False\n"
        "2024-01-31 00:00:00-05:00,10.5,12,10,11.5,2000,0.2,2.0,0.05,False\n",
        TWO_DAYS,
    ),
    "yfinance's download with three header lines": (
        "Price,Close,High,Low,Open,Volume\nTicker,AAPL,AAPL,AAPL,AAPL,AAPL\nDate,,,,,\n"
        "2024-01-30,10.5,11,9,10,1000\n2024-01-31,11.5,12,10,10.5,2000\n",
        WITHOUT_ACTIONS,
    ),
    "Yahoo's page of old, and the bundled files": (
        "Date,Open,High,Low,Close,Adj Close,Volume\n1/30/2024,10,11,9,10.5,9.9,1000\n1/31/2024,10.5,12,10,11.5,11.5,2000\n",
        WITHOUT_ACTIONS,
    ),
    "Stooq": (
        "Date,Open,High,Low,Close,Volume\r\n2024-01-30,10,11,9,10.5,1000\r\n2024-01-31,10.5,12,10,11.5,2000\r\n",
        WITHOUT_ACTIONS,
    ),
    "Alpha Vantage, newest first": (
        "timestamp,open,high,low,close,adjusted_close,volume,dividend_amount,split_coefficient\n"
        "2024-01-31,10.5,12,10,11.5,11.5,2000,0.25,2.0\n2024-01-30,10,11,9,10.5,5.1,1000,0.0,1.0\n",
        TWO_DAYS,
    ),
    "Tiingo": (
        "date,close,high,low,open,volume,adjClose,adjHigh,adjLow,adjOpen,adjVolume,divCash,splitFactor\n"
        "2024-01-30T00:00:00.000Z,10.5,11,9,10,1000,5.1,5.3,4.4,4.9,2000,0.0,1.0\n"
        "2024-01-31T00:00:00.000Z,11.5,12,10,10.5,2000,11.5,12,10,10.5,2000,0.25,2.0\n",
        TWO_DAYS,
    ),
    "Nasdaq.com, newest first": (
        "Date,Close/Last,Volume,Open,High,Low\n01/31/2024,$11.5,2000,$10.5,$12,$10\n01/30/2024,$10.5,1000,$10,$11,$9\n",
        WITHOUT_ACTIONS,
    ),
    "a byte order mark, quotes, capitals, other columns, another order": (
        '\ufeff"VOLUME","note","OPEN","HIGH","LOW","CLOSE","DATE"\n1000,"one, two",10,11,9,10.5,2024-01-30\n'
        "2000,=1+1,10.5,12,10,11.5,2024-01-31\n",
        WITHOUT_ACTIONS,
    ),
}


def written(folder: Path, text: str | bytes, name: str = "AAPL.csv") -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def with_row(*rows: str) -> str:
    """A good file of two rows, and these after them on lines 4 and on."""
    return "\n".join(["Date,Open,High,Low,Close,Volume", "2024-01-30,10,11,9,10.5,1000", "2024-01-31,10,11,9,10.5,1000", *rows])


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_dialect_gives_the_bars_as_traded_oldest_first(dialect: str, tmp_path: Path) -> None:
    text, expected = DIALECTS[dialect]
    bars = load_bar_file(written(tmp_path, text), "AAPL")
    assert list(bars[Bars.session].astype("str")) == ["2024-01-30", "2024-01-31"]
    assert list(bars[Bars.symbol]) == ["AAPL", "AAPL"]
    np.testing.assert_allclose(bars[VALUES].to_numpy(), expected, rtol=1e-12)
    pd.testing.assert_frame_equal(
        Bars.validate(bars[[Bars.session, Bars.symbol, *VALUES]]), bars[[Bars.session, Bars.symbol, *VALUES]]
    )


@pytest.mark.parametrize("dialect", DIALECTS)
def test_the_same_file_packed_gives_the_same_bars(dialect: str, tmp_path: Path) -> None:
    text = DIALECTS[dialect][0]
    plain = load_bar_file(written(tmp_path, text), "AAPL")
    packed = load_bar_file(written(tmp_path, gzip.compress(text.encode()), "AAPL.csv.gz"), "AAPL")
    pd.testing.assert_frame_equal(packed, plain)


@pytest.mark.parametrize("dialect", ["own", "Yahoo's own, split-adjusted", "Tiingo", "Alpha Vantage, newest first"])
def test_the_same_table_as_parquet_gives_the_same_bars(dialect: str, tmp_path: Path) -> None:
    text = DIALECTS[dialect][0]
    plain = load_bar_file(written(tmp_path, text), "AAPL")
    table = pd.read_csv(io.StringIO(text), parse_dates=[0]).astype({"volume": "Int64"} if dialect == "own" else {})
    table.set_index(table.columns[0]).to_parquet(tmp_path / "AAPL.parquet")
    pd.testing.assert_frame_equal(load_bar_file(tmp_path / "AAPL.parquet", "AAPL"), plain)


def test_apple_before_its_split_of_2020_is_read_as_it_was_traded(tmp_path: Path) -> None:
    bars = load_bar_file(written(tmp_path, YAHOO), "AAPL").set_index(Bars.session)
    assert bars.loc["2020-08-28", Bars.close] == pytest.approx(499.23, abs=0.001)
    assert bars.loc["2020-08-28", Bars.volume] == pytest.approx(187_630_000 / 4)
    assert bars.loc["2020-08-31", Bars.close] == pytest.approx(129.04, abs=0.001)
    assert list(bars[Bars.split]) == [1.0, 1.0, 4.0, 1.0]
    assert list(bars["adjusted_close"]) == [122.5, 122.3, 126.4, 131.5]
    assert bars.attrs == {"notes": (), "utc_offset": "-04:00", "symbol": ""}


def test_an_adjusted_close_without_dividends_and_splits_is_left_out_and_said(tmp_path: Path) -> None:
    bars = load_bar_file(written(tmp_path, DIALECTS["Yahoo's page of old, and the bundled files"][0]), "AAPL")
    assert "adjusted_close" not in bars.columns
    assert bars.attrs["notes"] == ("AAPL.csv says nothing about dividends and splits: its prices are taken as traded.",)


def test_empty_cells_are_nan_and_infinity_is_kept_for_the_checks(tmp_path: Path) -> None:
    bars = load_bar_file(written(tmp_path, with_row("2024-02-01,,null,NaN,inf,N/A")), "AAPL")
    values = bars.loc[2, [Bars.open, Bars.high, Bars.low, Bars.close, Bars.volume]].to_numpy(float)
    np.testing.assert_array_equal(values, [np.nan, np.nan, np.nan, np.inf, np.nan])


@pytest.mark.parametrize(("zero", "expected"), [("", [0.0, 0.5, 0.0]), ("0", [0.0, 0.5, np.nan])])
def test_an_empty_dividend_is_none_only_where_the_file_never_writes_a_zero(
    zero: str, expected: list[float], tmp_path: Path
) -> None:
    rows = [f"2024-01-29,1,1,1,1,1,{zero}", "2024-01-30,1,1,1,1,1,0.5", "2024-01-31,1,1,1,1,1,"]
    text = "\n".join(["date,open,high,low,close,volume,dividend", *rows])
    np.testing.assert_array_equal(load_bar_file(written(tmp_path, text), "AAPL")[Bars.dividend], expected)


@pytest.mark.parametrize("split", ["-2.0", "inf", ""])
def test_a_split_that_cannot_be_is_shown_to_the_checks_and_changes_no_price(split: str, tmp_path: Path) -> None:
    rows = ["2024-01-30,1,1,1,1,1,0,0", f"2024-01-31,2,2,2,2,2,0,{split}", "2024-02-01,3,3,3,3,3,0,0"]
    bars = load_bar_file(written(tmp_path, "\n".join(["Date,Open,High,Low,Close,Volume,Dividends,Stock Splits", *rows])), "AAPL")
    assert list(bars[Bars.close]) == [1.0, 2.0, 3.0]
    np.testing.assert_array_equal(bars[Bars.split], [1.0, float(split or "nan"), 1.0])


@pytest.mark.parametrize("order", [[1, 0, 2], [0, 2, 1], [2, 0, 1]])
def test_any_order_but_newest_first_is_kept_for_the_checks(order: list[int], tmp_path: Path) -> None:
    days = [f"2024-01-{29 + place}" for place in order]
    text = "\n".join(["date,open,high,low,close,volume", *(f"{day},1,1,1,1,1" for day in days)])
    assert list(load_bar_file(written(tmp_path, text), "AAPL")[Bars.session].astype("str")) == days


@pytest.mark.parametrize(
    ("stamps", "kept"),
    [
        (["2024-03-08 00:00:00-05:00", "2024-03-11 00:00:00-04:00"], ["2024-03-08", "2024-03-11"]),
        (["2024-03-08T00:00:00Z", "2024-03-11T00:00:00Z"], ["2024-03-08", "2024-03-11"]),
        (["2024-03-08 05:00:00+00:00", "2024-03-11 04:00:00+00:00"], ["2024-03-08 05:00:00", "2024-03-11 04:00:00"]),
        (["2024-03-08 00:00:00-05:00", "2024-03-11 01:00:00-04:00"], ["2024-03-08 00:00:00", "2024-03-11 01:00:00"]),
        (["2024-03-07 23:00:00-06:00", "2024-03-10 23:00:00-05:00"], ["2024-03-07 23:00:00", "2024-03-10 23:00:00"]),
    ],
)
def test_a_time_of_day_is_kept_unless_it_is_midnight_throughout(stamps: list[str], kept: list[str], tmp_path: Path) -> None:
    text = "\n".join(["timestamp,open,high,low,close,volume", *(f"{stamp},1,1,1,1,1" for stamp in stamps)])
    bars = load_bar_file(written(tmp_path, text), "AAPL")
    assert list(bars[Bars.session].astype("str")) == kept
    instants = pd.DatetimeIndex(pd.to_datetime(stamps, utc=True)).tz_convert("America/New_York")
    columns = dict.fromkeys(["open", "high", "low", "close", "volume"], 1.0)
    pd.DataFrame({"Date": instants, **columns}).to_parquet(tmp_path / "AAPL.parquet")
    own_clock = load_bar_file(tmp_path / "AAPL.parquet", "AAPL")[Bars.session]
    assert list(own_clock) == list(instants.tz_localize(None))


HEADER = "Date,Open,High,Low,Close,Volume\n"
REFUSED = {
    "semicolons and decimal commas": ("Date;Open;High;Low;Close;Volume\n2024-01-30;1,5;2,5;1;2;3\n", ["semicolons"]),
    "tabs": ("Date\tOpen\tHigh\n", ["tabs"]),
    "decimal commas": (with_row("2024-02-01,1,5,2,5,1,0,2,0,3"), ["line 4", "10 cells", "6", "2024-02-01,1,5,2,5"]),
    "a cut line": (with_row("", "", "2024-02-01,10,11"), ["line 6", "3 cells", "2024-02-01,10,11"]),
    "a thousands comma": (with_row("", '2024-02-01,10,11,9,10,"1,234"'), ["line 5", "Volume", "'1,234'", "plain number"]),
    "a decimal comma in quotes": (with_row('2024-02-01,"10,5",11,9,10,1'), ["line 4", "Open", "'10,5'"]),
    "a formula": (with_row("2024-02-01,10,11,9,=B2*2,1"), ["line 4", "Close", "'=B2*2'"]),
    "text in a number": (with_row("2024-02-01,10,11,9,ten,1", "2024-02-02,1,1,1,one,1"), ["line 4", "'ten'", "1 more"]),
    "dollars outside Nasdaq's files": (with_row("2024-02-01,$10,11,9,10,1"), ["line 4", "'$10'"]),
    "a date that is none": (with_row("2024-02-30,10,11,9,10,1"), ["line 4", "Date", "'2024-02-30'"]),
    "no date": (with_row(",10,11,9,10,1"), ["line 4", "Date", "''"]),
    "a formula for a date": (with_row("=TODAY(),10,11,9,10,1"), ["line 4", "=TODAY()"]),
    "a year beyond reason": (with_row("9999-01-01,10,11,9,10,1"), ["line 4", "9999-01-01"]),
    "two ways to write a date": (with_row("02/01/2024,10,11,9,10,1"), ["line 4", "'02/01/2024'"]),
    "day first": (HEADER + "12/01/2024,1,1,1,1,1\n15/01/2024,1,1,1,1,1\n", ["line 3", "'15/01/2024'", "day first"]),
    "month or day first": (HEADER + "01/02/2024,1,1,1,1,1\n02/02/2024,1,1,1,1,1\n", ["month or day first", "'01/02/2024'"]),
    "dots in a date": (HEADER + "30.01.2024,1,1,1,1,1\n", ["line 2", "'30.01.2024'"]),
    "a missing column": ("Date,Open,High,Low,Volume\n2024-01-30,1,1,1,1\n", ["no column for close", "close/last"]),
    "a repeated column": (
        "Date,Open,High,Low,Close,Close,Volume\n2024-01-30,1,1,1,1,1,1\n",
        ["Close and Close", "both the close"],
    ),
    "two columns of one meaning": ("Date,timestamp,Open,High,Low,Close,Volume\n", ["Date and timestamp"]),
    "two symbols": (
        "symbol,date,open,high,low,close,volume\nA,2024-01-30,1,1,1,1,1\nB,2024-01-30,1,1,1,1,1\n",
        ["line 3", "'B'"],
    ),
    "another encoding": (with_row("2024-02-01,10,11,9,10,1 \u20ac").encode("cp1252"), ["line 4", "UTF-8", "0x80"]),
    "UTF-16": (with_row().encode("utf-16"), ["UTF-8"]),
    "a NUL": (with_row("2024-02-01,10\0,11,9,10,1"), ["line 4", "0x00"]),
    "a web page": ("\n<!DOCTYPE html><html><body>Too many requests, come back</body></html>", ["web page"]),
    "a vendor's answer instead of data": ('{"Note": "Thank you for using us", "More": 1}', ["no column for"]),
    "no data": ("No data", ["'No data'"]),
    "nothing": ("", ["empty"]),
    "blanks": ("\n \n", ["empty"]),
    "a header alone": (HEADER, ["no rows"]),
    "an escape sequence": (with_row("2024-02-01,\x1b[2J,11,9,10,1"), ["line 4", r"\x1b[2J"]),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_not_understood_ends_with_one_sentence_that_names_file_place_and_value(fault: str, tmp_path: Path) -> None:
    text, named = REFUSED[fault]
    with pytest.raises(BadData) as refusal:
        load_bar_file(written(tmp_path, text, "MINE.csv"), "MINE")
    sentence = refusal.value.message
    assert all(word in sentence for word in ["MINE.csv: ", *named]), sentence
    assert sentence.isprintable() and sentence.endswith(".") and len(sentence) < 400


def test_a_file_over_the_size_limit_is_refused_packed_or_not(tmp_path: Path) -> None:
    zeros = bytes(bar_cells.MAX_FILE_MB * 1_000_000)
    packed = gzip.compress(HEADER.encode() + zeros + b"more")
    assert len(packed) < 100_000
    for path in (written(tmp_path, HEADER.encode() + zeros), written(tmp_path, packed, "AAPL.csv.gz")):
        with pytest.raises(BadData, match="larger than 50 MB"):
            load_bar_file(path, "AAPL")


def columns_of(days: pa.Array, **others: pa.Array) -> pa.Table:
    ones = pa.array(np.ones(len(days)))
    return pa.table({"date": days, "open": ones, "high": ones, "low": ones, "close": ones, "volume": ones} | others)


def test_a_parquet_file_with_too_many_rows_is_refused_before_they_are_read(tmp_path: Path) -> None:
    days = pa.array(np.full(bar_cells.MAX_ROWS + 1, np.datetime64("2024-01-02", "D")))
    pq.write_table(columns_of(days), tmp_path / "AAPL.parquet")
    assert (tmp_path / "AAPL.parquet").stat().st_size < 1_000_000
    with pytest.raises(BadData, match=r"500,001 rows, the most that are read are 500,000"):
        load_bar_file(tmp_path / "AAPL.parquet", "AAPL")


DAY = pa.array(np.array(["2024-01-02"], dtype="datetime64[D]"))
BAD_PARQUET = {
    "a number for a date": (columns_of(pa.array([20240102])), ["row 1", "date was '20240102.0'", "not a number"]),
    "a truth for a price": (columns_of(DAY, open=pa.array([True])), ["open", "bool"]),
    "text in a number": (columns_of(DAY, close=pa.array(["ten"])), ["row 1", "close was 'ten'"]),
    "a date for a price": (columns_of(DAY, close=DAY), ["row 1", "close", "not a date"]),
    "no date": (columns_of(pa.array([None], pa.date32())), ["row 1", "date was", "1800 to 2099"]),
    "a date beyond reason": (columns_of(pa.array([2_932_532], pa.int32()).cast(pa.date32())), ["row 1", "9999"]),
    "a missing column": (columns_of(DAY).drop_columns("volume"), ["no column for volume"]),
}


@pytest.mark.parametrize("fault", BAD_PARQUET)
def test_a_parquet_file_of_another_shape_ends_with_one_sentence(fault: str, tmp_path: Path) -> None:
    table, named = BAD_PARQUET[fault]
    pq.write_table(table, tmp_path / "MINE.parquet")
    with pytest.raises(BadData) as refusal:
        load_bar_file(tmp_path / "MINE.parquet", "MINE")
    assert all(word in refusal.value.message for word in ["MINE.parquet: ", *named]), refusal.value.message


@pytest.mark.parametrize("name", ["MINE.csv.gz", "MINE.parquet"])
def test_a_broken_container_ends_with_one_sentence(name: str, tmp_path: Path) -> None:
    pq.write_table(columns_of(DAY), tmp_path / "whole.parquet")
    whole = gzip.compress(with_row().encode()) if name.endswith("gz") else (tmp_path / "whole.parquet").read_bytes()
    for content in (b"", b"Date,Open", whole[:-12], whole[:20] + b"\xff" * 20 + whole[40:]):
        with pytest.raises(BadData, match=f"^{name}: it is "):
            load_bar_file(written(tmp_path, content, name), "MINE")


def test_numbers_dates_and_texts_of_any_parquet_type_are_read(tmp_path: Path) -> None:
    stamp = pa.array([np.datetime64("2024-01-02T00:00", "us")]).cast(pa.timestamp("us", "America/New_York"))
    table = columns_of(
        pa.array([1704171600000], pa.timestamp("ms", "America/New_York")),
        open=pa.array([7], pa.int32()),
        high=pa.array(["8.5"]).dictionary_encode(),
        low=pa.array([6], pa.uint8()).cast(pa.decimal128(9, 2)),
        volume=pa.array([None], pa.int64()),
        note=stamp,
    )
    pq.write_table(table, tmp_path / "MINE.parquet")
    (bar,) = load_bar_file(tmp_path / "MINE.parquet", "MINE").to_dict("records")
    assert bar[Bars.session] == pd.Timestamp("2024-01-02")
    assert (bar[Bars.open], bar[Bars.high], bar[Bars.low]) == (7.0, 8.5, 6.0) and np.isnan(bar[Bars.volume])


def test_a_file_outside_the_root_without_its_ending_or_absent_is_refused(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    outside = written(tmp_path, with_row())
    (root / "AAPL.csv").symlink_to(outside)
    (root / "MSFT.csv").symlink_to(written(root, with_row(), "real.csv"))
    assert len(load_bar_file(root / "MSFT.csv", "MSFT", root)) == 2
    for path in (root / "AAPL.csv", root / ".." / "AAPL.csv", outside):
        with pytest.raises(Misconfigured, match="a file inside"):
            load_bar_file(path, "AAPL", root)
    with pytest.raises(Misconfigured, match=r"\.csv, \.csv\.gz, \.parquet"):
        load_bar_file(written(tmp_path, with_row(), "AAPL.xlsx"), "AAPL")
    with pytest.raises(Misconfigured, match=r"There is no file .*NOSUCH\.csv"):
        load_bar_file(tmp_path / "NOSUCH.csv", "AAPL")


FUND = (
    "Date,Open,High,Low,Close,Adj Close,Volume,Dividends,Stock Splits,Capital Gains\n"
    "2024-12-16,20,20,20,20,{adjusted},0,0,0,0\n2024-12-17,15,15,15,15,15,0,5,0,{gains}\n"
)


@pytest.mark.parametrize(
    ("adjusted", "gains", "paid"),
    [
        (15, 4, 5.0),  # adjusted by 5 of 20: the dividend of 5 contains the gains of 4
        (11, 4, 9.0),  # adjusted by 9 of 20: both were paid, or the vendor counts twice; the price then says which
        (8, 7, 12.0),  # more gains than dividend: it cannot contain them
    ],
)
@pytest.mark.parametrize("newest_first", [False, True])
def test_gains_of_a_fund_are_added_unless_the_adjusted_close_says_that_the_dividend_contains_them(
    adjusted: int, gains: int, paid: float, newest_first: bool, tmp_path: Path
) -> None:
    header, *rows = FUND.format(adjusted=adjusted, gains=gains).strip().split("\n")
    path = tmp_path / "FUND.csv"
    path.write_text("\n".join([header, *(reversed(rows) if newest_first else rows)]) + "\n")
    assert list(load_bar_file(path, "FUND")[Bars.dividend]) == [0.0, paid]
