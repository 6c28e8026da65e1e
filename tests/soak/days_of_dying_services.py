"""Days run by a worker while worker, server and database die at random moments: each session once, whatever died, and no run
that died keeps its place for long."""

import random
import signal
import time
from collections.abc import Callable
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import pytest
from pydantic import SecretStr

from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.sessions import exchange_sessions
from tests.desks import strategy_file
from tests.notice_server import NoticeServer, taking
from tests.postgres_server import PostgresServer
from tests.running import Up, descendants, running

SEED = 20261123
LOGISTIC = '"sklearn.linear_model.LogisticRegression"'
SESSIONS = [stamp.date() for stamp in exchange_sessions("XNYS").between(date(2018, 12, 3), date(2018, 12, 6))]
GOES_ON_WITHIN_S = 280
"""Less than the five minutes for which Prefect keeps the place of a run that nobody ends."""
BOOK = "paper/cheap/cheap"
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


def kill_worker(up: Up, postgres: PostgresServer) -> None:
    """The worker alone: the day that it started goes on."""
    _kill(up, lambda words: "worker" in words)


def kill_day(up: Up, postgres: PostgresServer) -> None:
    _kill(up, lambda words: "prefect.engine" in words or "prefect.flow_engine" in words)


def kill_server(up: Up, postgres: PostgresServer) -> None:
    _kill(up, lambda words: "server" in words and "prefect" in words)


def crash_database(up: Up, postgres: PostgresServer) -> None:
    postgres.stop(signal.SIGQUIT)
    time.sleep(5)
    postgres.start()


def _kill(up: Up, is_meant: Callable[[list[str]], bool]) -> None:
    for process in descendants(up):
        try:
            if is_meant(process.cmdline()):
                process.kill()
        except psutil.NoSuchProcess:
            continue


def ended(up: Up, run: Any, within_s: float) -> bool:
    until = time.monotonic() + within_s
    while time.monotonic() < until:
        try:
            if up.api("GET", f"/flow_runs/{run['id']}")["state_type"] in ENDED:
                return True
        except OSError:  # the server is being started again
            pass
        time.sleep(0.5)
    return False


@pytest.mark.timeout(3600)
def test_each_session_is_decided_and_ordered_once_whatever_dies(postgres: PostgresServer, tmp_path: Path) -> None:
    dice, address = random.Random(SEED), postgres.database()
    strategy = strategy_file(tmp_path, estimator=LOGISTIC, min_test_accuracy="0.0")
    causes = [kill_worker, kill_day, kill_server, crash_database]
    with (
        taking(NoticeServer()) as server,
        running(tmp_path, NIGHTDESK_LEDGER=address.get_secret_value(), NIGHTDESK_NOTIFY=server.address("hook")) as up,
    ):
        for number, session in enumerate(SESSIONS):
            asked = {"strategy": strategy, "session": session.isoformat(), "mode": "paper"}
            run = _started(up, asked)
            time.sleep(dice.uniform(2, 12))
            causes[number % len(causes)](up, postgres)
            ended(up, run, 60)
            began = time.monotonic()
            while not _is_reported(address, session):
                assert time.monotonic() - began < GOES_ON_WITHIN_S, f"{session}: {run['id']} keeps its place"
                run = _started(up, asked)
                ended(up, run, 120)
                time.sleep(2)
        crashed = up.api("POST", "/flow_runs/filter", {"flow_runs": {"state": {"type": {"any_": ["CRASHED"]}}}})
        told = [str(body["message"]) for _, body in server.posted]
        assert crashed and told
        assert all(sum(row["id"] in message for message in told) <= 1 for row in crashed), told
    with closing(Ledger(ledger_file(address, "paper"))) as ledger:
        ledger.require_unbroken(BOOK)
        assert [ledger.attempts(BOOK, session) for session in SESSIONS] == [[1]] * len(SESSIONS)
        orders, fills = ledger.orders(BOOK), ledger.fills(BOOK)
        assert len({(order.decided_session, order.instrument) for order in orders}) == len(orders)
        assert len({fill.order_id for fill in fills}) == len(fills) == len([row for row in orders if row.status == "filled"])
        assert [mark.session for mark in ledger.marks(BOOK)] == SESSIONS


def _started(up: Up, parameters: dict[str, object]) -> Any:
    until = time.monotonic() + 120
    while True:
        try:
            return up.create_run("daily/daily", parameters)
        except OSError:
            if time.monotonic() > until:
                raise
            time.sleep(1)


def _is_reported(address: SecretStr, session: date) -> bool:
    """Whether a run of the session has ended well."""
    with closing(Ledger(ledger_file(address, "paper"))) as ledger:
        return any(run.finished_at and not run.exit_code for run in ledger.runs(BOOK, session))
