"""`nightdesk check` on data as a user has it: what is wrong is named with its exit code, what is right is fit to trade."""

import json
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nightdesk.cli import main
from nightdesk.day.calendar_fit import best_calendar
from nightdesk.market.checks import CHECKS
from nightdesk.market.sample import SampleSource
from nightdesk.sessions import exchange_sessions
from nightdesk.settings import settings
from schemas.bars import Bars
from tests.bars import clean_bars

# exchange-calendars 4.13 asks pandas 3.1 for weekdays in a way that pandas 4 will change; pandas names itself as the place
pytestmark = pytest.mark.filterwarnings("ignore:DatetimeIndex.weekday is deprecated:DeprecationWarning")

FIRST, LAST = date(2023, 1, 3), date(2023, 12, 29)


class Desk:
    """The command in this process, with a home and a data folder of its own."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self.folder, self.patch, self.capture = folder, patch, capture
        self.data = folder / "data"
        self.data.mkdir()

    def check(self, *words: str) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        self.patch.setattr(sys, "argv", ["nightdesk", "check", *words])
        self.patch.setenv("NIGHTDESK_HOME", str(self.folder / "home"))
        self.patch.setenv("NIGHTDESK_DATA", str(self.data))
        settings.cache_clear()
        with pytest.raises(SystemExit) as ended:
            main()
        settings.cache_clear()
        shown = self.capture.readouterr()
        return int(ended.value.code or 0), shown.out, shown.err

    def document(self, *words: str) -> Any:
        code, out, _ = self.check(*words, "--json")
        document = json.loads(out)
        assert document["exit_code"] == code
        return document

    def write(self, name: str, bars: pd.DataFrame) -> Path:
        path = self.data / name
        table = bars.drop(columns=Bars.symbol)
        table.to_parquet(path) if name.endswith(".parquet") else table.to_csv(path, index=False)
        return path


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Desk:
    return Desk(tmp_path, monkeypatch, capsys)


def year(calendar: str = "XNYS", first: date = FIRST, last: date = LAST, seed: int = 1) -> pd.DataFrame:
    return clean_bars(exchange_sessions(calendar).between(first, last), ["AAPL"], seed)


def found(document: Any) -> list[tuple[str, str, list[str]]]:
    return [(row["severity"], row["code"], row["sessions"]) for row in document["findings"]]


def test_a_clean_file_is_fit_to_trade(desk: Desk) -> None:
    code, out, _ = desk.check(str(desk.write("AAPL.csv", year())))
    assert code == 0
    assert "XNYS, 100.00% of days agree" in out and "250" in out and "2023-12-29" in out
    assert out.splitlines()[-1] == "Fit to trade: no error in 250 bars, 0 warnings."
    assert not (desk.folder / "home").exists()


def test_every_error_of_a_file_is_named_at_once_and_the_exit_code_is_3(desk: Desk) -> None:
    bars = year().drop(index=100)
    bars.loc[20, Bars.volume] = -1.0
    path = str(desk.write("AAPL.csv.gz", bars))
    document = desk.document(path)
    assert document["exit_code"] == 3 and document["fit_to_trade"] is False
    assert found(document) == [("error", "missing_session", ["2023-05-26"]), ("error", "negative_volume", ["2023-02-01"])]
    assert document["counts"] == {"files": 1, "bars": 249, "errors": 2, "warnings": 0}
    assert document["checks"]["found"] == ["missing_session", "negative_volume"]
    assert sorted(name for names in document["checks"].values() for name in names) == sorted(CHECKS)
    code, out, _ = desk.check(path)
    assert code == 3 and out.splitlines()[-1] == "Not fit to trade: 2 errors in 1 of 1, 0 warnings."
    assert "AAPL has no bar on 2023-05-26." in out and "negative volume" in out


def test_a_folder_is_checked_file_by_file_whatever_the_files_are_called(desk: Desk) -> None:
    desk.write("AAPL.parquet", year())
    desk.write("8TRA-DE-1d-missing.csv", year("XETR"))
    desk.write("my bars\n(final).csv.gz", year())
    (desk.data / "page.csv").write_text("<html>429 Too Many Requests</html>")
    (desk.data / "notes.txt").write_text("not data")
    document = desk.document(str(desk.data))
    assert [(row["file"], row["symbol"], row["bars"]) for row in document["files"]] == [
        ("8TRA-DE-1d-missing.csv", "8TRA-DE-1d-missing", 254),
        ("AAPL.parquet", "AAPL", 250),
        ("my bars?(final).csv.gz", "my bars?(final)", 250),
        ("page.csv", "page", 0),
    ]
    assert found(document) == [("error", "unreadable", [])] and "web page" in document["findings"][0]["message"]
    assert document["exit_code"] == 3 and document["files"][0]["calendar"]["name"] == "XETR"
    assert desk.document(str(desk.data), "--symbols", "AAPL,8TRA-DE-1d-missing")["counts"]["files"] == 2
    code, out, _ = desk.check(str(desk.data))
    assert code == 3 and "Not fit to trade: 1 error in 1 of 4" in out


def test_a_link_out_of_the_folder_is_named_and_not_read(desk: Desk, tmp_path: Path) -> None:
    year().to_csv(tmp_path / "AWAY.csv", index=False)
    (desk.data / "AWAY.csv").symlink_to(tmp_path / "AWAY.csv")
    document = desk.document(str(desk.data))
    assert found(document) == [("error", "unreadable", [])] and "inside" in document["findings"][0]["message"]


@pytest.mark.parametrize(
    ("calendar", "name", "zone", "expected"),
    [
        ("XNYS", "AAPL.csv", None, "XNYS"),
        ("XNYS", "ABR.V.csv", None, "XNYS"),
        ("XNYS", "tiingo.csv", "UTC", "XNYS"),
        ("XLON", "plain.csv", None, "XLON"),
        ("XLON", "KMR.csv", "Europe/London", "XLON"),
        ("XETR", "8TRA-DE-1d.csv", None, "XETR"),
        ("XPAR", "OR.PA.csv", None, "XPAR"),
        ("XTKS", "softbank.csv", "Asia/Tokyo", "XTKS"),
        ("24/7", "coin.csv", None, "24/7"),
    ],
)
def test_the_calendar_is_found_from_the_days_and_said(
    calendar: str, name: str, zone: str | None, expected: str, desk: Desk
) -> None:
    bars = year(calendar)
    if zone is not None:
        bars[Bars.session] = bars[Bars.session].dt.tz_localize(zone)
    document = desk.document(str(desk.write(name, bars)))
    assert document["files"][0]["calendar"] == {"name": expected, "agreement": 1.0, "older_bars": 0}
    assert document["exit_code"] == 0 and found(document) == []


def test_a_missing_month_and_an_extra_day_are_named_by_a_calendar_that_fits_less_well() -> None:
    days = exchange_sessions("XNYS").between(FIRST, LAST)
    holed = days.delete(range(100, 121)).append(pd.DatetimeIndex(["2023-07-04"])).sort_values()
    fit = best_calendar(holed, "AAPL", "-05:00")
    assert fit is not None and (fit.name, fit.agreed, fit.days) == ("XNYS", 229, 251)


def test_days_that_follow_no_calendar_are_checked_without_one_and_it_is_said(desk: Desk) -> None:
    path = str(desk.write("WEEKLY.csv", year().iloc[::5]))
    document = desk.document(path)
    assert document["files"][0]["calendar"] is None and found(document) == []
    assert {"missing_session", "extra_session"} <= set(document["checks"]["left_out"])
    assert "none fits" in desk.check(path)[1] and "fit no exchange's calendar" in desk.check(path)[1]
    named = desk.document(path, "--calendar", "XNYS")
    assert named["exit_code"] == 3 and [row["code"] for row in named["findings"]] == ["missing_session"]
    assert len(named["findings"][0]["sessions"]) == len(year().iloc[:246]) - 50


def test_bars_from_before_1990_are_checked_without_the_calendar_and_counted(desk: Desk) -> None:
    old = clean_bars(pd.bdate_range("1989-12-18", "1989-12-29", unit="ns"), ["AAPL"], 1)
    bars = pd.concat([old, year(first=date(1990, 1, 2), last=date(1990, 12, 31), seed=2)])
    bars[Bars.close] = bars[Bars.open]
    path = str(desk.write("OLD.csv", bars))
    document = desk.document(path)
    assert document["files"][0]["calendar"]["older_bars"] == 10
    assert not {"extra_session", "missing_session"} & {row["code"] for row in document["findings"]}
    assert "10 bars are older than the calendar XNYS" in desk.check(path)[1]


def test_a_bar_of_a_session_that_is_not_over_is_unfinished(desk: Desk) -> None:
    sessions = exchange_sessions("XNYS")
    ahead = clean_bars(sessions.between(sessions.before(sessions.last, 40), sessions.last), ["AAPL"], 1)
    document = desk.document(str(desk.write("AHEAD.csv", pd.concat([year(), ahead]))), "--calendar", "XNYS")
    assert ("error", "unfinished_bar") in [(row["severity"], row["code"]) for row in document["findings"]]


def test_start_and_end_cut_the_bars_that_are_checked(desk: Desk) -> None:
    bars = year()
    bars.loc[5, Bars.volume] = -1.0
    path = str(desk.write("AAPL.csv", bars))
    assert desk.document(path, "--end", "2023-06-30")["exit_code"] == 3
    later = desk.document(path, "--start", "2023-02-01", "--end", "2023-06-30")
    assert later["exit_code"] == 0
    assert (later["files"][0]["first"], later["files"][0]["last"]) == ("2023-02-01", "2023-06-30")
    none = desk.document(path, "--start", "2024-01-01")
    assert none["exit_code"] == 3 and [row["code"] for row in none["findings"]] == ["no_bars"]


def test_the_sample_is_checked_as_a_source(desk: Desk) -> None:
    document = desk.document("sample")
    assert document["exit_code"] == 0 and document["counts"]["bars"] == 10_062
    assert [row["symbol"] for row in document["files"]] == ["^GSPC", "^IXIC"]
    assert ("^GSPC", "open_repeats_close") in [(row["symbol"], row["code"]) for row in document["findings"]]
    part = desk.document("sample", "--symbols", "^IXIC", "--start", "2018-01-02", "--end", "2018-03-29")
    assert part["counts"]["bars"] == len(SampleSource().fetch_bars(["^IXIC"], date(2018, 1, 2), date(2018, 3, 29)))


def test_the_folder_source_is_checked_with_all_its_symbols(desk: Desk) -> None:
    desk.write("AAPL.csv", year())
    desk.write("MSFT.parquet", year(seed=2).iloc[:-1])
    desk.write("not a symbol.csv", year())
    document = desk.document("csvdir")
    assert [row["symbol"] for row in document["files"]] == ["AAPL", "MSFT"]
    assert found(document) == [("error", "missing_last_bar", ["2023-12-29"])]


def test_the_check_of_adjusted_closes_is_made_where_a_file_has_them(desk: Desk) -> None:
    bars = year().assign(adjusted_close=lambda table: table[Bars.close])
    bars.loc[100, Bars.dividend] = 3.0
    bars.loc[100:, [Bars.open, Bars.high, Bars.low, Bars.close, "adjusted_close"]] -= 3.0
    document = desk.document(str(desk.write("AAPL.csv", bars)))
    assert ("error", "dividend_not_adjusted") in [(row["severity"], row["code"]) for row in document["findings"]]
    assert document["checks"]["left_out"] == []


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["nosuch"], ["nosuch", "csvdir"]),
        (["sample", "--symbols", "SPY"], ["SPY", "^GSPC"]),
        (["yahoo"], ["--symbols"]),
        (["sample", "--calendar", "XMARS"], ["calendar", "XMARS"]),
        (["sample", "--start", "soon"], ["soon", "2018-12-31"]),
        (["sample", "--start", "2018-02-01", "--end", "2018-01-02"], ["2018-02-01", "2018-01-02"]),
        (["DATA"], ["data", ".csv.gz, .parquet"]),
        (["DATA/empty.xlsx"], [".xlsx"]),
        (["csvdir", "--symbols", "../../x"], ["../../x"]),
        ([], ["PATH|SOURCE"]),
    ],
)
def test_a_bad_argument_is_one_sentence_with_exit_code_2(words: list[str], named: list[str], desk: Desk) -> None:
    (desk.folder / "empty.xlsx").write_text("")
    given = [word.replace("DATA/empty", str(desk.folder / "empty")).replace("DATA", str(desk.data)) for word in words]
    code, out, err = desk.check(*given)
    assert code == 2 and out == "" and "Traceback" not in err
    assert all(word in err for word in named), err
