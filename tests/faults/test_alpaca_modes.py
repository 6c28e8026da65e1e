"""Each fault of Alpaca's stub does what its name says, at the request that it is switched on for."""

import http.client
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from tests.alpaca_faults import MODES
from tests.alpaca_plain import KEYS, MONDAY, ask, at, monday_stub, order
from tests.alpaca_stub import AlpacaStub


def outcome(stub: AlpacaStub, method: str, path: str) -> tuple[object, int]:
    """What a request is answered, or "no answer", and how many orders it left."""
    body = {"symbol": "KO", "qty": "9", "side": "buy", "type": "market", "time_in_force": "opg", "client_order_id": "a"}
    try:
        status, _, told = ask(stub, method, path, body if method == "POST" else None)
    except (http.client.HTTPException, OSError) as error:
        return type(error).__name__, len(stub.account.orders)
    return (status, told), len(stub.account.orders)


LOST = {
    "accept-then-drop": ("RemoteDisconnected", 1),
    "accept-then-drop-midway": ("IncompleteRead", 1),
    "drop-before-accept": ("RemoteDisconnected", 0),
}
PLAIN: dict[str, tuple[int, int, bytes]] = {
    "accept-then-504": (504, 1, b"request timed out"),
    "accept-then-504-always": (504, 1, b"request timed out"),
    "504-before-accept": (504, 0, b"request timed out"),
    "502-html": (502, 0, b"<html>"),
    "200-empty": (200, 1, b""),
    "200-truncated": (200, 1, b"client_or"),
    "302": (302, 0, b""),
    "401-html": (401, 0, b"<html>"),
    "429": (429, 0, b"rate limit exceeded"),
    "429-thrice": (429, 0, b"rate limit exceeded"),
    "positions-500": (500, 0, b"internal"),
}
CHANGED = {
    "unknown-status": lambda row: row["status"] == "teleported",
    "missing-field": lambda row: "status" not in row,
    "extra-field": lambda row: "new_field" in row,
    "nanosecond-time": lambda row: row["timestamp"] == "2018-12-03T20:00:00.123456789-05:00",
    "account-blocked": lambda row: row["account_blocked"] is True,
    "clock-ahead": lambda row: row["timestamp"] == "2018-12-03T20:10:00-05:00",
    "clock-behind": lambda row: row["timestamp"] == "2018-12-03T19:50:00-05:00",
    "half-day": lambda rows: [row["close"] for row in rows] == ["13:00"],
}


def order_of(stub: AlpacaStub) -> dict[str, Any]:
    return stub.account.orders[0]


FATES = {
    "partial-fills": lambda stub: (order_of(stub)["status"], order_of(stub)["filled_qty"]) == ("expired", "7"),
    "fill-after-cancel": lambda stub: order_of(stub)["status"] == "filled",
    "reject-after-accept": lambda stub: order_of(stub)["status"] == "rejected",
    "expire-at-close": lambda stub: order_of(stub)["status"] == "expired",
    "split-overnight": lambda stub: [row["qty"] for row in splits(stub)] == ["-10", "40"],
    "split-half-booked": lambda stub: [row["qty"] for row in splits(stub)] == ["-10"],
    "symbol-renamed": lambda stub: stub.account.positions.keys() == {"KOX"},
}


def splits(stub: AlpacaStub) -> list[dict[str, Any]]:
    return [row for row in stub.account.activities if row["activity_type"] == "SPLIT"]


@pytest.fixture
def evening() -> Iterator[AlpacaStub]:
    """Monday, 20:00; KO opens at 51 on Tuesday."""
    with monday_stub() as stub:
        stub.account.show_open(date(2018, 12, 4), "KO", 51)
        stub.move_to(at(MONDAY, 20, 0))
        yield stub


def switched_on(stub: AlpacaStub, mode: str) -> tuple[str, str]:
    """The method and path of the request that meets it."""
    fault = MODES[mode]()
    stub.faults.append(fault)
    return fault.method, fault.path + ("?start=2018-12-04&end=2018-12-04" if "calendar" in fault.path else "")


@pytest.mark.parametrize("mode", LOST)
def test_a_connection_is_lost(evening: AlpacaStub, mode: str) -> None:
    assert outcome(evening, *switched_on(evening, mode)) == LOST[mode]


@pytest.mark.parametrize("mode", PLAIN)
def test_an_answer_takes_the_place_of_the_true_one(evening: AlpacaStub, mode: str) -> None:
    status, orders, part = PLAIN[mode]
    asked = switched_on(evening, mode)
    times = evening.faults[0].times
    answer, left = outcome(evening, *asked)
    assert isinstance(answer, tuple)
    assert (answer[0], left) == (status, orders) and part.decode() in str(answer[1])
    assert len(evening.faults) == (times != 1)


@pytest.mark.parametrize("mode", CHANGED)
def test_an_answer_is_changed(evening: AlpacaStub, mode: str) -> None:
    answer, _ = outcome(evening, *switched_on(evening, mode))
    assert isinstance(answer, tuple) and answer[0] == 200
    assert CHANGED[mode](answer[1])


@pytest.mark.parametrize("mode", FATES)
def test_an_order_has_its_fate(evening: AlpacaStub, mode: str) -> None:
    answer, _ = outcome(evening, *switched_on(evening, mode))
    assert isinstance(answer, tuple) and answer[0] == 200
    if mode == "fill-after-cancel":
        assert ask(evening, "DELETE", f"/v2/orders/{order_of(evening)['id']}")[0] == 204
        assert order_of(evening)["status"] == "pending_cancel"
    evening.move_to(at(date(2018, 12, 4), 16, 1))
    assert FATES[mode](evening)


@pytest.mark.parametrize("mode", ["accept-then-hang", "hang-before-accept"])
def test_an_answer_may_never_come(evening: AlpacaStub, mode: str) -> None:
    method, path = switched_on(evening, mode)
    connection = http.client.HTTPConnection(evening.url.removeprefix("http://"), timeout=0.2)
    body = {"symbol": "KO", "qty": "1", "side": "buy", "type": "market", "time_in_force": "opg"}
    connection.request(method, path, json.dumps(body), KEYS)
    with pytest.raises(TimeoutError):
        connection.getresponse()
    connection.close()
    assert len(evening.account.orders) == (mode == "accept-then-hang")


def test_an_order_may_be_late_to_appear(evening: AlpacaStub) -> None:
    evening.faults.append(replace(MODES["late-to-appear"](), appears_after_s=1000))
    by_id = "/v2/orders:by_client_order_id?client_order_id=a"
    assert outcome(evening, "POST", "/v2/orders")[1] == 1
    assert ask(evening, "GET", "/v2/orders")[2] == []
    assert ask(evening, "GET", by_id)[0] == 404
    evening._hidden["a"] = 0.0
    assert len(ask(evening, "GET", "/v2/orders")[2]) == 1
    assert ask(evening, "GET", by_id)[0] == 200


def test_a_page_may_come_again(evening: AlpacaStub) -> None:
    for _ in range(3):
        order(evening, time_in_force="opg")
    evening.faults.append(MODES["duplicate-page"]())
    first = ask(evening, "GET", "/v2/orders?limit=2&direction=asc")[2]
    assert ask(evening, "GET", f"/v2/orders?limit=2&direction=asc&after_order_id={first[-1]['id']}")[2] == first


def test_every_fault_is_in_one_of_these_tables() -> None:
    others = {"accept-then-hang", "hang-before-accept", "late-to-appear", "duplicate-page"}
    assert set(MODES) == {*LOST, *PLAIN, *CHANGED, *FATES, *others}
