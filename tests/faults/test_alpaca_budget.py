"""Connections that are kept, and how many requests a minute leave."""

import re
import threading

import pytest

from nightdesk.brokers import alpaca_budget, alpaca_wire
from nightdesk.brokers.alpaca import AlpacaBroker
from nightdesk.brokers.alpaca_budget import Budget
from nightdesk.brokers.broker import Answer
from nightdesk.errors import TryAgain
from tests.alpaca_faults import HTML, Fault, limited
from tests.alpaca_replies import new_york, request, send
from tests.alpaca_world import AlpacaWorld


@pytest.fixture
def accepted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """One number for each connection that the stub accepted."""
    counted: list[int] = []
    begin = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if "process_request_thread" in thread.name:
            counted.append(len(counted))
        begin(thread)

    monkeypatch.setattr(threading.Thread, "start", start)
    return counted


def test_reads_share_one_connection_and_orders_another(broker: AlpacaBroker, world: AlpacaWorld, accepted: list[int]) -> None:
    for number in range(5):
        assert send(broker, world, order_id=f"o-{number}", quantity="1").outcome == "accepted"
        broker.positions()
        broker.find_order(f"o-{number}")
        assert broker.find_order("never-sent") is None
    assert len(accepted) == 2
    broker.close()
    broker.positions()
    assert len(accepted) == 3


def test_a_connection_is_thrown_away_after_a_read_that_failed(
    broker: AlpacaBroker, world: AlpacaWorld, accepted: list[int]
) -> None:
    broker.positions()
    world.stub.faults.append(Fault(HTML, method="GET", path="/v2/positions", times=2))
    with pytest.raises(TryAgain):
        broker.positions()
    assert len(accepted) == 1
    broker.positions()
    assert len(accepted) == 2


def test_a_connection_that_was_idle_is_not_trusted(
    broker: AlpacaBroker, world: AlpacaWorld, accepted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    send(broker, world)
    monkeypatch.setattr(alpaca_wire, "IDLE_S", -1.0)
    send(broker, world, order_id="b")
    assert len(accepted) == 3
    broker.positions()
    assert len(accepted) == 4


class Time:
    """A clock that only sleeping moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.slept = 1000.0, 0.0
        monkeypatch.setattr(alpaca_budget, "monotonic", lambda: self.now)
        monkeypatch.setattr(alpaca_budget, "sleep", self.sleep)

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.slept += seconds


def test_no_minute_has_more_requests_than_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    time, budget, sent = Time(monkeypatch), Budget(150), []
    for number in range(700):
        time.now += number % 7 / 10
        budget.await_turn()
        sent.append(time.now)
    assert max(sum(1 for other in sent if at <= other < at + 60) for at in sent) == 150


def test_without_a_budget_nothing_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    time, budget = Time(monkeypatch), Budget(None)
    for _ in range(1000):
        budget.await_turn()
    assert time.slept == 0


def test_requests_of_all_kinds_wait_for_their_turn(world: AlpacaWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stub takes 12 in a time in which we send at most 10; without the wait it would refuse."""
    world.stub.budget, world.stub.minute_s = 12, 0.3
    monkeypatch.setattr(alpaca_budget, "MINUTE_S", 0.3)
    broker = world.open_broker(requests_a_minute=10)
    for number in range(10):
        assert send(broker, world, order_id=f"o-{number}", quantity="1").outcome == "accepted"
        assert broker.find_order(f"o-{number}") is not None
        assert broker.submit_cancel(f"o-{number}").outcome == "accepted"
    assert len(world.stub.account.orders) == 10


def test_a_turn_that_comes_too_late_sends_nothing(world: AlpacaWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    broker = world.open_broker(requests_a_minute=2)
    assert send(broker, world).outcome == "accepted"
    monkeypatch.setattr(alpaca_budget, "PATIENCE_S", 1.0)
    with pytest.raises(TryAgain, match="nothing was sent"):
        send(broker, world, order_id="b")
    assert [row["client_order_id"] for row in world.stub.account.orders] == ["a"]


def test_an_open_that_passes_while_an_order_waits_is_not_met(world: AlpacaWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """The order is for the next open; when its turn comes, that one is over."""
    broker = world.open_broker(requests_a_minute=2)
    following = request(world)
    broker.clock()
    broker.clock()
    late = new_york(following.execution_session, 9, 31)
    monkeypatch.setattr(alpaca_budget, "sleep", lambda seconds: world.stub.move_to(late))
    answer = broker.submit_order(following)
    assert answer.outcome == "rejected" and "the next open is that of" in answer.reason
    assert world.stub.asked_for("POST") == []


def test_after_a_429_the_next_order_waits_until_alpaca_s_limit_ends(
    broker: AlpacaBroker, world: AlpacaWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(broker, world, order_id="first")
    time = Time(monkeypatch)
    world.stub.faults.append(Fault(limited(20), accepts=False))
    monkeypatch.setattr("nightdesk.alpaca_http.LONGEST_WAIT_S", 60.0)
    answer = send(broker, world)
    assert answer.outcome == "unknown" and "rate limit exceeded" in answer.reason
    assert re.search(r"takes no more until \d\d:\d\d:\d\d UTC", answer.reason)
    assert len(world.stub.asked_for("POST")) == 2
    assert send(broker, world) == Answer("accepted")
    assert 10 < time.slept <= 20


def test_two_hundred_a_minute_are_taken_and_the_next_is_refused_until_the_reset(world: AlpacaWorld) -> None:
    world.stub.budget = 200
    broker = world.open_broker(requests_a_minute=None)
    for _ in range(199):
        broker.clock()
    assert send(broker, world).outcome == "accepted"
    answer = send(broker, world, order_id="b")
    assert answer.outcome == "unknown" and "rate limit exceeded" in answer.reason
    assert [row["client_order_id"] for row in world.stub.account.orders] == ["a"]
