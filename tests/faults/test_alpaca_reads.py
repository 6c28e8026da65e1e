"""What becomes of orders at Alpaca, reads that fail, and keys that must not travel."""

import logging
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from pydantic import SecretStr

from nightdesk.brokers.alpaca import AlpacaBroker
from nightdesk.errors import Misconfigured, NightdeskError, TryAgain
from tests.alpaca_data_server import KEY_ID, SECRET_KEY, Reply, told
from tests.alpaca_faults import HTML, ORDERS, PAGE, Fault
from tests.alpaca_replies import REPLIES, send
from tests.alpaca_world import AlpacaWorld

# what becomes of orders


def test_a_part_that_filled_stays_when_the_rest_expires(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    world.stub.account.parts["a"] = [Decimal(3), Decimal(4)]
    send(broker, world)
    world.play_to(world.sessions[1])
    order = broker.find_order("a")
    assert order is not None and (order.status, order.quantity, order.filled_quantity) == ("expired", 10, 7)
    fills = [row for row in broker.activities() if row.kind == "fill"]
    assert [(row.reference, row.quantity, row.amount) for row in fills] == [("a", 3, -303), ("a", 4, -404)]
    assert broker.positions() == {"SPY": 7}
    assert broker.account().cash == 10_000 - 707


def test_an_order_may_be_rejected_after_it_was_accepted(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    world.stub.account.rejected_later.add("a")
    assert send(broker, world).outcome == "accepted"
    world.play_to(world.sessions[1])
    order = broker.find_order("a")
    assert order is not None and (order.status, order.filled_quantity) == ("rejected", 0)


def test_an_order_made_by_hand_is_seen_and_its_fill_is_nobody_s(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    world.stub.account.submit({"symbol": "SPY", "qty": "2", "side": "buy", "type": "market", "time_in_force": "day"})
    (order,) = broker.open_orders()
    assert (order.instrument, order.quantity) == ("SPY", 2)
    world.play_to(world.sessions[1])
    assert broker.activities()[-1].reference == order.order_id


def test_an_order_by_amount_is_what_it_filled(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    world.stub.account.submit({"symbol": "SPY", "notional": "50.50", "side": "buy", "type": "market", "time_in_force": "day"})
    world.play_to(world.sessions[1])
    (order,) = broker.orders_since(world.sessions[0])
    assert (order.status, order.quantity, order.filled_quantity) == ("filled", Decimal("0.5"), Decimal("0.5"))


def test_a_renamed_symbol_is_held_under_its_new_name(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    send(broker, world)
    world.play_to(world.sessions[1])
    world.stub.account.rename("SPY", "SPYX")
    assert broker.positions() == {"SPYX": 10}


def test_a_dividend_that_is_paid_later_is_dated_when_it_is_paid(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    world.stub.account.pays_after = 2
    send(broker, world)
    world.play_to(world.sessions[1])
    world.show_open(world.sessions[2], "SPY", 102.0, dividend=0.5)
    world.play_to(world.sessions[3])
    assert [row.kind for row in broker.activities()] == ["deposit", "fill"]
    world.play_to(world.sessions[4])
    paid = broker.activities()[-1]
    assert (paid.kind, paid.session, paid.amount, paid.instrument) == ("dividend", world.sessions[4], 5, "SPY")


# reads

READS: dict[str, Callable[[AlpacaBroker], object]] = {
    "account": lambda broker: broker.account(),
    "positions": lambda broker: broker.positions(),
    "open orders": lambda broker: broker.open_orders(),
    "orders since": lambda broker: broker.orders_since(AlpacaWorld().sessions[0]),
    "find": lambda broker: broker.find_order("a"),
    "activities": lambda broker: broker.activities(),
    "clock": lambda broker: broker.clock(),
    "calendar": lambda broker: broker.calendar(AlpacaWorld().sessions[0], AlpacaWorld().sessions[1]),
}
BAD_READS = {name: reply for name, reply in REPLIES.items() if not name.startswith(("401", "403", "200 list", "404"))} | {
    "404 of html": Reply(404, PAGE),
    "404 without a code": told(404, {"message": "Not Found"}),
    "list of nothing": told(200, [None]),
    "nan": Reply(200, b'{"cash": NaN, "status": "ACTIVE"}'),
}


@pytest.mark.parametrize("reply", BAD_READS)
@pytest.mark.parametrize("read", READS)
def test_a_read_that_fails_raises_and_is_never_flat(broker: AlpacaBroker, world: AlpacaWorld, read: str, reply: str) -> None:
    send(broker, world)
    world.stub.faults.append(Fault(BAD_READS[reply], method="GET", path="/v2", times=-1))
    with pytest.raises(TryAgain):
        READS[read](broker)


def test_a_read_that_fails_once_is_asked_for_again(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    send(broker, world)
    world.play_to(world.sessions[1])
    world.stub.faults.append(Fault(HTML, method="GET", path="/v2/positions"))
    assert broker.positions() == {"SPY": 10}


def test_a_list_is_read_to_its_end_however_short_its_pages_are(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    for number in range(7):
        send(broker, world, order_id=f"o-{number}", quantity="1")
    world.stub.most_a_page = 3
    assert [row.order_id for row in broker.open_orders()] == [f"o-{number}" for number in range(7)]
    world.play_to(world.sessions[1])
    assert broker.open_orders() == []
    assert len(broker.orders_since(world.sessions[0])) == 7
    assert [row.reference for row in broker.activities(world.sessions[1]) if row.kind == "fill"] == [
        f"o-{number}" for number in range(7)
    ]


@pytest.mark.parametrize("path", [ORDERS, "/v2/account/activities"])
def test_a_page_that_comes_twice_raises(broker: AlpacaBroker, world: AlpacaWorld, path: str) -> None:
    pages: list[Any] = []

    def first_page_again(page: Any) -> Any:
        pages.append(page)
        return pages[0]

    for number in range(5):
        send(broker, world, order_id=f"o-{number}", quantity="1")
    world.play_to(world.sessions[1])
    world.stub.most_a_page = 2
    world.stub.faults.append(Fault(change=first_page_again, method="GET", path=path, times=-1))
    with pytest.raises(TryAgain, match="twice"):
        broker.activities() if "activities" in path else broker.orders_since(world.sessions[0])


def test_a_fill_whose_order_is_not_in_the_list_is_looked_up(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    send(broker, world)
    world.play_to(world.sessions[1])
    world.stub.faults.append(Fault(told(200, []), method="GET", path=ORDERS))
    assert broker.activities()[-1].reference == "a"


def test_a_clock_that_is_wrong_is_told_as_it_is(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    world.stub.skew = timedelta(minutes=10)
    assert broker.clock().at - world.stub.account.now == timedelta(minutes=10)


def test_a_rate_limit_is_waited_out_by_reads_and_unknown_for_an_order(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    broker.clock()
    world.stub.budget = 0
    assert send(broker, world).outcome == "unknown"
    with pytest.raises(TryAgain, match="429"):
        broker.positions()
    world.stub.budget = None
    assert broker.positions() == {}


# keys and addresses


@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize("body", [PAGE, b"", b'{"message": "unauthorized."}'])
@pytest.mark.parametrize("read", ["positions", "find"])
def test_refused_keys_stop_a_read(broker: AlpacaBroker, world: AlpacaWorld, status: int, body: bytes, read: str) -> None:
    world.stub.faults.append(Fault(Reply(status, body), method="GET", path="/v2", times=-1))
    with pytest.raises(Misconfigured, match="refused the keys"):
        READS[read](broker)


@pytest.mark.parametrize(
    ("mode", "url"),
    [
        ("paper", "https://api.alpaca.markets"),
        ("backfill", "https://api.alpaca.markets/"),
        ("live", "https://paper-api.alpaca.markets"),
        ("paper", "https://API.alpaca.markets:443"),
        ("paper", "http://example.com"),
        ("live", "http://api.alpaca.markets"),
    ],
)
def test_an_address_of_the_other_mode_or_without_encryption_is_refused(mode: Any, url: str, world: AlpacaWorld) -> None:
    with pytest.raises(Misconfigured, match="Alpaca's address"):
        AlpacaBroker(KEY_ID, SecretStr(SECRET_KEY), mode, lambda: world.stub.account.now, url)


@pytest.mark.parametrize(("mode", "url"), [("paper", "https://paper-api.alpaca.markets"), ("live", "https://api.alpaca.markets")])
def test_the_address_is_the_paper_service_unless_the_mode_is_live(mode: Any, url: str, world: AlpacaWorld) -> None:
    assert AlpacaBroker(KEY_ID, SecretStr(SECRET_KEY), mode, lambda: world.stub.account.now)._url == url


def test_no_secret_is_in_any_error_log_or_frame(
    broker: AlpacaBroker, world: AlpacaWorld, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that repeats the keys is among them."""
    caplog.set_level(logging.DEBUG)
    echo = told(422, {"code": 42210000, "message": f"bad {SECRET_KEY} {KEY_ID}"})
    said: list[str] = [repr(broker), str(vars(broker))]
    for reply in (*REPLIES.values(), echo):
        world.stub.faults = [Fault(reply, method=method, path="/v2", times=-1) for method in ("GET", "POST")]
        said.append(repr(send_anyhow(broker, world)))
        for read in READS.values():
            try:
                read(broker)
            except NightdeskError as error:
                said.append(repr((error, error.values, error.__context__, error.__cause__)))
                trace = error.__traceback__
                while trace is not None:
                    held = trace.tb_frame.f_locals
                    said += [repr(getattr(value, "headers", "")) for value in held.values()]
                    if "nightdesk" in trace.tb_frame.f_code.co_filename:
                        said.append(repr(held))
                    trace = trace.tb_next
    found = [text for text in (*said, caplog.text) if SECRET_KEY in text]
    assert found == []


def send_anyhow(broker: AlpacaBroker, world: AlpacaWorld) -> object:
    try:
        return send(broker, world)
    except NightdeskError as error:
        return error, error.values


def test_a_split_of_which_one_half_is_booked_is_waited_for(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    send(broker, world)
    world.play_to(world.sessions[1])
    world.stub.account.half_booked = True
    world.show_open(world.sessions[2], "SPY", 25.5, split=4.0)
    world.play_to(world.sessions[2])
    with pytest.raises(TryAgain, match="one half of a split"):
        broker.activities()
    world.stub.account.book("SPLIT", "ADD, From QTY:-10, To QTY:40", symbol="SPY", qty="40")
    assert [(row.kind, row.quantity) for row in broker.activities()][-1] == ("split", 30)
