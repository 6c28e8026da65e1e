"""Processes that play a day, to be killed at a boundary. Imported by the fork server, which never opens a table itself."""

from datetime import date
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from nightdesk.brokers.paper import PaperBroker
from nightdesk.day import play
from nightdesk.day.opening import Closed
from nightdesk.day.play import play_day
from nightdesk.ledger.store import Ledger
from nightdesk.sessions import exchange_sessions
from tests.desks import settings_in
from tests.faults.dying import Point, die_at
from tests.strategy_documents import NO_MLFLOW

BOUNDARIES: dict[str, Point] = {
    "after the deposit, before the ledger heard of it": (PaperBroker, "submit_deposit", "after"),
    "before the fit is recorded": (Ledger, "append_model", "before"),
    "after the fit was recorded": (Ledger, "append_model", "after"),
    "before the decision is committed": (Ledger, "commit_decision", "before"),
    "after the commit, before the order is sent": (PaperBroker, "submit_order", "before"),
    "after the broker accepted, before the ledger heard of it": (PaperBroker, "submit_order", "after"),
    "before the report": (play, "compute_performance", "before"),
    "after the report, before the run is finished": (Ledger, "finish_run", "before"),
}
"""Where a day dies: the real function, and whether it has run by then."""

exchange_sessions("XNYS")  # once, in the fork server


def play_and_die(strategy: str, session: date, home: Path, boundary: str, ledger: str = "") -> None:
    die_at(BOUNDARIES[boundary])
    here = settings_in(home, mlflow_uri=NO_MLFLOW, **({"ledger": ledger} if ledger else {}))
    play_day(strategy, session, "paper", "manual", here)


def play_at_the_barrier(strategy: str, session: date, home: Path, start: Barrier, answers: Any) -> None:
    start.wait(timeout=60)
    made = play_day(strategy, session, "paper", "manual", settings_in(home, mlflow_uri=NO_MLFLOW))
    answers.put((isinstance(made, Closed), made.outcome))
