"""Files of returns as people have them: read right, or refused with a sentence that names what is wrong."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nightdesk.errors import BadData, Misconfigured
from nightdesk.market.return_files import load_returns

ROWS = "2024-01-02,0.01\n2024-01-03,-0.02\n2024-01-04,0.005\n"


def written(folder: Path, text: str, name: str = "mine.csv") -> Path:
    file = folder / name
    file.write_text(text, encoding="utf-8")
    return file


@pytest.mark.parametrize(
    "header", ["date,return", "Date,Returns", "session,strategy", ",0", "Date,SPY", "timestamp,daily_return"]
)
def test_a_date_and_a_return_are_found_under_the_names_that_people_use(tmp_path: Path, header: str) -> None:
    frame = load_returns(written(tmp_path, f"{header}\n{ROWS}"))
    assert frame["return"].tolist() == [0.01, -0.02, 0.005]
    assert list(frame.index) == list(pd.to_datetime(["2024-01-02", "2024-01-03", "2024-01-04"]))
    assert "benchmark" not in frame
    assert frame.attrs["notes"] == ()


def test_a_packed_file_that_is_newest_first_is_turned_round(tmp_path: Path) -> None:
    file = tmp_path / "mine.csv.gz"
    file.write_bytes(gzip.compress(b"date,return\r\n2024-01-03,-0.02\r\n2024-01-02,0.01\r\n"))
    assert load_returns(file)["return"].tolist() == [0.01, -0.02]


def test_a_column_named_benchmark_is_one_without_being_asked(tmp_path: Path) -> None:
    frame = load_returns(written(tmp_path, "date,return,benchmark\n2024-01-02,0.01,0.02\n2024-01-03,0.03,0.04\n"))
    assert frame["benchmark"].tolist() == [0.02, 0.04]


def test_another_column_is_the_benchmark_where_it_is_named(tmp_path: Path) -> None:
    file = written(tmp_path, "date,return,SPY,benchmark\n2024-01-02,0.01,0.02,0.5\n2024-01-03,0.03,0.04,0.5\n")
    frame = load_returns(file, "SPY")
    assert frame["benchmark"].tolist() == [0.02, 0.04]
    assert frame.attrs["benchmark"] == "SPY"


def test_another_file_is_the_benchmark_on_the_sessions_of_the_record(tmp_path: Path) -> None:
    theirs = written(tmp_path, "date,return\n2024-01-01,0.9\n2024-01-02,0.02\n2024-01-04,0.04\n", "index.csv")
    frame = load_returns(written(tmp_path, f"date,return\n{ROWS}"), str(theirs))
    assert np.array_equal(frame["benchmark"], [0.02, np.nan, 0.04], equal_nan=True)
    assert frame.attrs["benchmark"] == "index"
    assert frame.attrs["notes"] == ("The benchmark has no return in 1 of 3 sessions; comparisons leave these out.",)


def test_an_empty_cell_is_a_session_without_a_return_and_is_said(tmp_path: Path) -> None:
    frame = load_returns(written(tmp_path, f"date,return\n2024-01-01,\n{ROWS}"))
    assert np.isnan(frame["return"].iloc[0])
    assert "1 of 4 sessions have no return" in frame.attrs["notes"][0]


def test_gaps_and_weekends_are_said(tmp_path: Path) -> None:
    days = "2024-01-05,0.01\n2024-01-06,0.01\n2024-01-08,0.01\n2024-02-08,0.01\n"
    notes = load_returns(written(tmp_path, f"date,return\n{days}")).attrs["notes"]
    assert "1 gap of more than 7 days" in notes[0]
    assert "31 days, from 2024-01-08 to 2024-02-08" in notes[0]
    assert "1 of 4 dates are on a weekend" in notes[1]


REFUSED = {
    "percent as whole numbers": (
        "date,return\n2024-01-02,0.4\n2024-01-03,1.2\n",
        "line 3: return was '1.2', allowed: from -1 to 1",
    ),
    "small percent as whole numbers": (f"date,return\n{ROWS.replace('0.0', '0.')}2024-01-05,0.5\n", "are 0.15 or larger"),
    "a percent sign": ("date,return\n2024-01-02,1.2%\n2024-01-03,0.1%\n", "'1.2%', allowed: a plain number .* 0.012 for 1.2 %"),
    "more than everything lost": ("date,return\n2024-01-02,0.01\n2024-01-03,-1.01\n", "was '-1.01', allowed: from -1 to 1"),
    "without end": ("date,return\n2024-01-02,inf\n2024-01-03,0.01\n", "was 'inf', allowed: from -1 to 1"),
    "one return": ("date,return\n2024-01-02,0.01\n", "it has 1 known return, needed: 2 or more"),
    "nothing known": ("date,return\n2024-01-02,nan\n2024-01-03,\n", "it has 0 known returns, needed: 2 or more"),
    "a header alone": ("date,return\n", "no rows"),
    "nothing": ("", "it is empty"),
    "a date twice": (f"date,return\n{ROWS}2024-01-04,0.01\n", "line 5: date was '2024-01-04', a date that is there before"),
    "an instant in a day": ("date,return\n2024-01-02 10:00,0.01\n2024-01-02 11:00,0.01\n", "a date that is there before"),
    "out of order": (f"date,return\n{ROWS}2024-01-01,0.01\n", "line 5: date was '2024-01-01', earlier than the date before it"),
    "a row a month": ("date,return\n2024-01-31,0.01\n2024-02-29,0.02\n2024-03-29,0.01\n", "mostly 29 days apart"),
    "semicolons": ("date;return\n2024-01-02;0,01\n", "separated by semicolons"),
    "decimal commas": ("date,return\n2024-01-02,0,01\n", "line 2 has 3 cells where the header has 2"),
    "no return": ("date,a,b\n2024-01-02,0.01,0.02\n", "it has no column for return"),
    "two returns": ("date,return,returns\n2024-01-02,0.01,0.02\n", "both the return"),
    "no dates": ("return,benchmark\n0.01,0.02\n", "it has no column for session"),
    "a date unclear": ("date,return\n01/02/2024,0.01\n02/02/2024,0.01\n", "month or day first"),
    "no number": ("date,return\n2024-01-02,much\n2024-01-03,0.01\n", "line 2: return was 'much'"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_what_can_not_be_returns_a_session_is_refused_with_a_sentence(tmp_path: Path, what: str) -> None:
    text, sentence = REFUSED[what]
    with pytest.raises(BadData, match=sentence) as refused:
        load_returns(written(tmp_path, text))
    assert refused.value.message.startswith("mine.csv: ")
    assert refused.value.message.endswith(".")


def test_a_benchmark_that_is_neither_column_nor_file_is_refused_with_the_columns(tmp_path: Path) -> None:
    with pytest.raises(BadData, match=r"no column 'SPY' to compare with; it has 'date,return'"):
        load_returns(written(tmp_path, f"date,return\n{ROWS}"), "SPY")


def test_a_benchmark_of_other_days_is_refused(tmp_path: Path) -> None:
    theirs = written(tmp_path, "date,return\n2020-01-02,0.02\n2020-01-03,0.04\n", "index.csv")
    with pytest.raises(BadData, match=r"0 of its sessions have a return of the benchmark index too"):
        load_returns(written(tmp_path, f"date,return\n{ROWS}"), str(theirs))


def test_a_file_that_is_not_there_or_no_csv_is_a_setting_to_fix(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="There is no file"):
        load_returns(tmp_path / "none.csv")
    with pytest.raises(Misconfigured, match=r"ends in \.csv, \.csv\.gz"):
        load_returns(written(tmp_path, "x", "mine.xlsx"))
