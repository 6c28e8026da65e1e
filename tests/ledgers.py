"""Records of a made-up book, and what child processes do to its ledger. Imported by the processes that the tests start."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from nightdesk.ledger import tables
from nightdesk.ledger.book import book_id
from nightdesk.ledger.store import Ledger
from nightdesk.postgres import Schema
from nightdesk.wiring.orders import new_book
from schemas.records import Book, Decision, Fill, ModelRef, Order, Run
from schemas.strategy import Strategy

BOOK = Book(book_id("paper", "acct", "seed"), "acct", "paper", "seed", "USD", Decimal(100000))
DAY, NEXT = date(2018, 12, 3), date(2018, 12, 4)
START = datetime(2018, 12, 3, 21, 20, 0, 123456, tzinfo=UTC)


def an_order(order_id: str = "o-1", quantity: str = "10", decided: date = DAY, **changes: Any) -> Order:
    values: dict[str, Any] = {
        "order_id": order_id,
        "book_id": BOOK.book_id,
        "decided_session": decided,
        "execution_session": NEXT,
        "instrument": "SPY",
        "instrument_id": "spy",
        "leg": "1",
        "attempt": 1,
        "quantity": Decimal(quantity),
        "time_in_force": "opg",
        "reference_price": Decimal("100.5"),
        "origin": "manual",
        "decision_sha256": "0" * 64,
    }
    return Order(**{**values, **changes})


def a_decision(sha256: str = "a" * 64, session: date = DAY, attempt: int = 1) -> Decision:
    body = {"weights": [0.1, None], "nothing": {}, "text": "é"}
    return Decision(BOOK.book_id, session, NEXT, attempt, "manual", sha256, body, {"run_id": "r"})


def a_fill(fill_id: str = "f-1", order_id: str = "o-1", quantity: str = "10", price: str = "100", commission: str = "1") -> Fill:
    numbers = [Decimal(value) for value in (quantity, price, commission, "0.25")]
    return Fill(fill_id, order_id, BOOK.book_id, NEXT, "SPY", *numbers)


def a_run(run_id: str = "r-1", started_at: datetime = START) -> Run:
    return Run(run_id, BOOK.book_id, DAY, "manual", False, started_at)


def append_fits(ledger: Ledger, strategy: Strategy, runs: Mapping[date, str]) -> None:
    """Fits of a strategy's paper book that passed: the MLflow run of each by its cut-off."""
    book = ledger.open_book(new_book(strategy, "paper"))
    ends: dict[str, Any] = dict.fromkeys(("train_first", "train_last", "test_first", "test_last"))
    made: Any = {"config_sha256": strategy.learning_sha256, "data_sha256": "", "sha256": "", "file": "", "file_sha256": ""}
    for day, run_id in runs.items():
        fit = ModelRef(f"{book.book_id}/{day}", book.book_id, "e", day, **ends, **made, status="passed", reason="fine")
        ledger.append_model(replace(fit, mlflow_run_id=run_id), promote=True)


def open_at_the_barrier(path: Path, start: Barrier) -> None:
    start.wait(timeout=60)
    ledger = Ledger(path)
    ledger.open_book(BOOK)
    ledger.close()


def in_one_transaction(ledger: Ledger, change: Callable[[sa.Connection], None]) -> None:
    with ledger._writing() as connection:
        change(connection)


def add_one(connection: sa.Connection) -> None:
    """Read an order's quantity, then write it back with one more."""
    order = sa.select(tables.orders.c.quantity).where(tables.orders.c.order_id == "o-1")
    was = connection.execute(order).scalar_one()
    connection.execute(sa.update(tables.orders).where(tables.orders.c.order_id == "o-1").values(quantity=was + 1))


def open_then_count_up(place: Schema, times: int, start: Barrier) -> None:
    """Make the ledger and its one order, or find them, then add to it."""
    start.wait(timeout=60)
    ledger = Ledger(place)
    ledger.open_book(BOOK)
    ledger.commit_decision(a_decision(), [an_order(quantity="0")])
    for _ in range(times):
        in_one_transaction(ledger, add_one)
    ledger.close()


def count_up(path: Path, times: int, start: Barrier) -> None:
    ledger = Ledger(path)
    start.wait(timeout=60)
    for _ in range(times):
        in_one_transaction(ledger, add_one)
    ledger.close()
