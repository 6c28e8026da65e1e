"""Whole days with their ledger on PostgreSQL: the same as on SQLite, and nothing twice when a process or the server dies."""

import multiprocessing
import signal
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

import pytest
from pydantic import SecretStr

from nightdesk import postgres as door
from nightdesk.brokers.paper import PaperBroker
from nightdesk.errors import TryAgain
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from schemas.records import Fill, Mark, Order
from tests.desks import played, strategy_file
from tests.faults import day_player
from tests.faults.day_player import NO_MLFLOW, play_and_die
from tests.postgres_server import PostgresServer

CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload([day_player.__name__])
BOOK = "paper/cheap/cheap"
DAY, NEXT = "2018-12-03", "2018-12-04"
LOGISTIC = '"sklearn.linear_model.LogisticRegression"'


@dataclass(frozen=True)
class Said:
    """What a ledger says of two days."""

    decisions: list[str]
    orders: list[Order]
    fills: list[Fill]
    marks: list[Mark]


def said(place: Path | SecretStr) -> Said:
    with closing(Ledger(ledger_file(place, "paper"))) as ledger:
        ledger.require_sound()
        ledger.require_unbroken(BOOK)
        made = [ledger.decision(BOOK, session) for session in sorted(ledger.decided_sessions(BOOK))]
        orders = [replace(order, sent_at=None) for order in ledger.orders(BOOK)]
        return Said([row.sha256 for row in made if row], orders, ledger.fills(BOOK), ledger.marks(BOOK))


@pytest.fixture(scope="module")
def strategy(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A strategy that buys at the close of the day."""
    return strategy_file(tmp_path_factory.mktemp("strategies"), estimator=LOGISTIC, min_test_accuracy="0.0")


@pytest.fixture(scope="module")
def undisturbed(strategy: str, tmp_path_factory: pytest.TempPathFactory) -> Said:
    """The same two days on SQLite."""
    home = tmp_path_factory.mktemp("sqlite")
    for day in (DAY, NEXT):
        played(strategy, day, home, mlflow_uri=NO_MLFLOW)
    return said(home)


def play(strategy: str, day: str, home: Path, address: SecretStr) -> str:
    return played(strategy, day, home, mlflow_uri=NO_MLFLOW, ledger=address.get_secret_value()).outcome


def test_a_day_that_was_killed_between_broker_and_ledger_is_completed_as_on_sqlite(
    strategy: str, undisturbed: Said, postgres: PostgresServer, tmp_path: Path
) -> None:
    address, boundary = postgres.database(), "after the broker accepted, before the ledger heard of it"
    told = (strategy, date.fromisoformat(DAY), tmp_path, boundary, address.get_secret_value())
    child = CHILDREN.Process(target=play_and_die, args=told)
    child.start()
    child.join(timeout=60)
    assert child.exitcode == -signal.SIGKILL
    assert play(strategy, DAY, tmp_path, address) == "traded"
    play(strategy, NEXT, tmp_path, address)
    assert said(address) == undisturbed
    assert len(undisturbed.fills) == 1
    assert not (tmp_path / "ledger").exists() and not (tmp_path / "locks").exists(), "nothing of the ledger is in the home"


@pytest.fixture
def own(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """The server, which the test may stop."""
    yield postgres
    postgres.start()


def test_a_day_whose_server_went_away_for_good_is_completed_by_the_next_run(
    strategy: str, undisturbed: Said, own: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = own.database()
    with monkeypatch.context() as patch:
        submit = PaperBroker.submit_order

        def submitted_as_the_server_dies(*args: object) -> object:
            answer = submit(*args)  # type: ignore[arg-type]  # passed on as they are
            own.stop(signal.SIGQUIT)
            return answer

        patch.setattr(PaperBroker, "submit_order", submitted_as_the_server_dies)
        patch.setattr(door, "WAIT_S", 0.1)
        with pytest.raises(TryAgain, match="did not answer"):
            play(strategy, DAY, tmp_path, address)
    own.start()
    assert [order.status for order in said(address).orders] == ["unknown"]
    assert play(strategy, DAY, tmp_path, address) == "traded"
    play(strategy, NEXT, tmp_path, address)
    assert said(address) == undisturbed
