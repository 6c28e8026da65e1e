"""Processes that decide and order, to be killed at a point. Imported by the fork server, which never opens a table itself."""

import subprocess
import time
from contextlib import closing
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any

import alpaca.trading.client  # noqa: F401 - once, in the fork server; the adapter imports it late

from nightdesk import submission
from nightdesk.brokers import paper
from nightdesk.brokers.alpaca import AlpacaBroker
from nightdesk.brokers.paper import PaperBroker
from nightdesk.ledger.lock import only_writer
from nightdesk.ledger.store import Ledger
from nightdesk.orders.submit import Ended
from nightdesk.wiring.orders import account_lock
from tests.faults.dying import Point, die_at
from tests.ordering import OrderingHome

ROOT = Path(__file__).parents[2]
ANYWHERE: dict[str, Point] = {
    "before intent": (Ledger, "commit_decision", "before"),
    "after intent": (Ledger, "commit_decision", "after"),
    "about to send": (Ledger, "set_orders_sent", "after"),
    "recorded": (Ledger, "set_order_status", "after"),
    "reported": (Ledger, "finish_run", "after"),
}
POINTS: dict[str, dict[str, Point]] = {
    "paper": {
        **ANYWHERE,
        "request sent": (PaperBroker, "_refusal", "before"),  # within its transaction
        "broker accepted": (paper, "Answer", "before"),  # once that is committed
        "answer received": (PaperBroker, "submit_order", "after"),
    },
    "alpaca": {**ANYWHERE, "answer received": (AlpacaBroker, "submit_order", "after")},
}
"""Where a process dies, by broker: the real function, and whether it has run by then. Whether a request was sent, and whether
Alpaca has taken it, its stub knows: it holds on to the request, and the test kills."""


def order_and_die(home: OrderingHome, broker: str, point: str) -> None:
    """Decide and order; dies at the point, or is killed where the stub holds it up."""
    if point in POINTS[broker]:
        die_at(POINTS[broker][point])
    order(home)


def order(home: OrderingHome) -> Ended:
    """What a day does from its decision on: commit it where there is none, then let the process that orders do its work."""
    with closing(home.ledger()) as ledger:
        home.commit(ledger)
    return submit(home)


def submit(home: OrderingHome) -> Ended:
    """`nightdesk submit`, on the home's desk."""
    submission.open_order_desk = lambda strategy, mode, session, ledger, here: home.desk(ledger)  # type: ignore[assignment]  # this process dies soon
    return submission.submit_newest(home.file, "paper", home.here)


def submit_at_the_barrier(home: OrderingHome, start: Barrier, answers: Any) -> None:
    start.wait(timeout=60)
    answers.put(submit(home).outcome)


def hold_the_lock_and_run(home: OrderingHome, command: list[str], environment: dict[str, str]) -> None:
    """What a day does: lock the account, and pass the lock on to the process that orders."""
    with only_writer(home.here.locks, account_lock(home.strategy, "paper")) as lock:
        assert lock is not None
        subprocess.run([*command, "--lock", str(lock)], env=environment, pass_fds=(lock,), cwd=ROOT, check=True)


def hold_the_lock(folder: Path, held: Event) -> None:
    with only_writer(folder, "paper/orders"):
        held.set()
        time.sleep(600)
