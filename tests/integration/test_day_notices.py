"""A day that needs a person sends one notice, with what happened and what to do; every other day sends none."""

import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from nightdesk.brokers.broker import Answer
from nightdesk.brokers.paper import PaperBroker
from nightdesk.day.opening import open_day
from nightdesk.day.play import play_day
from nightdesk.errors import BadData, NightdeskError, OutOfSync, TryAgain
from nightdesk.learning import drift
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.halts import submit_halt
from nightdesk.ledger.store import Ledger
from nightdesk.market.sample import SampleSource
from nightdesk.settings import CHECKOUT
from nightdesk.submission import submit_newest
from schemas.outcomes import ENDINGS, RUNBOOK
from schemas.records import Origin
from schemas.reports import DayReport
from tests.desks import played, settings_in
from tests.notice_server import NoticeServer, taking
from tests.strategy_documents import NO_MLFLOW, saved, seed, with_key

BOOK = "paper/cheap/cheap"
MONDAY, TUESDAY = "2018-12-03", "2018-12-04"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[NoticeServer]:
    monkeypatch.setattr(drift, "LARGE", 100.0)  # the sample has moved since the training window, which is news on a first day
    with taking(NoticeServer()) as running:
        yield running


def strategy(folder: Path, **limits: object) -> str:
    document = seed()
    for name, value in limits.items():
        document = with_key(document, f"limits.{name}", value)
    return saved(document, folder)


def play(path: str, session: str, server: NoticeServer, origin: Origin = "manual") -> DayReport:
    here = settings_in(Path(path).parent / "home", mlflow_uri=NO_MLFLOW, notify=server.address("hook"))
    made = play_day(path, date.fromisoformat(session), "paper", origin, here)
    assert isinstance(made, DayReport)
    return made


def kept(home: Path) -> list[object]:
    """What the runs' rows say of their notices."""
    ledger = Ledger(ledger_file(home, "paper"))
    found = [run.detail.get("notice") for run in ledger.runs(BOOK)]
    ledger.close()
    return found


def fails(patch: pytest.MonkeyPatch, error: BaseException) -> None:
    def failing(*_: object) -> object:
        raise error

    patch.setattr(SampleSource, "fetch_bars", failing)


def test_days_that_end_well_and_backfills_send_nothing(
    tmp_path: Path, server: NoticeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = strategy(tmp_path)
    assert [play(path, session, server).outcome for session in (MONDAY, TUESDAY, TUESDAY)] == ["traded", "no change", "no change"]
    fails(monkeypatch, BadData("no bar"))
    past = played(path, MONDAY, tmp_path / "home", "backfill", mlflow_uri=NO_MLFLOW, notify=server.address())
    assert (past.outcome, server.posted) == ("no trade: data", [])


ERRORS = {
    "no trade: data": (BadData("The close was -1, allowed: above 0."), "BadData (3)"),
    "failed: ingest": (TryAgain("The source is away."), "TryAgain (7)"),
}


@pytest.mark.parametrize("outcome", ERRORS)
def test_a_day_that_needs_a_person_sends_its_reason_and_what_to_do_once(
    outcome: str, tmp_path: Path, server: NoticeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    error, heading = ERRORS[outcome]
    path = strategy(tmp_path)
    with monkeypatch.context() as patch:
        fails(patch, error)
        assert [play(path, MONDAY, server).outcome for _ in range(2)] == [outcome, outcome]
    assert server.notices() == [
        (f"Nightdesk cheap {MONDAY}: {outcome}", [str(error), f"What to do: {heading} in docs/runbook.md."])
    ]
    assert kept(tmp_path / "home") == [f"{outcome}; exit code {error.exit_code}; ", None]
    assert play(path, MONDAY, server).outcome == "traded"
    assert len(server.posted) == 1


def test_a_bug_sends_a_notice_too_and_passes(tmp_path: Path, server: NoticeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    path = strategy(tmp_path)
    fails(monkeypatch, ZeroDivisionError("a bug"))
    with pytest.raises(ZeroDivisionError):
        play(path, MONDAY, server)
    ((title, lines),) = server.notices()
    assert title.endswith("failed: ingest") and lines[-1] == "What to do: A bug (1) in docs/runbook.md."


def test_a_notice_that_nobody_took_is_sent_by_the_next_run(
    tmp_path: Path, server: NoticeServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path, server.status = strategy(tmp_path), 500
    fails(monkeypatch, BadData("no bar"))
    assert play(path, MONDAY, server).outcome == "no trade: data"
    assert "A notice did not reach the 1st of 1 addresses." in caplog.messages
    server.status = 200
    play(path, MONDAY, server)
    play(path, MONDAY, server)
    assert len(server.posted) == 2
    assert [way is None for way in kept(tmp_path / "home")] == [True, False, True]


def test_another_end_of_the_same_session_sends_another_notice(
    tmp_path: Path, server: NoticeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = strategy(tmp_path)
    for error in (BadData("no bar"), TryAgain("the source is away"), BadData("no bar")):
        with monkeypatch.context() as patch:
            fails(patch, error)
            play(path, MONDAY, server)
    assert [title.rpartition(": ")[2] for title, _ in server.notices()] == ["data", "ingest"]


def test_a_limit_that_keeps_the_orders_back_and_a_refused_order_send_a_notice(
    tmp_path: Path, server: NoticeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited = strategy(tmp_path / "limited", max_order_notional=100)
    assert play(limited, MONDAY, server).outcome == "no trade: limit"
    monkeypatch.setattr(PaperBroker, "submit_order", lambda *_: Answer("rejected", "no such instrument"))
    assert play(strategy(tmp_path / "refused"), MONDAY, server).exit_code == 5
    (_, first), (_, second) = server.notices()
    assert first[-1] == "What to do: LimitBreached (4) in docs/runbook.md."
    assert second[-1] == "What to do: OrderRefused (5) in docs/runbook.md."


def test_a_state_that_the_desk_sets_itself_sends_a_notice_once(tmp_path: Path, server: NoticeServer) -> None:
    path = strategy(tmp_path, max_drawdown=0.001)
    play(path, MONDAY, server)
    outcomes = [play(path, session, server).outcome for session in (TUESDAY, TUESDAY, "2018-12-06", "2018-12-07")]
    assert server.posted, outcomes
    ((title, lines),) = server.notices()
    assert title.startswith("Nightdesk cheap 2018-12-0") and lines[0].startswith("REDUCING: ")
    assert lines[-1] == "What to do: Halted (0) in docs/runbook.md."


def test_a_persons_own_halt_sends_nothing(tmp_path: Path, server: NoticeServer) -> None:
    path = strategy(tmp_path)
    submit_halt(tmp_path / "home", "", "ann", datetime(2018, 12, 1, tzinfo=UTC), "a walk")
    assert play(path, MONDAY, server).outcome == "no trade: halted"
    assert server.posted == []


@pytest.mark.parametrize(("origin", "sent"), [("scheduled", 1), ("manual", 0)])
def test_a_scheduled_day_that_cannot_begin_sends_a_notice(
    origin: Origin, sent: int, tmp_path: Path, server: NoticeServer
) -> None:
    path, home = strategy(tmp_path), tmp_path / "home"
    play(path, MONDAY, server)
    with sqlite3.connect(home / "ledger" / "paper.sqlite") as ledger:
        ledger.execute("update decisions set body = replace(body, '100000', '900000')")
    here = settings_in(home, mlflow_uri=NO_MLFLOW, notify=server.address())
    with pytest.raises(OutOfSync), open_day(path, date.fromisoformat(TUESDAY), "paper", origin, True, here):
        pass
    assert len(server.posted) == sent
    for title, lines in server.notices():
        assert title == f"Nightdesk {path}: failed"
        assert MONDAY in lines[0] and lines[1] == "What to do: OutOfSync (6) in docs/runbook.md."


def test_every_advice_is_a_heading_of_the_runbook_for_the_exit_code_of_its_error() -> None:
    headings = re.findall(r"^## (.*)$", (CHECKOUT / "docs" / "runbook.md").read_text(), flags=re.MULTILINE)
    assert set(RUNBOOK.values()) <= set(headings)
    for error in NightdeskError.__subclasses__():
        assert RUNBOOK[error.exit_code] == f"{error.__name__} ({error.exit_code})"
    assert all(f"({code})" in heading for code, heading in RUNBOOK.items())


def test_every_outcome_that_fails_or_has_an_exit_code_sends_a_notice() -> None:
    assert {name for name, row in ENDINGS.items() if row.notice} == {
        name for name, row in ENDINGS.items() if row.exit_code or row.state == "FAILED"
    }


def test_a_day_that_waits_for_consent_asks_for_it_once_and_says_how(tmp_path: Path, server: NoticeServer) -> None:
    path = saved(with_key(seed(), "broker.execution", "confirm"), tmp_path)
    assert [play(path, MONDAY, server).outcome for _ in range(2)] == ["waiting", "waiting"]
    ((title, lines),) = server.notices()
    ledger = Ledger(ledger_file(tmp_path / "home", "paper"))
    decision = ledger.last_decision(BOOK)
    ledger.close()
    assert decision is not None
    assert title.startswith("Consent wanted: cheap (paper), buy ")
    assert f"Approve: nightdesk approve {decision.sha256[:12]}" in lines


def test_a_submission_that_ends_badly_sends_one_notice_for_its_session(
    tmp_path: Path, server: NoticeServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(with_key(seed(), "broker.execution", "confirm"), tmp_path)
    play(path, MONDAY, server)

    def away(*_: object) -> object:
        raise TryAgain("nobody answers")

    monkeypatch.setattr(PaperBroker, "account", away)
    here = settings_in(tmp_path / "home", mlflow_uri=NO_MLFLOW, notify=server.address("hook"))
    assert [submit_newest(path, "paper", here).exit_code for _ in range(2)] == [7, 7]
    _, (title, lines) = server.notices()
    assert title == f"Nightdesk cheap {MONDAY}: failed: order"
    assert lines == ["nobody answers", "What to do: TryAgain (7) in docs/runbook.md."]
