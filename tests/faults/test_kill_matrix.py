"""`kill -9` at every point of an order's way, at paper and at Alpaca's stub with its faults: after a restart the broker has
exactly one order, and the ledger says the same of it. Real processes, real sockets.

At Alpaca each point meets two faults here, and every fault in `make soak` (tests/soak/every_kill.py)."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest

from nightdesk.brokers.broker import BrokerOrder
from nightdesk.orders.recover import recover
from schemas.records import Order
from tests.alpaca_faults import MODES
from tests.alpaca_stub import AlpacaStub, serving
from tests.alpaca_world import evening
from tests.faults.holding_stub import HELD, WAIT_S, HoldingStub
from tests.faults.order_player import order, order_and_die
from tests.forks import FORKS, start_fork_server
from tests.homes import copy_ledgers
from tests.ordering import NEXT, PRICE, OrderingHome, new_account, ordering_file

PLACES = ("before intent", "after intent", "about to send", *HELD, "answer received", "recorded", "reported")
FAULTS = ("clean", "accept-then-504", "accept-then-drop", "drop-before-accept", "slow to appear")
CELLS = [(point, FAULTS[(at + shift) % len(FAULTS)]) for at, point in enumerate(PLACES) for shift in (0, 2)]


@pytest.fixture(scope="module")
def seeded(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A home by broker whose book is open and marked."""
    start_fork_server()
    homes = {}
    for name in ("paper", "alpaca"):
        folder = tmp_path_factory.mktemp(name)
        with serving(AlpacaStub(new_account())) as stub:
            OrderingHome(folder / "home", ordering_file(folder, name, ["SPY"]), stub.url).seed()
        homes[name] = folder
    return homes


def copied(seeded: dict[str, Path], broker: str, folder: Path, url: str = "") -> OrderingHome:
    shutil.copytree(seeded[broker], folder, dirs_exist_ok=True)
    copy_ledgers(seeded[broker] / "home", folder / "home")
    return OrderingHome(folder / "home", str(folder / "orders.toml"), url)


@pytest.fixture
def stub() -> Iterator[HoldingStub]:
    stub = HoldingStub(new_account())
    stub.account.show_open(NEXT, "SPY", PRICE)
    with serving(stub):
        yield stub
        stub.seen.set()  # a test that failed leaves nothing waiting


def run_to_its_end(home: OrderingHome) -> None:
    child = FORKS.Process(target=order, args=(home,))
    child.start()
    child.join(WAIT_S)
    assert child.exitcode == 0


def kill_at(point: str, home: OrderingHome, broker: str, stub: HoldingStub | None = None) -> None:
    child = FORKS.Process(target=order_and_die, args=(home, broker, point))
    child.start()
    if stub and point in HELD:
        assert stub.arrived.wait(WAIT_S)
        child.kill()
    child.join(WAIT_S)
    assert child.exitcode == -signal.SIGKILL


@dataclass(frozen=True)
class Sides:
    """What the ledger says of the orders, and what the broker does."""

    ledger: list[Order]
    broker: list[BrokerOrder]
    runs: list[str]


def both(home: OrderingHome) -> Sides:
    with ExitStack() as open_now:
        ledger = open_now.enter_context(closing(home.ledger()))
        desk = home.desk(ledger)
        open_now.enter_context(closing(desk.broker))
        runs = [run.outcome for run in ledger.runs(home.book.book_id)]
        return Sides(ledger.orders(home.book.book_id), desk.broker.orders_since(NEXT.replace(day=1)), runs)


def require_one_and_the_same(home: OrderingHome) -> Sides:
    sides = both(home)
    (ours,), (theirs,) = sides.ledger, sides.broker
    assert (ours.order_id, ours.status, ours.quantity) == (theirs.order_id, theirs.status, theirs.quantity)
    assert (ours.status, ours.quantity) == ("accepted", Decimal(10))
    return sides


def require_filled_at_the_open(home: OrderingHome) -> None:
    """After the open the ledger has the one fill, and reconciles with the broker to the share and the cent."""
    with closing(home.ledger()) as ledger:
        desk = home.desk(ledger, evening(NEXT))
        with closing(desk.broker):
            recover(desk, NEXT)
            assert desk.broker.positions() == {"SPY": Decimal(10)}
        assert [(fill.instrument, fill.quantity) for fill in ledger.fills(home.book.book_id)] == [("SPY", Decimal(10))]
        assert [row.status for row in ledger.orders(home.book.book_id)] == ["filled"]


def require_a_further_start_changes_nothing(home: OrderingHome, before: Sides) -> None:
    run_to_its_end(home)
    assert both(home) == before


@pytest.mark.parametrize("point", PLACES)
def test_a_kill_at_paper_leaves_one_order_after_a_restart(point: str, seeded: dict[str, Path], tmp_path: Path) -> None:
    home = copied(seeded, "paper", tmp_path)
    kill_at(point, home, "paper")
    run_to_its_end(home)
    sides = require_one_and_the_same(home)
    require_a_further_start_changes_nothing(home, sides)
    require_filled_at_the_open(home)


def test_the_cells_that_are_played_here_have_every_point_twice_and_every_fault() -> None:
    assert sorted(point for point, _ in CELLS) == sorted(PLACES * 2) and {fault for _, fault in CELLS} == set(FAULTS)
    assert len(set(CELLS)) == len(CELLS)


@pytest.mark.parametrize(("point", "fault"), CELLS)
def test_a_kill_at_alpaca_leaves_one_order_after_a_restart(
    point: str, fault: str, seeded: dict[str, Path], stub: HoldingStub, tmp_path: Path
) -> None:
    require_one_order_after_a_kill(point, fault, copied(seeded, "alpaca", tmp_path, stub.url), stub)


def require_one_order_after_a_kill(point: str, fault: str, home: OrderingHome, stub: HoldingStub) -> None:
    stub.point = point
    if fault == "slow to appear":
        stub.appears_after_s = 0.3
    elif fault != "clean":
        stub.faults.append(MODES[fault]())
    kill_at(point, home, "alpaca", stub)
    run_to_its_end(home)
    stub.let_go()
    assert len(stub.account.orders) == 1, "also those that it does not show yet"
    stub.appears_after_s, stub._hidden = 0.0, {}
    sides = require_one_and_the_same(home)
    posts = stub.asked_for("POST")
    assert {row.body["client_order_id"] for row in posts} == {sides.ledger[0].order_id}
    if fault != "slow to appear":
        assert len(posts) == (2 if fault == "drop-before-accept" else 1), "sent again only where it did not land"
    require_a_further_start_changes_nothing(home, sides)
    assert stub.asked_for("POST") == posts
    stub.move_to(evening(NEXT))
    require_filled_at_the_open(home)
