"""Days that are killed with SIGKILL at each boundary, and ten days at once: one decision, one order, one fill."""

import signal
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from nightdesk.day.heartbeat import unreported
from nightdesk.sessions import exchange_sessions
from schemas import identities
from schemas.records import Decision, Fill, Mark, Order, Run
from schemas.reports import DayReport
from tests.desks import played, strategy_file
from tests.faults.day_player import BOUNDARIES, play_and_die, play_at_the_barrier
from tests.forks import FORKS, start_fork_server
from tests.homes import ledger_in
from tests.strategy_documents import NO_MLFLOW

BOOK = "paper/cheap/cheap"
DAY, NEXT = "2018-12-03", "2018-12-04"
LOGISTIC = '"sklearn.linear_model.LogisticRegression"'


@dataclass(frozen=True)
class Books:
    """What ledger and broker of a home say. Broker rows are (id, quantity, filled quantity, status)."""

    decisions: dict[date, Decision]
    orders: list[Order]
    fills: list[Fill]
    marks: list[Mark]
    runs: list[Run]
    broker_orders: list[tuple[str, str, str, str]]


def books_of(home: Path) -> Books:
    ledger = ledger_in(home)
    sessions = sorted(ledger.decided_sessions(BOOK))
    made = {session: decision for session in sessions if (decision := ledger.decision(BOOK, session))}
    orders, fills, marks, runs = ledger.orders(BOOK), ledger.fills(BOOK), ledger.marks(BOOK), ledger.runs(BOOK)
    assert identities.holdings_are_fills(ledger.position_events(BOOK), fills) == []
    assert identities.cash_is_fills_and_flows(ledger.cash_events(BOOK), fills) == []
    ledger.close()
    query = "select order_id, quantity, filled_quantity, status from orders order by order_id"
    with closing(sqlite3.connect(home / "broker" / "paper" / "cheap.sqlite")) as broker:
        return Books(made, orders, fills, marks, runs, broker.execute(query).fetchall())


def play(strategy: str, session: str, home: Path) -> DayReport:
    return played(strategy, session, home, mlflow_uri=NO_MLFLOW)


def kill(strategy: str, home: Path, boundary: str) -> None:
    child = FORKS.Process(target=play_and_die, args=(strategy, date.fromisoformat(DAY), home, boundary))
    child.start()
    child.join(timeout=60)
    assert child.exitcode == -signal.SIGKILL


@pytest.fixture(scope="module")
def strategy(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A strategy that buys at the close of the day."""
    start_fork_server()
    return strategy_file(tmp_path_factory.mktemp("strategies"), estimator=LOGISTIC, min_test_accuracy="0.0")


@pytest.fixture(scope="module")
def undisturbed(strategy: str, tmp_path_factory: pytest.TempPathFactory) -> Books:
    """The same two sessions in a home where nothing went wrong."""
    home = tmp_path_factory.mktemp("undisturbed")
    assert play(strategy, DAY, home).outcome == "traded"
    play(strategy, NEXT, home)
    books = books_of(home)
    assert len(books.fills) == 1
    return books


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_day_that_was_killed_and_run_again_is_as_if_nothing_had_been(
    boundary: str, strategy: str, undisturbed: Books, tmp_path: Path
) -> None:
    kill(strategy, tmp_path, boundary)
    report = play(strategy, DAY, tmp_path)
    assert report.outcome == "traded"
    after = books_of(tmp_path)
    assert list(after.decisions) == [date.fromisoformat(DAY)]
    assert [(run.finished_at is None, run.outcome) for run in after.runs] == [(True, ""), (False, "traded")]
    (order,) = after.orders
    assert [(row[0], row[3]) for row in after.broker_orders] == [(order.order_id, order.status)] == [(order.order_id, "accepted")]

    play(strategy, NEXT, tmp_path)
    books = books_of(tmp_path)
    assert books.fills == undisturbed.fills
    assert [mark.equity for mark in books.marks] == [mark.equity for mark in undisturbed.marks]
    assert {day: made.sha256 for day, made in books.decisions.items()} == {
        day: made.sha256 for day, made in undisturbed.decisions.items()
    }
    assert books.broker_orders == undisturbed.broker_orders
    assert [(made.order_id, made.status) for made in books.orders] == [(row[0], row[3]) for row in books.broker_orders]


@pytest.mark.parametrize(
    ("boundary", "status", "fills"),
    [
        ("after the commit, before the order is sent", "expired", 0),
        ("after the broker accepted, before the ledger heard of it", "filled", 1),
    ],
)
def test_the_next_session_takes_over_what_a_killed_day_left(
    boundary: str, status: str, fills: int, strategy: str, tmp_path: Path
) -> None:
    kill(strategy, tmp_path, boundary)
    play(strategy, NEXT, tmp_path)
    books = books_of(tmp_path)
    decided = [order for order in books.orders if order.decided_session == date.fromisoformat(DAY)]
    assert [order.status for order in decided] == [status]
    assert [fill.order_id for fill in books.fills] == [decided[0].order_id] * fills
    last = books.marks[-1]
    assert last.cash + last.positions_value == last.equity
    assert (last.cash == Decimal(100_000)) == (fills == 0)


@pytest.mark.parametrize(
    ("boundary", "said"),
    [
        ("before the decision is committed", "2018-12-03 was not decided"),
        ("after the report, before the run is finished", "its decision of 2018-12-03 stands"),
    ],
)
def test_the_run_of_a_killed_day_is_ended_by_the_next_session_but_not_before(
    boundary: str, said: str, strategy: str, tmp_path: Path
) -> None:
    kill(strategy, tmp_path, boundary)
    assert books_of(tmp_path).runs[0].finished_at is None
    play(strategy, NEXT, tmp_path)
    books = books_of(tmp_path)
    dead = books.runs[0]
    decision = books.decisions.get(date.fromisoformat(DAY))
    assert (dead.outcome, dead.exit_code, dead.decision_sha256) == ("failed: died", 7, decision.sha256 if decision else "")
    assert dead.reason == f"The process of this run died: {said}. The next run was for 2018-12-04."
    sessions, evening = exchange_sessions("XNYS"), datetime(2018, 12, 5, 4, tzinfo=UTC)
    assert list(unreported(books.runs[:1], sessions, evening, timedelta())) == [date.fromisoformat(NEXT)]
    assert list(unreported(books.runs, sessions, evening, timedelta())) == [], "the heartbeat is content again"


def test_of_ten_days_at_once_one_orders(strategy: str, tmp_path: Path) -> None:
    start, answers = FORKS.Barrier(10), FORKS.Queue()
    children = [
        FORKS.Process(target=play_at_the_barrier, args=(strategy, date.fromisoformat(DAY), tmp_path, start, answers))
        for _ in range(10)
    ]
    for child in children:
        child.start()
    said = [answers.get(timeout=60) for _ in children]
    for child in children:
        child.join(timeout=60)
    assert set(said) == {(False, "traded"), (True, "already running")}
    books = books_of(tmp_path)
    assert len(books.decisions) == len(books.orders) == len(books.broker_orders) == 1
    assert len(books.runs) == said.count((False, "traded"))
