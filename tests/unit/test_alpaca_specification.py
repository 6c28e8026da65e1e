"""The examples of Alpaca's own description of its API, and answers made from its schemas: a record or `TryAgain`, nothing else,
and no number that was not said."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from nightdesk.brokers.alpaca_activities import activities_of
from nightdesk.brokers.alpaca_answers import account_of, clock_of, order_of, positions_of
from nightdesk.brokers.alpaca_calendar import sessions_of
from nightdesk.errors import TryAgain
from tests.alpaca_openapi import specification

SPEC = specification()
SCHEMAS: dict[str, Any] = SPEC["components"]["schemas"]
ORDERS = {name: row["value"] for name, row in SPEC["components"]["examples"].items() if name.endswith("OrderResponse")}
EXPECTED = {
    "BracketOrderResponse": ("AAPL", "10", "accepted"),
    "CryptoOrderResponse": ("ETH/USD", "0.02", "accepted"),
    "EquityOrderResponse": ("AAPL", "2", "accepted"),
    "IPOOrderResponse": ("FI111225", "0", "accepted"),
    "OptionOrderResponse": ("AAPL250620C00100000", "2", "accepted"),
}
"""By hand, from the file. An order by amount that has not filled has no quantity yet."""


@pytest.mark.parametrize("name", EXPECTED)
def test_each_order_of_the_description_is_read(name: str) -> None:
    order = order_of(ORDERS[name])
    assert (order.instrument, order.quantity, order.status) == (EXPECTED[name][0], Decimal(EXPECTED[name][1]), EXPECTED[name][2])
    assert order.order_id == ORDERS[name]["client_order_id"]


def test_an_order_of_several_legs_is_no_order_of_one_instrument() -> None:
    """It has neither a side nor a symbol; the desk sends none."""
    assert set(ORDERS) - set(EXPECTED) == {"MultilegOptionsOrderResponse"}
    with pytest.raises(TryAgain):
        order_of(ORDERS["MultilegOptionsOrderResponse"])


def test_each_account_of_the_description_is_read() -> None:
    media = SPEC["paths"]["/v2/account"]["get"]["responses"]["200"]["content"]["application/json"]
    accounts = [account_of(row) for row in (*SCHEMAS["Account"]["examples"], media["example"])]
    assert [(row.account, row.cash, row.buying_power, row.blocked) for row in accounts] == [
        ("010203ABCD", Decimal("-23140.2"), Decimal("262113.632"), ""),
        ("PALPACA_123", Decimal("122086.5"), Decimal("245432.61"), ""),
    ]


def test_each_position_of_the_description_is_read() -> None:
    rows = SCHEMAS["Position"]["examples"]
    assert rows
    for row in rows:
        assert positions_of([row]) == {row["symbol"]: Decimal(row["qty"]) * (-1 if row["side"] == "short" else 1)}


def test_each_activity_of_the_description_is_read() -> None:
    """The dividend's sub type there is that of a dividend in shares, but it pays cash: 2 shares at 0.51."""
    rows = [*SCHEMAS["TradingActivities"]["examples"], *SCHEMAS["NonTradeActivities"]["examples"]]
    dividend, fill = activities_of(rows, {})
    assert (fill.kind, fill.instrument, fill.quantity, fill.amount) == ("fill", "AAPL", 2, Decimal("-349.56"))
    assert (dividend.kind, dividend.instrument, dividend.quantity, dividend.amount) == ("dividend", "T", 0, Decimal("1.02"))


def test_the_clock_and_the_calendar_of_the_description_are_read() -> None:
    clock, _ = clock_of(SCHEMAS["legacy_clock"]["example"])
    assert (str(clock.at), str(clock.next_session)) == ("2025-06-24 18:15:22+00:00", "2025-06-25")
    day = {key: field["example"] for key, field in SCHEMAS["legacy_calendar_day"]["properties"].items() if "example" in field}
    (session,) = sessions_of([day])
    assert [str(session.session), str(session.opens_at)] == ["2025-01-02", "2025-01-02 14:30:00+00:00"]


# answers made from the schemas

NUMBERS = [
    "0",
    "1",
    "-2.5",
    "1E3",
    "1e-9",
    "0.557436865",
    "99999.12345678901",
    "1e20",
    "NaN",
    "Infinity",
    "1_000",
    "-0",
    "",
    " 1",
    "٣",
]
TEXTS = st.sampled_from(
    [*NUMBERS, "", " 1", "KO", "buy", "ACTIVE", "2026-10-08", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z"]
)
ODD = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.just("\ud800") | st.just([{}]) | TEXTS
FORMATS: dict[str, st.SearchStrategy[str]] = {
    "date-time": st.datetimes(timezones=st.timezones()).map(lambda at: at.isoformat()),
    "date": st.dates().map(str),
    "uuid": st.uuids().map(str),
}


def made_from(schema: dict[str, Any], depth: int = 3) -> st.SearchStrategy[Any]:
    """Answers that a schema describes, with an odd value here and there: any field may be missing or wrong."""
    if "$ref" in schema:
        return made_from(SCHEMAS[schema["$ref"].rpartition("/")[2]], depth)
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema.get("type", "object")
    made = [_of_kind(kind, schema, depth) for kind in (kinds if isinstance(kinds, list) else [kinds])]
    return st.one_of(made)


def _of_kind(kind: str, schema: dict[str, Any], depth: int) -> st.SearchStrategy[Any]:
    if kind == "object" and depth:
        fields = {name: made_from(field, depth - 1) for name, field in schema.get("properties", {}).items()}
        return st.fixed_dictionaries({}, optional=fields)
    if kind == "array" and depth:
        return st.lists(made_from(schema.get("items", {}), depth - 1), max_size=2)
    plain = {"boolean": st.booleans(), "integer": st.integers(), "number": st.floats(), "null": st.none()}
    return plain[kind] if kind in plain else FORMATS.get(schema.get("format", ""), TEXTS)


@st.composite
def rows(draw: st.DrawFn, name: str, **right: Any) -> dict[str, Any]:
    """A row of a schema; what is needed is `right` at first, so that not every row is refused. Then up to two fields are odd."""
    needed = draw(st.fixed_dictionaries({key: st.sampled_from(values) for key, values in right.items()}))
    row = {**draw(made_from(SCHEMAS[name])), **needed}
    return {**row, **draw(st.dictionaries(st.sampled_from(sorted(SCHEMAS[name]["properties"])), ODD, max_size=2))}


INSTANTS = ["2026-10-08T18:10:18.094153596Z", "2026-11-27T09:30:00-05:00"]
ORDER = rows("Order", client_order_id=["a"], symbol=["KO"], side=["buy", "sell"], qty=["3", 3, 2.5, None], filled_qty=["0", "1"])
POSITION = rows("Position", symbol=["KO", "PEP"], qty=["3", "-3", 0, "0"], side=["long", "short"])
FILL = rows(
    "TradingActivities",
    **{"activity_type": ["FILL"], "id": ["x"], "symbol": ["KO"], "side": ["buy"], "order_id": ["o"]},
    **{"transaction_time": INSTANTS, "qty": ["1e14", "2"], "price": ["1e14", "5"]},
)
OTHER = rows(
    "NonTradeActivities",
    id=["y"],
    symbol=["KO"],
    date=["2026-10-08"],
    net_amount=["1.02", "0"],
    status=["executed"],
    qty=["2", "-2"],
)
ACCOUNT = rows("Account", account_number=["PA1"], currency=["USD"], cash=["1", -1.5, "1e3"], buying_power=["4"])
CLOCK = rows("legacy_clock", timestamp=INSTANTS, next_open=INSTANTS)
QUICK = settings(max_examples=80, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large], deadline=None)


def read(ask: Callable[[], Any]) -> Any:
    """The record, or None for `TryAgain`; whatever else is raised is a bug."""
    try:
        return ask()
    except TryAgain as error:
        assert error.message.isprintable()
        return None


@QUICK
@given(ORDER)
def test_an_order_has_the_numbers_that_were_said(row: dict[str, Any]) -> None:
    order = read(lambda: order_of(row))
    if order is not None:
        assert abs(order.filled_quantity) == abs(Decimal(str(row["filled_qty"])))
        assert abs(order.quantity) == abs(Decimal(str(row["filled_qty"] if row.get("qty") is None else row["qty"])))
        assert (order.quantity <= 0) if row["side"] == "sell" and Decimal(str(row.get("qty") or 0)) >= 0 else True


@QUICK
@given(st.lists(POSITION, max_size=3))
def test_positions_are_empty_only_where_every_quantity_was_zero(told: list[dict[str, Any]]) -> None:
    held = read(lambda: positions_of(told))
    if held is not None:
        assert {row["symbol"] for row in told if Decimal(str(row["qty"]))} == set(held)


@QUICK
@given(st.lists(FILL | OTHER, max_size=3))
def test_activities_have_the_amounts_that_were_said(told: list[dict[str, Any]]) -> None:
    found = read(lambda: activities_of(told, {}))
    for activity in found or ():
        assert activity.quantity.is_finite() and activity.amount.is_finite()
        if activity.kind in ("dividend", "deposit", "fee", "interest"):
            assert activity.amount in [Decimal(str(row["net_amount"])) for row in told if row.get("id") == activity.activity_id]


@QUICK
@given(ACCOUNT)
def test_an_account_has_the_cash_that_was_said(row: dict[str, Any]) -> None:
    account = read(lambda: account_of(row))
    if account is not None:
        assert account.cash == Decimal(str(row["cash"]))
        assert account.blocked or row["status"] == "ACTIVE"


@QUICK
@given(CLOCK | ODD)
def test_a_clock_has_instants(told: Any) -> None:
    made = read(lambda: clock_of(told))
    assert made is None or made[0].at.tzinfo is not None
