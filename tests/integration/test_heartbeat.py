"""`nightdesk heartbeat` as cron starts it, where no scheduler runs: one notice of each session without a report."""

import json
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from nightdesk.clock import WallClock
from nightdesk.day.heartbeat import beat
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.lock import only_writer
from nightdesk.ledger.status import book_statuses
from nightdesk.ledger.store import Ledger
from nightdesk.sessions import exchange_sessions
from nightdesk.settings import CHECKOUT
from nightdesk.wiring.markets import is_simulated, source_of
from nightdesk.wiring.orders import new_book
from nightdesk.wiring.strategies import load_strategy
from schemas.outcomes import NO_REPORT_HEADING
from schemas.records import Run
from tests.desks import settings_in, strategy_file
from tests.notice_server import NoticeServer, taking
from tests.running import NIGHTDESK, environment

BOOK = "paper/cheap/cheap"
SESSIONS = exchange_sessions("XNYS")


@pytest.fixture
def server() -> Iterator[NoticeServer]:
    with taking(NoticeServer()) as running:
        yield running


def desk(folder: Path, last_reported: date) -> str:
    """A strategy on a living market whose book has one report."""
    path = strategy_file(folder, source='"yahoo"')
    here, at = settings_in(folder / "home"), SESSIONS.settled_at(last_reported)
    with closing(Ledger(ledger_file(here.home, "paper"))) as ledger:
        ledger.open_book(new_book(load_strategy(path, here), "paper"))
        run = Run(str(uuid.uuid4()), BOOK, last_reported, "scheduled", True, at)
        ledger.append_run(run)
        ledger.finish_run(replace(run, finished_at=at + timedelta(minutes=1), outcome="no change"))
    return path


def test_the_alarm_comes_when_the_scheduler_is_stopped_once_and_by_a_process_of_its_own(
    tmp_path: Path, server: NoticeServer
) -> None:
    today = SESSIONS.latest_settled(datetime.now(UTC))
    path = desk(tmp_path, SESSIONS.before(today, 3))
    told = environment(tmp_path, NIGHTDESK_NOTIFY=server.address("hook"))

    command = [*NIGHTDESK, "heartbeat", "-s", path, "--json"]
    done = subprocess.run(command, env=told, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, json.loads(done.stdout)["told"]) == (7, True), done.stderr
    again = beat(path, "paper", True, settings_in(tmp_path / "home", notify=server.address("hook")))
    assert (again.exit_code, again.told) == (7, False)
    ((title, lines),) = server.notices()
    assert title.startswith("Nightdesk cheap (paper): no report for 2") and lines[0].startswith("No report for ")
    assert str(SESSIONS.before(today, 2)) in lines[0]
    assert lines[1] == f"What to do: {NO_REPORT_HEADING} in docs/runbook.md."
    assert f"\n## {NO_REPORT_HEADING}\n" in (CHECKOUT / "docs" / "runbook.md").read_text()


THURSDAY, FRIDAY = date(2018, 12, 20), date(2018, 12, 21)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[datetime]:
    """What the desk takes for now: the last."""
    instants = [datetime(2018, 12, 21, 23, 0, tzinfo=UTC)]
    monkeypatch.setattr(WallClock, "now", lambda _: instants[-1])
    return instants


def test_each_missing_session_is_told_once_and_stays_an_alarm_until_a_run_has_ended(
    tmp_path: Path, server: NoticeServer, clock: list[datetime]
) -> None:
    path, here = desk(tmp_path, THURSDAY), settings_in(tmp_path / "home", notify=server.address())
    friday = beat(path, "paper", True, here, "http://127.0.0.1:4200/runs/flow-run/1")
    clock.append(datetime(2018, 12, 22, 13, 30, tzinfo=UTC))
    saturday = beat(path, "paper", True, here)
    clock.append(datetime(2018, 12, 24, 23, 0, tzinfo=UTC))
    monday = beat(path, "paper", True, here)
    assert [(found.outcome, found.told, len(found.sessions)) for found in (friday, saturday, monday)] == [
        ("no report", True, 1),
        ("no report", False, 1),
        ("no report", True, 2),
    ]
    (_, first), (_, second) = server.notices()
    assert first[0] == (
        "No report for 2018-12-21: no day was run for 2018-12-21. "
        "A run of 2018-12-21 that begins before 2018-12-24 14:25 UTC still decides it."
    )
    assert first[-1] == "http://127.0.0.1:4200/runs/flow-run/1"
    assert second[0].startswith("No report for 2 sessions, 2018-12-21 to 2018-12-24: ")
    (book,) = book_statuses(here.home)
    assert (book["session"], book["outcome"]) == ("2018-12-24", "no report")


def test_an_alarm_that_nobody_took_is_sent_again(tmp_path: Path, clock: list[datetime]) -> None:
    path = desk(tmp_path, THURSDAY)
    with taking(NoticeServer(status=500)) as deaf:
        assert not beat(path, "paper", False, settings_in(tmp_path / "home", notify=deaf.address())).told
    with taking(NoticeServer()) as server:
        assert beat(path, "paper", False, settings_in(tmp_path / "home", notify=server.address())).told


def test_a_reported_session_a_simulated_market_and_a_new_book_are_no_alarm(tmp_path: Path, clock: list[datetime]) -> None:
    here = settings_in(tmp_path / "home")
    assert beat(desk(tmp_path, FRIDAY), "paper", False, here).reason.endswith("the newest is 2018-12-21.")
    assert "simulated clock" in beat(strategy_file(tmp_path / "sample"), "paper", False, here).reason
    new = beat(strategy_file(tmp_path / "new", source='"yahoo"'), "paper", False, settings_in(tmp_path / "another"))
    assert (new.outcome, new.exit_code) == ("reported", 0) and "has had no day yet" in new.reason


def test_of_two_heartbeats_at_once_one_looks(tmp_path: Path, clock: list[datetime]) -> None:
    here = settings_in(tmp_path / "home")
    with only_writer(here.locks, "heartbeat/paper/cheap"):
        assert beat(desk(tmp_path, THURSDAY), "paper", False, here).outcome == "already running"


def test_a_market_is_simulated_where_its_source_has_a_span(tmp_path: Path) -> None:
    here = settings_in(tmp_path / "home")
    for name in ("sample", "yahoo"):
        strategy = load_strategy(strategy_file(tmp_path, source=f'"{name}"'), here)
        assert is_simulated(strategy) == (source_of(strategy, here).span is not None)
    assert is_simulated(load_strategy(strategy_file(tmp_path, source='"csvdir"'), here))
