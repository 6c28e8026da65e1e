"""A home with a decision that waits for consent, and what became of it. Imported by the processes that the tests start."""

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import date
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from nightdesk.cli.approving import answered
from nightdesk.clock import WallClock
from nightdesk.consent.waiting import Waiting, waiting
from nightdesk.day.opening import Closed
from nightdesk.day.play import play_day
from nightdesk.errors import NightdeskError
from nightdesk.ledger.store import Ledger
from nightdesk.orders.submit import Ended
from nightdesk.settings import Settings
from nightdesk.submission import submit_newest
from schemas.records import Decision, Mode, Order, Run
from schemas.reports import DayReport
from tests.desks import settings_in
from tests.homes import copy_ledgers, edited_rows, ledger_in
from tests.strategy_documents import NO_MLFLOW, saved, seed, with_key

BOOK = "paper/cheap/cheap"
MONDAY, TUESDAY = "2018-12-03", "2018-12-04"


def confirming(folder: Path, **changes: object) -> str:
    """A strategy that asks before it orders, and is long from Monday on."""
    document = with_key(seed(), "broker.execution", "confirm")
    for key, value in changes.items():
        document = with_key(document, key.replace("__", "."), value)
    return saved(document, folder)


class Desk:
    """A paper desk of that strategy in a home of its own."""

    def __init__(self, folder: Path, **changes: object) -> None:
        self.strategy = confirming(folder, **changes)
        self.here = settings_in(folder / "home", mlflow_uri=NO_MLFLOW)

    def copied_to(self, folder: Path) -> "Desk":
        copy = Desk.__new__(Desk)
        shutil.copytree(self.home, folder / "home")
        copy_ledgers(self.home, folder / "home")
        copy.strategy, copy.here = self.strategy, settings_in(folder / "home", mlflow_uri=NO_MLFLOW)
        return copy

    @property
    def home(self) -> Path:
        return self.here.home

    def day(self, session: str) -> DayReport:
        made = play_day(self.strategy, date.fromisoformat(session), "paper", "manual", self.here)
        assert not isinstance(made, Closed)
        return made

    def ledger(self, ask: Callable[[Ledger], Any]) -> Any:
        with closing(ledger_in(self.home)) as ledger:
            return ask(ledger)

    def decision(self) -> Decision:
        newest: Decision = self.ledger(lambda ledger: ledger.last_decision(BOOK))
        return newest

    def orders(self) -> list[Order]:
        found: list[Order] = self.ledger(lambda ledger: ledger.orders(BOOK))
        return found

    def runs(self) -> list[Run]:
        found: list[Run] = self.ledger(lambda ledger: ledger.runs(BOOK))
        return found

    def waiting(self) -> Waiting:
        return waiting(self.here.ledgers, WallClock().now(), lambda _: {})

    def submit(self) -> Ended:
        return submit_newest(self.strategy, "paper", self.here)

    def edit(self, statement: str) -> None:
        """Change one row of the ledger behind the desk's back."""
        assert edited_rows(self.home, statement) == 1

    def at_the_broker(self) -> int:
        """How many orders the paper broker ever took."""
        path = self.home / "broker" / "paper" / "cheap.sqlite"
        with closing(sqlite3.connect(path)) as connection:
            count: int = connection.execute("select count(*) from orders").fetchone()[0]
        return count


def submitted_here(_: object, strategy: str, mode: Mode, here: Settings, lock: int | None = None) -> Ended:
    """`nightdesk.orders.process.submitted_by` without a process of its own."""
    return submit_newest(strategy, mode, here, lock=lock)


def approve_at_the_barrier(here: Settings, sha256: str, start: Barrier, said: Any) -> None:
    start.wait(timeout=200)
    try:
        said.put(answered(here, sha256, "approve", "ana")[0])
    except NightdeskError as error:
        said.put(error.message)
