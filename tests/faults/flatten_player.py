"""Processes that flatten a book, to be killed between two steps. Imported by the fork server."""

from datetime import UTC, datetime
from pathlib import Path

from nightdesk.brokers.paper import PaperBroker
from nightdesk.day import flatten
from nightdesk.day.flatten import flatten_book
from nightdesk.ledger.store import Ledger
from tests.desks import settings_in
from tests.faults.dying import Point, die_at
from tests.strategy_documents import NO_MLFLOW

AT = datetime(2018, 12, 4, 22, tzinfo=UTC)
BOUNDARIES: dict[str, Point] = {
    "after the book was let only reduce": (flatten, "submit_reduction", "after"),
    "before the consent is kept": (Ledger, "append_consent", "before"),
    "before the decision is committed": (Ledger, "commit_decision", "before"),
    "after the commit, before the order is sent": (PaperBroker, "submit_order", "before"),
    "after the broker accepted, before the ledger heard of it": (PaperBroker, "submit_order", "after"),
    "before the run is finished": (Ledger, "finish_run", "before"),
}
"""Where it dies: the real function, and whether it has run by then."""


def flatten_and_die(strategy: str, home: Path, boundary: str) -> None:
    die_at(BOUNDARIES[boundary])
    flatten_book(strategy, "paper", "ann", "enough", settings_in(home, mlflow_uri=NO_MLFLOW))
