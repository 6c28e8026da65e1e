"""Sessions that nobody decided in time: rebuilt for the record from what was known then, never ordered, never counted."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from nightdesk.day.replay import replays
from nightdesk.ledger.status import book_statuses
from schemas.records import Decision
from tests.desks import played, settings_in, strategy_file
from tests.homes import ledger_in, ledgers_of
from tests.strategy_documents import NO_MLFLOW

BEFORE, MISSED, AFTER = "2018-11-29", ["2018-11-30", "2018-12-03", "2018-12-04"], "2018-12-06"
BOOK = "paper/cheap/cheap"


def _decisions(home: Path) -> dict[str, Decision]:
    ledger = ledger_in(home)
    found = {str(session): ledger.decision(BOOK, session) for session in sorted(ledger.decided_sessions(BOOK))}
    ledger.close()
    return {session: decision for session, decision in found.items() if decision}


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A desk that missed three sessions over a month's end, and one that did not. (5 December 2018 was no session.)"""
    gone, there = tmp_path_factory.mktemp("gone"), tmp_path_factory.mktemp("there")
    for home, sessions in ((gone, [BEFORE, AFTER]), (there, [BEFORE, *MISSED, AFTER])):
        strategy = strategy_file(home)
        for session in sessions:
            played(strategy, session, home, mlflow_uri=NO_MLFLOW)
    return gone, there


def test_what_was_missed_has_a_decision_that_says_so_and_no_orders(homes: tuple[Path, Path]) -> None:
    found = _decisions(homes[0])
    assert list(found) == [BEFORE, *MISSED, AFTER]
    ledger = ledger_in(homes[0])
    for session in MISSED:
        body: Any = found[session].body
        assert found[session].origin == "reconstructed" and body["outcome"] == "missed" and body["intents"] == []
        assert ledger.orders(BOOK, date.fromisoformat(session)) == []
        (run,) = ledger.runs(BOOK, date.fromisoformat(session))
        assert (run.outcome, run.decision_sha256) == ("missed", found[session].sha256)
    ledger.close()


def test_the_last_day_of_the_book_is_the_one_that_ran_not_one_that_was_rebuilt_by_it(homes: tuple[Path, Path]) -> None:
    (row,) = book_statuses(ledgers_of(homes[0]))
    assert row["session"] == AFTER and row["outcome"] != "missed"


def test_the_rebuilt_decision_sees_what_the_desk_would_have_seen_and_nothing_later(homes: tuple[Path, Path]) -> None:
    gone, there = _decisions(homes[0]), _decisions(homes[1])
    for session in [*MISSED, AFTER]:
        rebuilt: Any = gone[session].body
        honest: Any = there[session].body
        assert rebuilt["data"] == honest["data"] and rebuilt["data"]["last"] == session
        for part in ("features", "model", "gate", "signals"):
            assert rebuilt[part] == honest[part], (session, part)
    assert gone["2018-12-03"].body["model"]["cutoff"] == "2018-12-03"  # type: ignore[index]  # the fit of December


def test_rebuilt_days_replay_to_the_same_bytes(homes: tuple[Path, Path]) -> None:
    rows = list(replays(str(homes[0] / "cheap.toml"), "paper", None, settings_in(homes[0])))
    assert {str(row.session): row.difference for row in rows} == dict.fromkeys([BEFORE, *MISSED, AFTER], "")


def test_a_rebuilt_wish_was_never_ordered_so_the_next_decision_does_not_take_it_for_an_old_one(tmp_path: Path) -> None:
    """With a band as wide as the account only a changed target trades: one that was only rebuilt must still trade."""
    strategy = strategy_file(tmp_path, rebalance_band="1.0")
    shut = played(strategy, "2018-12-10", tmp_path, mlflow_uri=NO_MLFLOW)
    opened = played(strategy, "2018-12-13", tmp_path, mlflow_uri=NO_MLFLOW)
    found: Any = {session: decision.body for session, decision in _decisions(tmp_path).items()}
    assert shut.orders == () and found["2018-12-10"]["wanted"] == {"SPXSIM": 0.0}
    assert found["2018-12-12"]["wanted"] == found["2018-12-13"]["wanted"] == {"SPXSIM": 1.0}
    assert [row["side"] for row in opened.orders] == ["buy"]


def test_a_missed_day_that_is_run_again_stays_missed(homes: tuple[Path, Path]) -> None:
    strategy = str(homes[0] / "cheap.toml")
    again = played(strategy, MISSED[0], homes[0], mlflow_uri=NO_MLFLOW)
    assert (again.outcome, again.resumed, again.orders) == ("missed", True, ())
