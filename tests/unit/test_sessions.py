"""Exchange sessions. Expected values are what the New York Stock Exchange published, never computed by the code under test."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta

import exchange_calendars
import pandas as pd
import pytest

from nightdesk.clock import WallClock
from nightdesk.errors import Misconfigured
from nightdesk.sessions import Sessions, exchange_sessions

CLOSED = [
    "2012-10-29",  # hurricane
    "2012-10-30",
    "2018-12-05",  # national day of mourning
    "2022-06-20",
    "2025-01-09",  # national day of mourning
    "2025-04-18",
    "2026-11-26",
    "2026-12-25",
    "2027-07-05",
    "2027-12-24",
    "2018-12-29",  # a Saturday
]
CLOSES_UTC = {
    "2024-07-03": "17:00",  # half days
    "2024-11-29": "18:00",
    "2024-12-24": "18:00",
    "2025-07-03": "17:00",
    "2025-11-28": "18:00",
    "2025-12-24": "18:00",
    "2026-11-27": "18:00",
    "2026-12-24": "18:00",
    "2026-03-06": "21:00",  # daylight saving time begins and ends
    "2026-03-09": "20:00",
    "2026-10-30": "20:00",
    "2026-11-02": "21:00",
}


@pytest.fixture(scope="module")
def nyse() -> Sessions:
    """New York to the end of 2027, however late it is today."""
    return Sessions("XNYS", exchange_calendars.get_calendar("XNYS", start="1990-01-01", end="2027-12-31").schedule)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("day", CLOSED)
def test_closed_days_are_no_sessions_and_have_no_close(nyse: Sessions, day: str) -> None:
    assert not nyse.is_session(date.fromisoformat(day))
    with pytest.raises(Misconfigured, match=day):
        nyse.closes_at(date.fromisoformat(day))


@pytest.mark.parametrize(("day", "clock"), CLOSES_UTC.items())
def test_half_days_and_daylight_saving_move_the_close(nyse: Sessions, day: str, clock: str) -> None:
    session = date.fromisoformat(day)
    assert nyse.is_session(session)
    assert nyse.closes_at(session) == instant(f"{day}T{clock}")
    assert nyse.settled_at(session) == instant(f"{day}T{clock}") + timedelta(minutes=15)


def test_the_open_is_half_past_nine_in_new_york(nyse: Sessions) -> None:
    assert nyse.opens_at(date(2026, 3, 6)) == instant("2026-03-06T14:30")
    assert nyse.opens_at(date(2026, 3, 9)) == instant("2026-03-09T13:30")


def test_a_year_has_the_published_number_of_sessions(nyse: Sessions) -> None:
    sessions = nyse.between(date(2026, 1, 1), date(2026, 12, 31))
    assert len(sessions) == 251
    assert sessions.dtype == "datetime64[ns]"
    assert len(nyse.between(date(1999, 1, 4), date(2018, 12, 31))) == 5031


def test_between_includes_both_ends_and_a_closed_weekend_is_empty(nyse: Sessions) -> None:
    assert list(nyse.between(date(2018, 12, 28), date(2018, 12, 31)).date) == [date(2018, 12, 28), date(2018, 12, 31)]
    assert nyse.between(date(2018, 12, 29), date(2018, 12, 30)).empty


@pytest.mark.parametrize("start", [date(2018, 12, 4), date(2018, 12, 5)])
def test_after_skips_closed_days_from_sessions_and_other_days(nyse: Sessions, start: date) -> None:
    assert nyse.after(start) == date(2018, 12, 6)
    assert nyse.after(start, 3) == date(2018, 12, 10)


@pytest.mark.parametrize("start", [date(2018, 12, 5), date(2018, 12, 6)])
def test_before_skips_closed_days_from_sessions_and_other_days(nyse: Sessions, start: date) -> None:
    assert nyse.before(start) == date(2018, 12, 4)
    assert nyse.before(start, 3) == date(2018, 11, 30)


def test_a_bar_is_final_fifteen_minutes_after_the_close_and_not_before(nyse: Sessions) -> None:
    settled = instant("2018-12-24T18:15")  # a half day
    assert nyse.latest_settled(settled - timedelta(microseconds=1)) == date(2018, 12, 21)
    assert nyse.latest_settled(settled) == date(2018, 12, 24)
    assert nyse.latest_settled(instant("2018-12-26T12:00")) == date(2018, 12, 24)


def test_all_settled_instants_at_once_equal_the_published_ones(nyse: Sessions) -> None:
    index = pd.DatetimeIndex(["2026-11-27", "2026-03-09", "2026-11-02"])
    expected = pd.DatetimeIndex(["2026-11-27 18:15", "2026-03-09 20:15", "2026-11-02 21:15"], tz="UTC")
    assert list(nyse.settled_at_all(index)) == list(expected)
    with pytest.raises(Misconfigured, match="2018-12-05"):
        nyse.settled_at_all(pd.DatetimeIndex(["2018-12-04", "2018-12-05"]))


def test_days_beyond_the_calendar_are_refused_with_its_reach(nyse: Sessions) -> None:
    assert (nyse.first, nyse.last) == (date(1990, 1, 2), date(2027, 12, 31))
    beyond = [
        lambda: nyse.is_session(date(2028, 1, 3)),
        lambda: nyse.between(date(1989, 12, 29), date(1990, 1, 31)),
        lambda: nyse.after(date(2027, 12, 31)),
        lambda: nyse.before(date(1990, 1, 3), 2),
        lambda: nyse.latest_settled(instant("2028-01-03T12:00")),
        lambda: nyse.latest_settled(instant("1990-01-02T12:00")),
    ]
    for ask in beyond:
        with pytest.raises(Misconfigured, match=r"1990-01-02.*2027-12-31"):
            ask()


def test_an_exchange_is_built_once_from_1990_on() -> None:
    assert exchange_sessions("XNYS") is exchange_sessions("XNYS")
    assert exchange_sessions("XNYS").first == date(1990, 1, 2)
    assert exchange_sessions("XLON").closes_at(date(2018, 12, 31)) == instant("2018-12-31T12:30")  # a half day in London


@pytest.mark.parametrize("name", ["NYSE", "XXXX", "", "xnys"])
def test_an_unknown_calendar_is_refused_with_some_allowed_names(name: str) -> None:
    with pytest.raises(Misconfigured, match=f"calendar was '{name}'.*XNYS") as refusal:
        exchange_sessions(name)
    offered = str(refusal.value.values["allowed"]).partition("as ")[2].split(", ")
    assert set(offered) <= set(exchange_calendars.get_calendar_names(include_aliases=False))


def test_a_calendar_that_is_not_known_back_to_1990_begins_in_2000() -> None:
    assert exchange_sessions("XTKS").first == date(2000, 1, 4)  # Tokyo's first trading day of 2000


def test_a_calendar_without_sessions_back_to_2000_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r"XSAU.*2000"):
        exchange_sessions("XSAU")


def test_sessions_reach_past_the_end_of_next_year() -> None:
    assert exchange_sessions("XNYS").last > date(WallClock().now().year + 1, 12, 31)


def test_importing_sessions_does_not_import_the_calendar_library() -> None:
    code = "import sys, nightdesk.sessions; sys.exit('exchange_calendars' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
