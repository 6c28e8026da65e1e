"""Limits on the final request: just below, at and just above each, what is no number, and each check taken away in turn."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from nightdesk.portfolio import limits as room
from nightdesk.portfolio.limits import CHECKS, NUMBERS, Request, Standing, breaches, reduces
from schemas.trading import Limits

BUY = Request("SPY", 10.0, 100.0)
BOOK = Standing(
    instruments=("QQQ", "SPY"),
    close=100.0,
    average_volume=1e6,
    data_age_h=0.25,
    held=0.0,
    open_quantity=0.0,
    equity=1e6,
    buying_power=1e6,
    instrument_orders=0,
    account_orders=0,
    same_orders=0,
)
WIDE = {"max_order_notional": 1e12, "max_order_quantity": 1e12, "max_order_share": 10, "max_position_share": 10}
WIDE |= {"max_volume_share": 1, "price_collar": 1, "max_orders_per_instrument": 100, "max_orders_per_day": 10_000}


@dataclass(frozen=True)
class Case:
    """One number of a request or its book, just below, at and just above a limit; the others fixed by `beside`."""

    limits: Mapping[str, Any]
    varied: str
    below: Any
    at: Any
    above: Any
    sentence: str
    beside: Mapping[str, Any] = field(default_factory=dict)


CASES: dict[str, Case] = {
    "instruments": Case({}, "instrument", "QQQ", "SPY", "SPYX", "it is none of the strategy's instruments, QQQ, SPY"),
    "max_order_quantity": Case(
        {"max_order_quantity": 10},
        "quantity",
        9.99,
        10.0,
        10.01,
        "the order's quantity 10.01 is above limits.max_order_quantity 10",
    ),
    "max_order_quantity, to sell": Case(
        {"max_order_quantity": 10},
        "quantity",
        -9.99,
        -10.0,
        -10.01,
        "the order's quantity 10.01 is above limits.max_order_quantity 10",
        {"held": 100.0},
    ),
    "max_order_notional": Case(
        {"max_order_notional": 1000.0},
        "quantity",
        9.99,
        10.0,
        10.01,
        "the order's value 1,001.00 is above limits.max_order_notional 1,000.00",
    ),
    "max_order_notional, to sell": Case(
        {"max_order_notional": 1000.0},
        "quantity",
        -9.99,
        -10.0,
        -10.01,
        "the order's value 1,001.00 is above limits.max_order_notional 1,000.00",
        {"held": 100.0},
    ),
    "max_order_notional, by the last close": Case(
        {"max_order_notional": 1000.0},
        "close",
        99.9,
        100.0,
        100.1,
        "the order's value 1,001.00 is above limits.max_order_notional 1,000.00",
        {"price": 99.0},
    ),
    "max_order_share": Case(
        {"max_order_share": 0.1},
        "quantity",
        9.99,
        10.0,
        10.01,
        "the order's value, 10.0% of equity, is above limits.max_order_share 10.0%",
        {"equity": 10_000.0},
    ),
    "max_position_share": Case(
        {"max_position_share": 0.5},
        "quantity",
        4.99,
        5.0,
        5.01,
        "the position after the fill, 50.0% of equity, is above limits.max_position_share 50.0%",
        {"equity": 10_000.0, "held": 45.0},
    ),
    "max_position_share, open orders counted": Case(
        {"max_position_share": 0.5},
        "open_quantity",
        9.99,
        10.0,
        10.01,
        "the position after the fill, 50.0% of equity, is above limits.max_position_share 50.0%",
        {"equity": 10_000.0, "held": 30.0},
    ),
    "max_position_share, of a short position": Case(
        {"max_position_share": 0.5, "allow_short": True},
        "quantity",
        -0.99,
        -1.0,
        -1.01,
        "the position after the fill, 50.0% of equity, is above limits.max_position_share 50.0%",
        {"equity": 10_000.0, "held": -49.0},
    ),
    "allow_short": Case(
        {},
        "quantity",
        -9.99,
        -10.0,
        -10.01,
        "the position after the fill, -0.01, is below 0, and limits.allow_short is false",
        {"held": 10.0},
    ),
    "allow_short, open orders counted": Case(
        {},
        "open_quantity",
        -4.99,
        -5.0,
        -5.01,
        "the position after the fill, -0.01, is below 0, and limits.allow_short is false",
        {"held": 10.0, "quantity": -5.0},
    ),
    "max_volume_share": Case(
        {"max_volume_share": 0.01},
        "average_volume",
        1001.0,
        1000.0,
        999.0,
        "the order's quantity, 1.001% of the average volume of 20 sessions, is above limits.max_volume_share 1.000%",
    ),
    "price_collar": Case(
        {"price_collar": 0.05},
        "price",
        104.99,
        105.0,
        105.01,
        "the price 105.01 is 5.010% from the last close 100, above limits.price_collar 5.000%",
    ),
    "price_collar, below the close": Case(
        {"price_collar": 0.05},
        "price",
        95.01,
        95.0,
        94.99,
        "the price 94.99 is 5.010% from the last close 100, above limits.price_collar 5.000%",
    ),
    "max_buying_power_share": Case(
        {},
        "buying_power",
        1001.0,
        1000.0,
        999.0,
        "the order's value 1,000.00 is above 999.00, limits.max_buying_power_share 100.0% of the buying power",
    ),
    "max_buying_power_share, half of it": Case(
        {"max_buying_power_share": 0.5},
        "buying_power",
        2001.0,
        2000.0,
        1999.0,
        "the order's value 1,000.00 is above 999.50, limits.max_buying_power_share 50.0% of the buying power",
    ),
    "one order a side": Case({}, "same_orders", 0, 0, 1, "1 on the same side was sent for this open already, allowed: 0"),
    "max_orders_per_instrument": Case(
        {"max_orders_per_instrument": 2},
        "instrument_orders",
        0,
        1,
        2,
        "2 of its orders were sent for this open, one more is above limits.max_orders_per_instrument 2",
    ),
    "max_orders_per_day": Case(
        {"max_orders_per_day": 5},
        "account_orders",
        3,
        4,
        5,
        "5 orders of the account were sent for this open, one more is above limits.max_orders_per_day 5",
    ),
    "max_data_age_h": Case(
        {"max_data_age_h": 24}, "data_age_h", 23.9, 24.0, 24.1, "the last bar is 24.1 hours old, above limits.max_data_age_h 24.0"
    ),
}

NOT_NUMBERS: list[Any] = [math.nan, math.inf, -math.inf, -0.0, "5", "", None, True, False, Decimal("NaN"), Decimal("sNaN")]
NOT_NUMBERS += [Decimal("Infinity"), Decimal("-0")]
NOT_ALLOWED = {name: [-1.0] for name, rule in NUMBERS.items() if "above 0" in rule or "or more" in rule}
NOT_ALLOWED |= {"quantity": [0.0], "price": [-1.0, 0.0], "close": [-1.0, 0.0], "average_volume": [-1.0, 0.0]}


def found(varied: Mapping[str, Any], changed: Mapping[str, Any] = {}) -> tuple[str, ...]:
    """What is breached by the request and book of above with these values, under the widest limits with these changed."""
    asked = replace(BUY, **{name: value for name, value in varied.items() if hasattr(BUY, name)})
    book = replace(BOOK, **{name: value for name, value in varied.items() if not hasattr(BUY, name)})
    return breaches(asked, book, Limits.model_validate(WIDE | dict(changed)))


def answers(case: Case, value: Any) -> tuple[str, ...]:
    return found({**case.beside, case.varied: value}, case.limits)


def is_kept(case: Case) -> bool:
    said = f"{case.above if case.varied == 'instrument' else 'SPY'}: {case.sentence}"
    return (answers(case, case.below), answers(case, case.at), answers(case, case.above)) == ((), (), (said,))


def is_refused(name: str, value: Any) -> bool:
    """Whether a value breaches, by the one sentence that names it; a crash is no refusal."""
    try:
        return found({name: value}) == (f"SPY: {name} was {value!r}, allowed: {NUMBERS[name]}",)
    except (TypeError, ValueError, ArithmeticError, KeyError):
        return False


@pytest.mark.parametrize("name", CASES)
def test_each_limit_may_be_reached_and_not_passed(name: str) -> None:
    assert is_kept(CASES[name])


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("value", NOT_NUMBERS, ids=repr)
def test_what_is_no_number_breaches_even_the_widest_limit(name: str, value: Any) -> None:
    assert is_refused(name, value)


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in NOT_ALLOWED.items() for value in values])
def test_a_number_out_of_its_range_breaches(name: str, value: float) -> None:
    assert is_refused(name, value)


@pytest.mark.parametrize("removed", CHECKS)
def test_without_any_one_check_a_case_fails(removed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(room, "CHECKS", {name: check for name, check in CHECKS.items() if name != removed})
    assert {name.partition(",")[0] for name, case in CASES.items() if not is_kept(case)} == {removed}


@pytest.mark.parametrize("removed", NUMBERS)
def test_without_any_one_number_checked_a_case_fails(removed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    left = {name: rule for name, rule in NUMBERS.items() if name != removed}
    monkeypatch.setattr(room, "NUMBERS", left)
    monkeypatch.setitem(globals(), "NUMBERS", NUMBERS)
    assert [name for name in NUMBERS if not all(is_refused(name, value) for value in NOT_NUMBERS)] == [removed]


def test_every_check_has_its_cases_and_is_a_key_of_the_file_but_for_two() -> None:
    assert {name.partition(",")[0] for name in CASES} == set(CHECKS)
    of_the_book = {"max_daily_loss", "max_drawdown", "max_losing_sessions", "end_date"}
    assert set(Limits.model_fields) - of_the_book == set(CHECKS) - {"instruments", "one order a side"}


def test_decimals_and_floats_are_held_against_the_same_limits() -> None:
    exact = {"quantity": Decimal("10"), "price": Decimal("100"), "held": Decimal(0), "equity": Decimal("1000")}
    assert found(exact, {"max_order_share": 1.0}) == ()
    assert len(found({**exact, "quantity": Decimal("10.01")}, {"max_order_share": 1.0})) == 1


def test_order_that_reduces_a_position_passes_although_the_rest_is_above_its_share() -> None:
    tight = {"max_position_share": 0.5, "max_order_share": 0.001}
    assert found({"quantity": -1.0, "held": 80.0, "equity": 10_000.0}, tight) == ()
    assert len(found({"quantity": 1.0, "held": 80.0, "equity": 10_000.0}, tight)) == 2


@pytest.mark.parametrize("equity", [0.0, -1.0])
def test_any_new_position_breaches_where_there_is_no_equity(equity: float) -> None:
    assert any("limits.max_position_share" in sentence for sentence in found({"equity": equity}))


def test_every_breach_of_a_request_is_named() -> None:
    tight = {"max_order_quantity": 1, "max_order_notional": 1.0, "max_orders_per_day": 1}
    assert len(found({"account_orders": 1}, tight)) == 3


@pytest.mark.parametrize(
    ("quantity", "held", "open_quantity", "expected"),
    [
        (-10, 10, 0, True),
        (-10.01, 10, 0, False),
        (-5, 10, -5, True),
        (-5.01, 10, -5, False),
        (10, -10, 0, True),
        (10, 10, 0, False),
        (-1, 0, 0, False),
        (-1, -5, 0, False),
    ],
)
def test_order_reduces_when_it_brings_the_position_nearer_to_zero_and_not_beyond(
    quantity: float, held: float, open_quantity: float, expected: bool
) -> None:
    assert reduces(quantity, held, open_quantity) is expected


@pytest.mark.parametrize("key", sorted(set(Limits.model_fields) - {"allow_short", "end_date"}))
@pytest.mark.parametrize("value", [math.nan, math.inf, -0.0, 0, -1, "5", True], ids=repr)
def test_a_limit_that_is_no_positive_number_is_refused_with_the_file(key: str, value: Any) -> None:
    with pytest.raises(ValidationError):
        Limits.model_validate({"max_order_notional": 1.0, key: value})


@pytest.mark.parametrize("value", [0, 20181231, True, 1.5, "tomorrow"], ids=repr)
def test_an_end_date_that_is_no_date_is_refused_with_the_file(value: Any) -> None:
    with pytest.raises(ValidationError):
        Limits.model_validate({"max_order_notional": 1.0, "end_date": value})


NARROW = {"max_order_quantity": 5, "max_order_notional": 500.0, "max_volume_share": 1e-9, "max_data_age_h": 1.0}


@pytest.mark.parametrize(
    ("quantity", "held", "flattens", "kept"),
    [
        (-10.0, 10.0, True, []),
        (-10.0, 10.0, False, ["max_order_quantity", "max_order_notional", "max_volume_share"]),
        (-10.0, 9.0, True, ["max_order_quantity", "max_order_notional", "allow_short", "max_volume_share"]),
        (10.0, 10.0, True, ["max_order_quantity", "max_order_notional", "max_volume_share"]),
    ],
)
def test_a_flatten_lifts_what_limits_a_size_for_what_closes_and_nothing_else(
    quantity: float, held: float, flattens: bool, kept: list[str]
) -> None:
    asked, book = replace(BUY, quantity=quantity), replace(BOOK, held=held, data_age_h=2.0)
    limits = Limits.model_validate(WIDE | NARROW | {"allow_short": False})
    said = breaches(asked, book, limits, flattens)
    assert [name for name in [*kept, "max_data_age_h"] if not any(name in sentence for sentence in said)] == []
    assert len(said) == len(kept) + 1
