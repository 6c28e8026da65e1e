"""What Alpaca's stub refuses, asked for with plain HTTP: one case for each row of the reference's table of windows and refusals
(Alpaca's documentation and API, recordings of its paper service of 2026-10-08, and public clients' lists of its messages)."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from tests.alpaca_plain import KEYS, MONDAY, ask, at, monday_stub, order
from tests.alpaca_stub import AlpacaStub

SATURDAY = date(2018, 12, 8)
HALF_DAY = date(2018, 12, 24)
"""Closes at 13:00."""


@pytest.fixture
def stub() -> Iterator[AlpacaStub]:
    with monday_stub() as made:
        yield made


OPG = "opg orders must be submitted after 7:00pm and before 9:28am"
CLS = "cls orders must be submitted after 7:00pm and before 3:55pm"
WINDOWS = [
    ("opg", MONDAY, (12, 1), OPG),
    ("opg", MONDAY, (18, 59), OPG),
    ("opg", MONDAY, (19, 0), ""),
    ("opg", date(2018, 12, 4), (9, 27), ""),
    ("opg", date(2018, 12, 4), (9, 28), OPG),
    ("opg", SATURDAY, (12, 0), OPG),
    ("opg", SATURDAY, (20, 0), ""),
    ("cls", MONDAY, (15, 49), ""),
    ("cls", MONDAY, (15, 50), CLS),
    ("cls", MONDAY, (18, 59), CLS),
    ("cls", MONDAY, (19, 0), ""),
    ("cls", HALF_DAY, (12, 49), ""),
    ("cls", HALF_DAY, (12, 50), CLS),
    ("cls", HALF_DAY, (19, 0), ""),
    ("opg", HALF_DAY, (13, 30), OPG),
    ("day", MONDAY, (16, 30), ""),
]


@pytest.mark.parametrize(("force", "day", "clock", "sentence"), WINDOWS, ids=lambda value: str(value)[:12])
def test_an_order_has_its_window(stub: AlpacaStub, force: str, day: date, clock: tuple[int, int], sentence: str) -> None:
    stub.move_to(at(day, *clock))
    status, _, told = order(stub, time_in_force=force)
    assert (status, told.get("code"), told.get("message")) == ((403, 40310000, sentence) if sentence else (200, None, None))


def test_a_day_order_after_the_close_waits_for_the_next_session(stub: AlpacaStub) -> None:
    stub.move_to(at(MONDAY, 16, 30))
    _, _, told = order(stub)
    assert (told["status"], told["expires_at"][:19]) == ("accepted", "2018-12-04T21:00:00")


def test_a_day_order_of_a_half_day_expires_at_its_early_close(stub: AlpacaStub) -> None:
    stub.move_to(at(HALF_DAY, 8, 0))
    assert order(stub)[2]["expires_at"][:19] == "2018-12-24T18:00:00"


REFUSALS: dict[str, tuple[dict[str, Any], int, int, str]] = {
    "fraction at the open": ({"qty": "0.5", "time_in_force": "opg"}, 422, 42210000, "fractional orders must be DAY orders"),
    "amount at the close": (
        {"qty": None, "notional": "10", "time_in_force": "cls"},
        422,
        42210000,
        "fractional orders must be DAY orders",
    ),
    "fractional bracket": ({"qty": "0.5", "order_class": "bracket"}, 422, 42210000, "fractional orders must be simple orders"),
    "fractional trailing stop": (
        {"qty": "0.5", "type": "trailing_stop"},
        422,
        42210000,
        "fractional orders must be market, limit, stop, or stop_limit orders",
    ),
    "fraction of a whole share": (
        {"symbol": "OCGN", "qty": "0.5"},
        403,
        40310000,
        'asset "OCGN" is not fractionable',
    ),
    "both": ({"notional": "10"}, 422, 40010001, "only one of qty or notional is accepted"),
    "neither": ({"qty": None}, 422, 40010001, "qty or notional is required"),
    "none": ({"qty": "0"}, 422, 40010001, "qty must be > 0"),
    "less than none": ({"qty": -1}, 422, 40010001, "qty must be > 0"),
    "not a number": ({"qty": "NaN"}, 422, 40010001, "qty must be > 0"),
    "more than held": (
        {"side": "sell", "qty": "11"},
        403,
        40310000,
        "insufficient qty available for order (requested: 11, available: 10)",
    ),
    "fraction sold short": (
        {"symbol": "PEP", "side": "sell", "qty": "0.5"},
        403,
        40310000,
        "fractional orders cannot be sold short",
    ),
    "no money": ({"symbol": "PEP", "qty": "101"}, 403, 40310000, "insufficient buying power"),
    "long id": ({"client_order_id": "a" * 129}, 422, 40010001, "client_order_id must be no more than 128 characters"),
    "not listed": ({"symbol": "XXX"}, 422, 42210000, 'asset "XXX" not found'),
    "halted": ({"symbol": "HALT"}, 422, 42210000, 'asset "HALT" is not tradable'),
    "sub-penny": (
        {"type": "limit", "limit_price": "50.005"},
        422,
        42210000,
        "invalid limit_price 50.005. sub-penny increment does not fulfill minimum pricing criteria",
    ),
    "extended hours": ({"extended_hours": True}, 422, 42210000, "extended hours order must be DAY limit orders"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_each_refusal_has_its_status_code_and_sentence(stub: AlpacaStub, name: str) -> None:
    stub.account.whole_only.add("OCGN")
    stub.account.unlisted.add("XXX")
    stub.account.untradable.add("HALT")
    fields, *expected = REFUSALS[name]
    if fields.get("time_in_force") in ("opg", "cls"):
        stub.move_to(at(MONDAY, 20, 0))
    status, _, told = order(stub, **fields)
    assert [status, told["code"], told["message"]] == expected
    assert stub.account.orders == []


FLAGS = {
    "trade_suspended_by_user": (True, "new orders are rejected by user request"),
    "account_blocked": (True, "account is not authorized to trade"),
    "trading_blocked": (True, "account is not authorized to trade"),
    "shorting_enabled": (False, "account is not allowed to short"),
}


@pytest.mark.parametrize("flag", FLAGS)
def test_an_account_may_be_kept_from_an_order(stub: AlpacaStub, flag: str) -> None:
    value, sentence = FLAGS[flag]
    stub.account.flags[flag] = value
    status, _, told = order(stub, symbol="PEP", side="sell")
    assert (status, told["code"], told["message"]) == (403, 40310000, sentence)


def test_a_refused_sale_says_what_is_held(stub: AlpacaStub) -> None:
    """The fields of a recording of 2026-10-08."""
    _, _, told = order(stub, side="sell", qty="10.5")
    held = {"available": "10", "existing_qty": "10", "held_for_orders": "0", "symbol": "KO"}
    assert {key: told[key] for key in held} == held


def test_the_other_side_of_an_order_that_works_is_a_wash_trade(stub: AlpacaStub) -> None:
    stub.move_to(at(MONDAY, 20, 0))
    order(stub, time_in_force="opg")
    status, _, told = order(stub, side="sell", time_in_force="opg")
    assert (status, told["code"]) == (403, 40310000)
    assert told["message"] == "potential wash trade detected. use complex orders"
    assert told["reject_reason"] == "opposite side market/stop order exists"


@pytest.mark.parametrize("then", ["waiting", "filled", "canceled"])
def test_an_id_serves_once_also_after_a_fill_or_a_cancel(stub: AlpacaStub, then: str) -> None:
    if then != "filled":
        stub.move_to(at(MONDAY, 20, 0))
    _, _, told = order(stub, client_order_id="a")
    if then == "canceled":
        assert ask(stub, "DELETE", f"/v2/orders/{told['id']}")[0] == 204
    assert stub.account.orders[0]["status"] == {"waiting": "accepted"}.get(then, then)
    status, _, told = order(stub, client_order_id="a")
    assert (status, told["code"], told["message"]) == (422, 40010001, "client_order_id must be unique")


@pytest.mark.parametrize("keys", [{}, {**KEYS, "APCA-API-SECRET-KEY": "wrong"}], ids=["none", "wrong"])
def test_bad_keys_are_not_let_in(stub: AlpacaStub, keys: dict[str, str]) -> None:
    status, _, told = ask(stub, "GET", "/v2/account", keys=keys)
    assert (status, told) == (401, {"message": "unauthorized."})


LOOKUPS: list[tuple[str, str, int, int, str]] = [
    ("GET", "/v2/orders:by_client_order_id?client_order_id=x", 404, 40410000, "order not found for x"),
    (
        "GET",
        "/v2/orders/61e69015-8549-4bfd-b9c3-01e75843f47d",
        404,
        40410000,
        "order not found for 61e69015-8549-4bfd-b9c3-01e75843f47d",
    ),
    ("GET", "/v2/orders/x", 422, 40010001, "order_id is missing"),
    ("DELETE", "/v2/orders/x", 422, 40010001, "order_id is missing"),
    ("GET", "/v2/positions/PEP", 404, 40410000, "position does not exist"),
    ("GET", "/v2/assets/XXX", 404, 40410000, "asset not found for XXX"),
]


@pytest.mark.parametrize(("method", "path", "status", "code", "sentence"), LOOKUPS)
def test_what_is_not_there_is_said(stub: AlpacaStub, method: str, path: str, status: int, code: int, sentence: str) -> None:
    stub.account.unlisted.add("XXX")
    found, _, told = ask(stub, method, path)
    assert (found, told["code"], told["message"]) == (status, code, sentence)


def test_the_asset_says_what_its_rules_are(stub: AlpacaStub) -> None:
    stub.account.whole_only.add("OCGN")
    stub.account.untradable.add("HALT")
    assert ask(stub, "GET", "/v2/assets/OCGN")[2]["fractionable"] is False
    assert ask(stub, "GET", "/v2/assets/HALT")[2]["tradable"] is False


def test_the_calendar_knows_half_days(stub: AlpacaStub) -> None:
    _, _, rows = ask(stub, "GET", f"/v2/calendar?start={HALF_DAY}&end=2018-12-26")
    assert [(row["date"], row["close"]) for row in rows] == [("2018-12-24", "13:00"), ("2018-12-26", "16:00")]


def test_two_hundred_requests_a_minute_are_taken(stub: AlpacaStub) -> None:
    stub.budget = 200
    answers = [ask(stub, "GET", "/v2/clock") for _ in range(201)]
    assert [status for status, _, _ in answers] == [200] * 200 + [429]
    assert [int(headers["X-RateLimit-Remaining"]) for _, headers, _ in answers] == [*range(199, -1, -1), 0]
    _, headers, told = answers[-1]
    assert (headers["X-RateLimit-Limit"], told) == ("200", {"code": 42910000, "message": "rate limit exceeded"})
    stub.minute_s = 0.0
    assert ask(stub, "GET", "/v2/clock")[0] == 200
