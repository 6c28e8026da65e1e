"""Many processes that order at once: one does, the others say so or find nothing left; and a lock that outlives its owner."""

import json
import os
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from time import monotonic, sleep

import pytest

from nightdesk.ledger.lock import only_writer
from nightdesk.submission import submit_newest
from tests.alpaca_data_server import KEY_ID, SECRET_KEY
from tests.alpaca_stub import AlpacaStub, serving
from tests.faults import order_player
from tests.faults.holding_stub import WAIT_S, HoldingStub
from tests.faults.order_player import hold_the_lock_and_run, submit_at_the_barrier
from tests.forks import FORKS
from tests.homes import ledger_environment
from tests.ordering import OrderingHome, new_account, ordering_file

ROOT = Path(__file__).parents[2]


def home_with_an_intent(folder: Path, broker: str, url: str) -> OrderingHome:
    home = OrderingHome(folder / "home", ordering_file(folder, broker, ["SPY"]), url)
    home.seed()
    with closing(home.ledger()) as ledger:
        home.commit(ledger)
    return home


def statuses(home: OrderingHome) -> list[str]:
    with closing(home.ledger()) as ledger:
        return [order.status for order in ledger.orders(home.book.book_id)]


@pytest.mark.parametrize("broker", ["paper", "alpaca"])
def test_of_ten_that_submit_at_once_one_sends_the_order(broker: str, tmp_path: Path) -> None:
    with serving(AlpacaStub(new_account())) as stub:
        home = home_with_an_intent(tmp_path, broker, stub.url)
        start, answers = FORKS.Barrier(10), FORKS.Queue()
        children = [FORKS.Process(target=submit_at_the_barrier, args=(home, start, answers)) for _ in range(10)]
        for child in children:
            child.start()
        said = [answers.get(timeout=WAIT_S) for _ in children]
        for child in children:
            child.join(WAIT_S)
        assert said.count("traded") == 1
        assert set(said) <= {"traded", "already running", "no change"} and "already running" in said
        assert statuses(home) == ["accepted"]
        assert len(stub.asked_for("POST")) == len(stub.account.orders) == (1 if broker == "alpaca" else 0)


def command(home: OrderingHome) -> list[str]:
    return [sys.executable, str(ROOT / "tests" / "submit_process.py"), "submit", "--strategy", home.file, "--json"]


def environment(home: OrderingHome) -> dict[str, str]:
    keys = {"APCA_API_KEY_ID": KEY_ID, "APCA_API_SECRET_KEY": SECRET_KEY, "NIGHTDESK_ALPACA_URL": home.url}
    return {**os.environ, **keys, "NIGHTDESK_HOME": str(home.home), "PYTHONPATH": str(ROOT), **ledger_environment(home.home)}


def test_the_command_submits_without_prefect_mlflow_and_scikit_learn(tmp_path: Path) -> None:
    with serving(AlpacaStub(new_account())) as stub:
        home = home_with_an_intent(tmp_path, "alpaca", stub.url)
        done = subprocess.run(
            command(home), env=environment(home), cwd=ROOT, capture_output=True, text=True, timeout=WAIT_S, check=False
        )
        assert json.loads(done.stdout) == {"outcome": "traded", "reason": "bought", "exit_code": 0}, done.stderr
        assert done.returncode == 0 and json.loads(done.stderr.splitlines()[-1]) == []
        assert statuses(home) == ["accepted"] and len(stub.account.orders) == 1


def test_the_lock_of_a_killed_day_stays_with_the_process_that_orders_for_it(tmp_path: Path) -> None:
    stub = HoldingStub(new_account(), point="request sent")
    with serving(stub):
        home = home_with_an_intent(tmp_path, "alpaca", stub.url)
        day = FORKS.Process(target=hold_the_lock_and_run, args=(home, command(home), environment(home)))
        day.start()
        assert stub.arrived.wait(WAIT_S)
        day.kill()
        day.join(WAIT_S)
        assert submit_newest(home.file, "paper", home.here).outcome == "already running"
        assert statuses(home) == ["unknown"]
        stub.let_go()
        until = monotonic() + WAIT_S
        while (ended := submit_newest(home.file, "paper", home.here)).outcome == "already running" and monotonic() < until:
            sleep(0.05)
        assert ended.outcome == "no change"
        assert statuses(home) == ["accepted"] and len(stub.asked_for("POST")) == len(stub.account.orders) == 1


def test_a_writer_that_is_killed_leaves_the_lock_free(tmp_path: Path) -> None:
    held = FORKS.Event()
    writer = FORKS.Process(target=order_player.hold_the_lock, args=(tmp_path, held))
    writer.start()
    assert held.wait(WAIT_S)
    with only_writer(tmp_path, "paper/orders") as lock:
        assert lock is None
    writer.kill()
    writer.join(WAIT_S)
    with only_writer(tmp_path, "paper/orders") as lock:
        assert lock is not None
