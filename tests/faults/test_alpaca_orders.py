"""Orders at a broker that answers badly: what nobody knows is unknown, and there is never a second order."""

from decimal import Decimal
from typing import Any

import pytest

from nightdesk import alpaca_http
from nightdesk.brokers.alpaca import AlpacaBroker
from nightdesk.brokers.broker import Answer
from nightdesk.errors import TryAgain
from tests.alpaca_data_server import Reply
from tests.alpaca_faults import BY_CLIENT_ID, HTML, PAGE, TIMED_OUT, Fault, having, without
from tests.alpaca_replies import REPLIES, new_york, send
from tests.alpaca_world import AlpacaWorld


@pytest.mark.parametrize("accepts", [True, False], ids=["it landed", "it did not"])
@pytest.mark.parametrize("name", REPLIES)
def test_an_unclear_answer_is_unknown_and_a_resend_never_doubles(
    broker: AlpacaBroker, world: AlpacaWorld, name: str, accepts: bool
) -> None:
    world.stub.faults.append(Fault(REPLIES[name], accepts=accepts))
    answer = send(broker, world)
    assert answer.outcome == "unknown" and answer.reason
    assert len(world.stub.asked_for("POST")) == 1
    assert (broker.find_order("a") is not None) == accepts
    assert send(broker, world).outcome == "accepted"
    world.play_to(world.sessions[1])
    assert broker.positions() == {"SPY": 10}


CHANGES = {
    "unknown state": having(status="teleported"),
    "state is null": having(status=None),
    "state is a list": having(status=["new"]),
    "no state": without("status"),
    "no client_order_id": without("client_order_id"),
    "another's order": having(client_order_id="b"),
    "rejected without a side": lambda row: without("side")(having(status="rejected")(row)),
}


@pytest.mark.parametrize("name", CHANGES)
def test_an_answer_that_does_not_say_enough_is_unknown(broker: AlpacaBroker, world: AlpacaWorld, name: str) -> None:
    world.stub.faults.append(Fault(change=CHANGES[name]))
    assert send(broker, world).outcome == "unknown"
    assert broker.find_order("a") is not None
    assert len(world.stub.account.orders) == 1


@pytest.mark.parametrize("change", [having(new_field={"x": [1]}), without("legs"), without("qty"), having(updated_at="never")])
def test_fields_that_are_new_or_not_needed_change_nothing(broker: AlpacaBroker, world: AlpacaWorld, change: Any) -> None:
    world.stub.faults.append(Fault(change=change))
    assert send(broker, world) == Answer("accepted")


def test_an_order_that_is_rejected_in_a_200_is_rejected(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    world.stub.faults.append(Fault(change=having(status="rejected", reject_reason="halted")))
    assert send(broker, world) == Answer("rejected", "halted")


def test_a_server_that_says_nothing_is_given_up(
    broker: AlpacaBroker, world: AlpacaWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alpaca_http, "TIMEOUT_S", 0.1)
    world.stub.faults.append(Fault(Reply(silent=True)))
    assert send(broker, world).outcome == "unknown"
    assert len(world.stub.asked_for("POST")) == 1


def test_a_submit_ends_at_its_deadline_whatever_the_server_does(
    broker: AlpacaBroker, world: AlpacaWorld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(broker._wire, "_submit_deadline_s", 0.1)
    world.stub.faults.append(Fault(Reply(silent=True)))
    answer = send(broker, world)
    assert answer.outcome == "unknown" and "0.1 s" in answer.reason
    monkeypatch.setattr(broker._wire, "_submit_deadline_s", 30.0)
    assert send(broker, world).outcome == "accepted"
    assert len(world.stub.account.orders) == 1


def test_a_used_id_whose_order_does_not_show_is_unknown_until_it_does(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    world.stub.appears_after_s = 1000.0
    world.stub.faults.append(Fault(TIMED_OUT))
    assert send(broker, world).outcome == "unknown"
    assert broker.find_order("a") is None
    assert send(broker, world).outcome == "unknown"
    world.stub._hidden.clear()
    assert send(broker, world).outcome == "accepted"
    assert len(world.stub.account.orders) == 1


def test_a_used_id_that_cannot_be_looked_up_is_unknown(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    send(broker, world)
    world.stub.faults.append(Fault(TIMED_OUT, method="GET", path=BY_CLIENT_ID, times=-1))
    assert send(broker, world).outcome == "unknown"


def test_nothing_is_sent_while_the_next_open_is_not_known(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    world.stub.faults.append(Fault(HTML, method="GET", path="/v2/clock", times=-1))
    with pytest.raises(TryAgain):
        send(broker, world)
    assert world.stub.asked_for("POST") == []


def test_refusals_of_the_broker_are_rejected_with_its_reason(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    assert "buying power" in send(broker, world, order_id="b", quantity="150").reason
    world.stub.account.unlisted.add("GONE")
    assert 'asset "GONE" not found' in send(broker, world, order_id="c", symbol="GONE").reason
    world.stub.account.flags["trade_suspended_by_user"] = True
    answer = send(broker, world)
    assert answer == Answer("rejected", "new orders are rejected by user request")
    assert "trade_suspended_by_user" in broker.account().blocked
    assert broker.find_order("a") is None


@pytest.mark.parametrize(("hour", "minute", "outcome"), [(16, 20, "rejected"), (18, 59, "rejected"), (19, 0, "accepted")])
def test_market_on_open_orders_are_taken_from_seven(
    broker: AlpacaBroker, world: AlpacaWorld, hour: int, minute: int, outcome: str
) -> None:
    at = new_york(world.sessions[2], hour, minute)
    world.stub.move_to(at)
    assert send(broker, world).outcome == outcome
    assert broker.capabilities().takes_now("opg", at) == (outcome == "accepted")
    assert send(broker, world, order_id="b", force="day").outcome == "accepted"


BAD_SYMBOLS = [
    "../orders",
    "",
    "AAPL?qty=1",
    "AAPL#x",
    "%2e%2e/",
    "A\0",
    "SPY\n",
    "SPY ",
    "^GSPC",
    "spy",
    "A" * 10_000,
    "\u202eSPY",
]


@pytest.mark.parametrize("symbol", BAD_SYMBOLS, ids=lambda name: repr(name[:12]))
def test_a_symbol_that_is_none_never_leaves(broker: AlpacaBroker, world: AlpacaWorld, symbol: str) -> None:
    answer = send(broker, world, symbol=symbol)
    assert answer.outcome == "rejected" and "instrument" in answer.reason
    assert world.stub.asked == []


@pytest.mark.parametrize(
    ("quantity", "force"),
    [("0", "opg"), ("-0", "day"), ("NaN", "day"), ("Infinity", "day"), ("1e30", "day"), ("0.5", "opg"), ("0.1234567891", "day")],
)
def test_a_quantity_that_cannot_be_never_leaves(broker: AlpacaBroker, world: AlpacaWorld, quantity: str, force: str) -> None:
    assert send(broker, world, quantity=quantity, force=force).outcome == "rejected"
    assert world.stub.asked == []


@pytest.mark.parametrize(
    "changes", [{"force": "gtc"}, {"force": "cls"}, {"order_id": "a/b"}, {"order_id": ""}, {"order_id": "a" * 129}]
)
def test_an_order_that_would_stay_or_has_a_strange_id_never_leaves(
    broker: AlpacaBroker, world: AlpacaWorld, changes: dict[str, str]
) -> None:
    assert send(broker, world, **changes).outcome == "rejected"
    assert world.stub.asked == []


def test_a_fraction_goes_over_the_wire_to_the_last_place(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    assert send(broker, world, quantity="0.123456789", force="day").outcome == "accepted"
    (asked,) = world.stub.asked_for("POST")
    assert asked.body == {
        "symbol": "SPY",
        "qty": "0.123456789",
        "side": "buy",
        "type": "market",
        "time_in_force": "day",
        "client_order_id": "a",
    }
    world.play_to(world.sessions[1])
    assert broker.positions() == {"SPY": Decimal("0.123456789")}


# cancels


@pytest.mark.parametrize("name", ["504", "dropped", "502 of html", "200 empty", "429", "401", "redirect", "404 of html"])
def test_a_cancel_without_a_clear_answer_is_unknown(broker: AlpacaBroker, world: AlpacaWorld, name: str) -> None:
    send(broker, world)
    reply = {**REPLIES, "404 of html": Reply(404, PAGE)}[name]
    world.stub.faults.append(Fault(reply, method="DELETE"))
    assert broker.submit_cancel("a").outcome == "unknown"
    assert len([row for row in world.stub.asked if row.method == "DELETE"]) == 1


@pytest.mark.parametrize("order", ["../orders", "", None, "61e69015-8549-4bfd-b9c3-01e75843f47d/../.."])
def test_a_cancel_goes_to_one_order_only(broker: AlpacaBroker, world: AlpacaWorld, order: object) -> None:
    """A path that is cut short cancels every order of the account."""
    send(broker, world)
    world.stub.faults.append(Fault(change=having(id=order), method="GET", path=BY_CLIENT_ID))
    with pytest.raises(TryAgain):
        broker.submit_cancel("a")
    assert [row for row in world.stub.asked if row.method == "DELETE"] == []


def test_an_order_may_fill_after_its_cancel_was_asked_for(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    world.stub.account.filled_anyhow.add("a")
    send(broker, world)
    assert broker.submit_cancel("a").outcome == "accepted"
    assert [row.order_id for row in broker.open_orders()] == ["a"]
    world.play_to(world.sessions[1])
    order = broker.find_order("a")
    assert order is not None and (order.status, order.filled_quantity) == ("filled", 10)
