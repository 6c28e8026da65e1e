"""When a session without a report is an alarm: over weekends, half days and changes of the clocks. Hours are New York's."""

import uuid
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from nightdesk.day.heartbeat import DAY_TAKES, unreported
from nightdesk.sessions import exchange_sessions
from schemas.records import Run

NEW_YORK = ZoneInfo("America/New_York")
TAKES = DAY_TAKES + timedelta(minutes=60)
"""With the wait for a late bar that a strategy has by default."""


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=NEW_YORK)


def run(session: str, started: str = "", ended: bool = True, kind: str = "") -> Run:
    began = at(started or f"{session} 16:20")
    finished = began + timedelta(minutes=1) if ended else None
    detail = {"kind": kind} if kind else {}
    return Run(str(uuid.uuid4()), "paper/a/a", date.fromisoformat(session), "scheduled", True, began, finished, detail=detail)


def missing(now: str, *runs: Run) -> list[str]:
    return [str(session) for session in unreported(runs, exchange_sessions("XNYS"), at(now), TAKES)]


@pytest.mark.parametrize(
    ("now", "found"),
    [
        ("2026-11-24 17:44", []),
        ("2026-11-24 17:45", ["2026-11-24"]),
        ("2026-11-25 08:30", ["2026-11-24"]),
        ("2026-11-25 18:00", ["2026-11-24", "2026-11-25"]),
    ],
)
def test_a_session_without_a_report_is_an_alarm_from_the_evening_on(now: str, found: list[str]) -> None:
    assert missing(now, run("2026-11-23")) == found


def test_a_closed_thursday_has_no_report_to_miss_and_a_half_friday_has_one_at_the_same_hour() -> None:
    assert missing("2026-11-26 18:00", run("2026-11-25")) == []
    assert missing("2026-11-27 16:19", run("2026-11-25")) == [], "it closed at 13:00, and its day is run at 16:20"
    assert missing("2026-11-27 18:00", run("2026-11-25")) == ["2026-11-27"]
    assert missing("2026-11-29 18:00", run("2026-11-25"), run("2026-11-27")) == []


@pytest.mark.parametrize(("friday", "monday"), [("2026-03-06", "2026-03-09"), ("2026-10-30", "2026-11-02")])
def test_the_hour_stays_new_yorks_over_a_change_of_the_clocks(friday: str, monday: str) -> None:
    assert missing(f"{monday} 17:44", run(friday)) == []
    assert missing(f"{monday} 17:45", run(friday)) == [monday]


def test_a_run_that_is_under_way_is_given_its_time_and_one_that_died_is_not_a_report() -> None:
    dead = run("2026-11-24", started="2026-11-24 17:00", ended=False)
    assert missing("2026-11-24 18:00", run("2026-11-23"), dead) == []
    assert missing("2026-11-24 18:30", run("2026-11-23"), dead) == ["2026-11-24"]
    assert missing("2026-11-24 18:30", run("2026-11-23"), dead, run("2026-11-24", started="2026-11-24 18:10")) == []


def test_neither_a_submission_nor_a_heartbeat_is_a_report() -> None:
    others = [run("2026-11-24", kind=kind) for kind in ("submit", "heartbeat")]
    assert missing("2026-11-24 18:00", run("2026-11-23"), *others) == ["2026-11-24"]


def test_a_book_is_watched_from_its_first_run_on() -> None:
    assert missing("2026-11-24 18:00") == []
    died = run("2026-11-20", ended=False)
    assert missing("2026-11-24 18:00", died) == ["2026-11-20", "2026-11-23", "2026-11-24"]
    assert missing("2026-11-24 18:00", died, run("2026-11-23")) == ["2026-11-24"], "the book began with its first report"
