"""Answers of the shapes that Alpaca's paper service has (fields and types of recordings of 2026-10-08), made by hand."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightdesk.brokers.alpaca_activities import activities_of
from nightdesk.brokers.alpaca_answers import account_of, clock_of, order_of, positions_of, status_of
from nightdesk.brokers.alpaca_fields import uuid_of
from nightdesk.brokers.broker import Activity
from nightdesk.errors import TryAgain


def activity_of(row: dict[str, Any], order_ids: dict[str, str]) -> Activity | None:
    return next(iter(activities_of([row], order_ids)), None)


ORDER: dict[str, Any] = {
    "id": "61e69015-8549-4bfd-b9c3-01e75843f47d",
    "client_order_id": "nd-a",
    "created_at": "2026-10-08T18:10:18.094153596Z",
    "submitted_at": "2026-10-08T18:10:18.094153596Z",
    "symbol": "KO",
    "notional": None,
    "qty": "3",
    "filled_qty": "0",
    "filled_avg_price": None,
    "order_class": "",
    "type": "market",
    "side": "buy",
    "time_in_force": "day",
    "status": "pending_new",
    "legs": None,
}
ACCOUNT: dict[str, Any] = {
    "id": "e6fe16f3-64a4-4921-8928-cadf02f92f98",
    "account_number": "PA3ABCDEFGHI",
    "status": "ACTIVE",
    "currency": "USD",
    "cash": "100000.01",
    "buying_power": "400000.04",
    "last_equity": "99999.12345678901",
    "account_blocked": False,
    "trading_blocked": False,
    "trade_suspended_by_user": False,
    "crypto_tier": 1,
}
POSITION: dict[str, Any] = {"symbol": "KO", "qty": "0.557436865", "side": "long", "asset_class": "us_equity"}
FILL: dict[str, Any] = {
    "id": "20261008141018097::a6b0a9b4-9a0f-4a7e-9f0b-2d1f2f6d2a10",
    "activity_type": "FILL",
    "type": "partial_fill",
    "transaction_time": "2026-10-08T18:10:18.097123456Z",
    "order_id": ORDER["id"],
    "order_status": "partially_filled",
    "symbol": "KO",
    "side": "sell",
    "qty": "2",
    "cum_qty": "2",
    "leaves_qty": "1",
    "price": "66.125",
}
DIVIDEND: dict[str, Any] = {
    "id": "20261008000000000::b3c1",
    "activity_type": "DIV",
    "date": "2026-10-08",
    "net_amount": "1.02",
    "symbol": "KO",
    "qty": "2",
    "per_share_amount": "0.51",
    "status": "executed",
}


def test_an_order_is_read_from_its_texts() -> None:
    order = order_of({**ORDER, "side": "sell", "qty": "3", "filled_qty": "1.5", "status": "partially_filled"})
    assert (order.order_id, order.instrument, order.quantity, order.filled_quantity) == ("nd-a", "KO", -3, Decimal("-1.5"))
    assert order.status == "accepted"


def test_an_order_by_amount_has_no_quantity_but_what_it_filled() -> None:
    order = order_of({**ORDER, "qty": None, "notional": "25", "filled_qty": "0.377", "status": "filled"})
    assert (order.quantity, order.status) == (Decimal("0.377"), "filled")


STATES = {
    "accepted": "accepted new pending_new partially_filled held pending_cancel pending_replace stopped suspended calculated "
    "accepted_for_bidding pending_review done_for_day",
    "filled": "filled",
    "canceled": "canceled replaced",
    "expired": "expired",
    "rejected": "rejected",
    "unknown": "FILLED teleported unknown",
}


@pytest.mark.parametrize(("told", "ours"), [(name, ours) for ours, names in STATES.items() for name in names.split()])
def test_each_state_of_an_order_has_its_word(told: str, ours: str) -> None:
    order = order_of({**ORDER, "status": told})
    assert order.status == ours
    assert bool(order.reason) == (ours in ("canceled", "expired", "rejected", "unknown"))


@pytest.mark.parametrize("told", [None, "", 7, True, [], {}])
def test_a_state_that_is_no_word_is_unknown(told: object) -> None:
    assert status_of(told) == "unknown"


@pytest.mark.parametrize("key", ["client_order_id", "symbol", "side", "qty", "filled_qty"])
@pytest.mark.parametrize("value", [None, "", "x", [], {}, True, "NaN", "Infinity", "1e400"])
def test_an_order_without_what_we_need_is_none(key: str, value: object) -> None:
    if key in ("client_order_id", "symbol") and isinstance(value, str) and value:
        assert order_of({**ORDER, key: value})
        return
    with pytest.raises(TryAgain, match=key):
        order_of({**ORDER, key: value})
    with pytest.raises(TryAgain, match=key):
        order_of({name: told for name, told in ORDER.items() if name != key})


def test_an_account_is_its_number_its_cash_and_whether_it_may_trade() -> None:
    account = account_of(ACCOUNT)
    assert (account.account, account.currency, account.cash) == ("PA3ABCDEFGHI", "USD", Decimal("100000.01"))
    assert (account.buying_power, account.blocked) == (Decimal("400000.04"), "")


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"account_blocked": True}, "account_blocked"),
        ({"trading_blocked": True}, "trading_blocked"),
        ({"trade_suspended_by_user": True}, "trade_suspended_by_user"),
        ({"status": "ACCOUNT_CLOSED"}, "its status is 'ACCOUNT_CLOSED'"),
        ({"status": None}, "its status is 'nothing'"),
    ],
)
def test_an_account_that_may_not_trade_says_why(change: dict[str, Any], why: str) -> None:
    assert account_of({**ACCOUNT, **change}).blocked == why


@pytest.mark.parametrize("key", ["account_number", "currency", "cash", "buying_power"])
def test_an_account_without_a_number_of_its_own_or_money_is_none(key: str) -> None:
    with pytest.raises(TryAgain, match=key):
        account_of({name: told for name, told in ACCOUNT.items() if name != key})


def test_positions_are_signed_and_flat_ones_are_absent() -> None:
    short = {**POSITION, "symbol": "OCGN", "qty": "-5", "side": "short"}
    plain = {**POSITION, "symbol": "PEP", "qty": "5", "side": "short"}
    flat = {**POSITION, "symbol": "XOM", "qty": "0"}
    assert positions_of([POSITION, short, plain, flat]) == {"KO": Decimal("0.557436865"), "OCGN": -5, "PEP": -5}
    assert positions_of([]) == {}


@pytest.mark.parametrize(
    "answer", [None, {}, "", {"message": "internal"}, [None], [[]], [{}], [{**POSITION, "qty": None}], [POSITION, POSITION]]
)
def test_positions_that_cannot_be_read_are_not_flat(answer: object) -> None:
    with pytest.raises(TryAgain):
        positions_of(answer)


def test_a_fill_is_signed_and_dated_in_new_york() -> None:
    fill = activity_of({**FILL, "transaction_time": "2026-10-09T01:10:18.097123456Z"}, {ORDER["id"]: "nd-a"})
    assert fill is not None
    assert (fill.kind, fill.session, fill.reference) == ("fill", date(2026, 10, 8), "nd-a")
    assert (fill.quantity, fill.price, fill.amount) == (-2, Decimal("66.125"), Decimal("132.25"))


def test_a_short_sale_is_a_sale() -> None:
    fill = activity_of({**FILL, "side": "sell_short"}, {})
    assert fill is not None and (fill.quantity, fill.reference) == (-2, ORDER["id"])


KINDS = {
    "DIV": "dividend",
    "DIVNRA": "dividend",
    "CSD": "deposit",
    "CSW": "deposit",
    "JNLC": "deposit",
    "FEE": "fee",
    "CFEE": "fee",
    "INT": "interest",
    "MA": "other",
    "SPIN": "other",
    "BRANDNEW": "other",
}


@pytest.mark.parametrize(("told", "kind"), KINDS.items())
def test_what_moves_cash_has_its_kind_and_amount(told: str, kind: str) -> None:
    row = activity_of({**DIVIDEND, "activity_type": told, "net_amount": "-1.02"}, {})
    assert row is not None
    assert (row.kind, row.amount, row.session, row.note) == (kind, Decimal("-1.02"), date(2026, 10, 8), told)
    assert row.quantity == (2 if kind == "other" else 0)


def test_a_split_moves_shares_and_no_cash() -> None:
    row = activity_of({**DIVIDEND, "activity_type": "SPLIT", "qty": "30", "net_amount": "0"}, {})
    assert row is not None and (row.kind, row.quantity, row.amount) == ("split", 30, 0)


def test_an_activity_that_was_called_back_is_none() -> None:
    assert activity_of({**DIVIDEND, "status": "canceled"}, {}) is None


@pytest.mark.parametrize("key", ["id", "date", "net_amount", "activity_type"])
def test_an_activity_without_what_we_need_is_not_passed_over(key: str) -> None:
    with pytest.raises(TryAgain):
        activity_of({name: told for name, told in DIVIDEND.items() if name != key}, {})


def test_the_clock_is_utc_and_names_the_next_session() -> None:
    told = {"timestamp": "2026-11-25T19:30:00.123456789-05:00", "is_open": False, "next_open": "2026-11-27T09:30:00-05:00"}
    clock, opens_at = clock_of(told)
    assert clock.at == datetime(2026, 11, 26, 0, 30, 0, 123456, tzinfo=UTC)
    assert (clock.next_session, opens_at) == (date(2026, 11, 27), datetime(2026, 11, 27, 14, 30, tzinfo=UTC))
    with pytest.raises(TryAgain, match="timestamp"):
        clock_of({**told, "timestamp": "2026-11-25T19:30:00"})


@pytest.mark.parametrize("told", ["..", "", None, "../orders", "61e69015-8549-4bfd-b9c3-01e75843f47d?x=1"])
def test_only_a_uuid_may_stand_in_a_path(told: object) -> None:
    with pytest.raises(TryAgain):
        uuid_of({"id": told}, "id")


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["1", "-2.5", "buy", "2026-10-08"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
FORMS = {"order": ORDER, "account": ACCOUNT, "fill": FILL, "dividend": DIVIDEND}


@given(name=st.sampled_from(sorted(FORMS)), data=st.data())
def test_no_answer_makes_a_bug(name: str, data: st.DataObject) -> None:
    """Any value in any field: a record or `TryAgain`."""
    form = FORMS[name]
    row = {**form, **data.draw(st.dictionaries(st.sampled_from(sorted(form)), JSON, max_size=4))}
    answer = data.draw(st.just(row) | JSON)
    try:
        if name == "order":
            assert order_of(answer).quantity.is_finite()
        elif name == "account":
            assert account_of(answer).cash.is_finite()
        elif isinstance(answer, dict):
            activity_of(answer, {})
        positions_of([answer])
    except TryAgain as error:
        assert error.message


# what is booked in more rows than one; the forms of Alpaca's published samples of splits and new names


def booked(kind: str, number: int, symbol: str, quantity: str, **more: str) -> dict[str, Any]:
    row = {"id": f"20260227000000000::{number}", "activity_type": kind, "date": "2026-02-27", "net_amount": "0"}
    return {**row, "symbol": symbol, "qty": quantity, "price": "7", "status": "executed", **more}


REMOVED = booked("SPLIT", 1, "XRPT", "-33", description="REMOVE, From QTY:-33, To QTY:1.65, Position Value:231")
ADDED = booked("SPLIT", 2, "XRPT", "1.65", description="ADD, From QTY:-33, To QTY:1.65, Position Value:231")
UNITS = [
    booked("SPLIT", 3, "CCCXU", "-8", description="REMOVE, From QTY:-8"),
    booked("SPLIT", 4, "INFQ", "8", description="ADD, From QTY:-8"),
    booked("SPLIT", 5, "INFQ.WS", "2", description="ADD, From QTY:-8"),
]


def moved(rows: list[dict[str, Any]]) -> list[tuple[str, str, Decimal]]:
    return [(row.kind, row.instrument, row.quantity) for row in activities_of(rows, {})]


def test_a_split_in_two_rows_is_one_change_in_shares() -> None:
    assert moved([REMOVED, ADDED]) == [("split", "XRPT", Decimal("-31.35"))]
    assert activities_of([REMOVED, ADDED], {})[0].activity_id == REMOVED["id"]


def test_a_unit_that_becomes_two_things_is_a_change_in_each() -> None:
    assert moved(UNITS) == [("split", "CCCXU", -8), ("split", "INFQ", 8), ("split", "INFQ.WS", 2)]


@pytest.mark.parametrize("rows", [[REMOVED], [ADDED], [REMOVED, *UNITS[:1]], [REMOVED, {**ADDED, "status": "canceled"}]])
def test_half_a_split_is_no_answer_yet(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(TryAgain, match="one half of a split"):
        activities_of([FILL, *rows], {})


def test_a_new_name_is_two_rows_for_a_person() -> None:
    rows = [booked("NC", 1, "RNA", "-7.30762391"), booked("NC", 2, "RNAM", "7.30762391")]
    assert moved(rows) == [("other", "RNA", Decimal("-7.30762391")), ("other", "RNAM", Decimal("7.30762391"))]


def test_a_dividend_in_shares_moves_shares() -> None:
    assert moved([booked("DIV", 1, "SBS", "0.002709921", activity_sub_type="SDIV")]) == [("split", "SBS", Decimal("0.002709921"))]
    cash = booked("DIV", 1, "VG", "113", activity_sub_type="CDIV", net_amount="28.25", per_share_amount="0.25")
    (row,) = activities_of([cash], {})
    assert (row.kind, row.quantity, row.amount) == ("dividend", 0, Decimal("28.25"))


@pytest.mark.parametrize(
    ("row", "note"),
    [
        (booked("SPLIT", 1, "SF", "1", status="correct"), "SPLIT correct"),
        (booked("DIV", 1, "SF", "1", status="pending\ud800"), "DIV pending"),
        ({key: value for key, value in booked("SPLIT", 1, "SF", "1").items() if key != "qty"}, "SPLIT"),
    ],
)
def test_what_is_not_plain_is_for_a_person(row: dict[str, Any], note: str) -> None:
    (found,) = activities_of([row], {})
    assert (found.kind, found.note) == ("other", note)


def test_activities_of_a_session_keep_their_order() -> None:
    buy = {**FILL, "id": "f", "transaction_time": "2026-02-27T15:00:00Z"}
    assert [row.kind for row in activities_of([REMOVED, ADDED, buy, booked("CSD", 9, "", "0")], {})] == [
        "split",
        "fill",
        "deposit",
    ]
