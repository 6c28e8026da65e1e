"""The broker's calendar over a real connection, and its differences from ours."""

from collections.abc import Iterator
from datetime import UTC, date, datetime

import exchange_calendars
import pandas as pd
import pytest
from pydantic import SecretStr

from nightdesk import alpaca_http
from nightdesk.brokers.alpaca_calendar import AlpacaCalendar, differences
from nightdesk.brokers.broker import BrokerSession
from nightdesk.errors import Misconfigured, TryAgain
from nightdesk.sessions import exchange_sessions
from tests.alpaca_data_server import KEY_ID, SECRET_KEY, AlpacaServer, Reply, at_close, calendar_rows, running, told
from tests.bars import clean_bars

FIRST, LAST = date(2024, 11, 1), date(2025, 1, 31)
XNYS = exchange_sessions("XNYS")


@pytest.fixture
def server() -> Iterator[AlpacaServer]:
    schedule = exchange_calendars.get_calendar("XNYS").schedule.loc["2024-10-01":"2025-02-28"]
    bars = clean_bars(pd.DatetimeIndex(["2025-01-31"]), ["SPY"], seed=1)
    with running(AlpacaServer(at_close(LAST), bars, calendar=calendar_rows(schedule))) as made:
        yield made


def told_by(server: AlpacaServer, secret: str = SECRET_KEY) -> list[BrokerSession]:
    return AlpacaCalendar(KEY_ID, SecretStr(secret), server.url).fetch_sessions(FIRST, LAST)


def test_hours_of_a_half_day_and_of_a_summer_day_are_utc(server: AlpacaServer) -> None:
    """2024-11-29 closed at 13:00 in New York, 18:00 UTC; 2024-11-01 was still on summer time."""
    rows = {row.session: row for row in told_by(server)}
    assert rows[date(2024, 11, 29)].closes_at == datetime(2024, 11, 29, 18, 0, tzinfo=UTC)
    assert rows[date(2024, 11, 1)].opens_at == datetime(2024, 11, 1, 13, 30, tzinfo=UTC)
    assert rows[date(2024, 11, 4)].opens_at == datetime(2024, 11, 4, 14, 30, tzinfo=UTC)
    assert rows[date(2024, 11, 4)].closes_at.utcoffset() == rows[date(2024, 11, 4)].opens_at.utcoffset() == UTC.utcoffset(None)


def test_the_sessions_asked_for_come_oldest_first_and_no_others(server: AlpacaServer) -> None:
    server.calendar.reverse()
    rows = told_by(server)
    assert [row.session for row in rows] == [stamp.date() for stamp in XNYS.between(FIRST, LAST)]
    (asked,) = server.asked
    assert (asked.path, asked.query) == ("/v2/calendar", {"start": "2024-11-01", "end": "2025-01-31"})


def test_equal_calendars_have_no_difference(server: AlpacaServer) -> None:
    assert differences(XNYS, told_by(server), FIRST, LAST) == []


def test_an_unscheduled_close_that_only_the_broker_knows_is_named(server: AlpacaServer) -> None:
    server.calendar = [row for row in server.calendar if row["date"] != "2025-01-14"]
    assert differences(XNYS, told_by(server), FIRST, LAST) == ["2025-01-14 is a session of XNYS here, but the broker has none."]


@pytest.mark.parametrize("day", ["2024-11-01", "2025-01-31"])
def test_a_close_on_the_first_or_the_last_day_is_named_too(server: AlpacaServer, day: str) -> None:
    server.calendar = [row for row in server.calendar if row["date"] != day]
    (sentence,) = differences(XNYS, told_by(server), FIRST, LAST)
    assert sentence.startswith(day)


def test_a_session_that_only_the_broker_has_is_named(server: AlpacaServer) -> None:
    """2025-01-09, the day of mourning for President Carter, as a calendar has it that was published before."""
    server.calendar.append({"date": "2025-01-09", "open": "09:30", "close": "16:00"})
    sentences = differences(XNYS, told_by(server), FIRST, LAST)
    assert sentences == ["2025-01-09 is a session at the broker, but none of XNYS here."]


def test_a_half_day_that_only_the_broker_knows_is_named_with_both_closes(server: AlpacaServer) -> None:
    server.calendar = [{**row, "close": "13:00"} if row["date"] == "2025-01-17" else row for row in server.calendar]
    sentences = differences(XNYS, told_by(server), FIRST, LAST)
    assert sentences == ["2025-01-17 closes at 21:00 UTC here, and at 18:00 UTC at the broker."]


def test_a_late_open_is_named_with_both_opens(server: AlpacaServer) -> None:
    server.calendar = [{**row, "open": "10:00"} if row["date"] == "2025-01-17" else row for row in server.calendar]
    sentences = differences(XNYS, told_by(server), FIRST, LAST)
    assert sentences == ["2025-01-17 opens at 14:30 UTC here, and at 15:00 UTC at the broker."]


@pytest.mark.parametrize(
    "reply", [Reply(502, b"<html></html>"), Reply(200, b""), told(200, {}), told(200, None), Reply(silent=True)], ids=str
)
def test_a_calendar_that_cannot_be_read_is_try_again(server: AlpacaServer, monkeypatch: pytest.MonkeyPatch, reply: Reply) -> None:
    monkeypatch.setattr(alpaca_http, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(alpaca_http, "TIMEOUT_S", 0.15)
    server.always = lambda asked: reply
    with pytest.raises(TryAgain, match="Alpaca"):
        told_by(server)


@pytest.mark.parametrize("row", [{"date": "2025-01-14"}, {"date": "soon", "open": "09:30", "close": "16:00"}, "2025-01-14", None])
def test_a_row_that_is_no_session_is_try_again(server: AlpacaServer, row: object) -> None:
    server.always = lambda asked: told(200, [row])
    with pytest.raises(TryAgain, match="form"):
        told_by(server)


@pytest.mark.parametrize("secret", ["", "another"])
def test_missing_and_wrong_keys_are_named(server: AlpacaServer, secret: str) -> None:
    with pytest.raises(Misconfigured, match="APCA_API_KEY_ID and APCA_API_SECRET_KEY"):
        told_by(server, secret)
