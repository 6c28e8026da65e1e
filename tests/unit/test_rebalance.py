"""Targets less holdings: when an order goes out, and how large it is."""

import numpy as np
import pytest

from nightdesk.portfolio.rebalance import affordable, carried_weights, order_quantities

EQUITY, CLOSE, BAND = 10_000.0, 100.0, 0.05
NAN = float("nan")


def ordered(target: float, held: float, weight: float, previous: float, close: float = CLOSE) -> float:
    rows = (np.array([value]) for value in (target, held, weight, previous, close))
    return float(order_quantities(*rows, EQUITY, BAND)[0])


def test_first_decision_orders_the_difference() -> None:
    assert ordered(target=98.0, held=0.0, weight=1.0, previous=NAN) == 98.0


def test_changed_target_orders_however_small_the_drift() -> None:
    assert ordered(target=51.0, held=50.0, weight=0.51, previous=0.5) == 1.0
    assert ordered(target=49.0, held=50.0, weight=0.49, previous=0.5) == -1.0


@pytest.mark.parametrize(("held", "expected"), [(94.0, 0.0), (93.0, 0.0), (92.0, 6.0), (103.0, 0.0), (104.0, -6.0)])
def test_unchanged_target_orders_only_above_the_band(held: float, expected: float) -> None:
    # the band is 5 % of 10,000: five shares
    assert ordered(target=98.0, held=held, weight=1.0, previous=1.0) == expected


def test_target_of_zero_closes_all_whatever_the_band() -> None:
    assert ordered(target=0.0, held=1.0, weight=0.0, previous=0.0) == -1.0
    assert ordered(target=0.0, held=0.5, weight=0.0, previous=0.0) == -0.5


def test_nothing_held_and_nothing_wanted_is_no_order_and_not_minus_zero() -> None:
    quantity = ordered(target=0.0, held=0.0, weight=0.0, previous=1.0)
    assert quantity == 0.0
    assert not np.signbit(quantity)


def test_hold_orders_nothing_whatever_is_held() -> None:
    assert ordered(target=NAN, held=50.0, weight=NAN, previous=1.0) == 0.0
    assert ordered(target=NAN, held=50.0, weight=1.0, previous=1.0, close=NAN) == 0.0


def test_each_instrument_is_judged_by_itself() -> None:
    quantities = order_quantities(
        targets=np.array([98.0, NAN, 0.0, 10.0]),
        held=np.array([97.0, 5.0, 7.0, 4.0]),
        weights=np.array([1.0, NAN, 0.0, 0.1]),
        previous_weights=np.array([1.0, 1.0, 0.0, 0.1]),
        closes=np.array([100.0, 100.0, 100.0, 100.0]),
        equity=EQUITY,
        band=BAND,
    )
    assert quantities.tolist() == [0.0, 0.0, -7.0, 6.0]


def carried(weight: float, previous: float, target: float, held: float) -> float:
    return float(carried_weights(*(np.array([value]) for value in (weight, previous, target, held)))[0])


def test_an_instrument_that_held_is_compared_with_what_was_wanted_before_the_hold() -> None:
    assert carried(weight=0.5, previous=NAN, target=10.0, held=0.0) == 0.5
    assert carried(weight=NAN, previous=0.5, target=NAN, held=10.0) == 0.5
    assert carried(weight=0.0, previous=0.5, target=0.0, held=10.0) == 0.0
    assert np.isnan(carried(weight=NAN, previous=NAN, target=NAN, held=0.0))


def test_a_weight_that_no_close_could_size_is_not_taken_for_wanted() -> None:
    assert carried(weight=0.7, previous=0.5, target=NAN, held=10.0) == 0.5


def test_a_flip_closes_first_and_opens_the_other_side_by_the_next_decision_however_small() -> None:
    assert ordered(target=-3.0, held=50.0, weight=-0.03, previous=0.5) == -50.0
    wanted = carried(weight=-0.03, previous=0.5, target=-3.0, held=50.0)
    assert ordered(target=-3.0, held=0.0, weight=-0.03, previous=wanted) == -3.0
    assert ordered(target=3.0, held=-50.0, weight=0.03, previous=-0.5) == 50.0


CLOSES = np.array([100.0, 50.0, 20.0])


@pytest.mark.parametrize(
    ("quantities", "cash", "expected"),
    [
        ([10.0, 0.0, 0.0], 1000.0, [10.0, 0.0, 0.0]),  # just within
        ([10.0, 0.0, 0.0], 999.0, [9.0, 0.0, 0.0]),  # floored to whole shares
        ([10.0, 20.0, 0.0], 1000.0, [5.0, 10.0, 0.0]),  # both halved: 2,000 wanted
        ([10.0, 0.0, -50.0], 20.0, [10.0, 0.0, -50.0]),  # 0.98 x 1,000 from the sale, and 20
        ([10.0, 0.0, -50.0], 19.0, [9.0, 0.0, -50.0]),
        ([-3.0, -4.0, -5.0], 0.0, [-3.0, -4.0, -5.0]),  # sells need no cash
        ([1.0, 0.0, 0.0], -5.0, [0.0, 0.0, 0.0]),
    ],
)
def test_buys_are_scaled_down_together_until_they_fit_into_cash_and_proceeds(
    quantities: list[float], cash: float, expected: list[float]
) -> None:
    assert affordable(np.array(quantities), CLOSES, cash, 1.0).tolist() == expected


def test_a_symbol_without_a_close_neither_costs_nor_brings_anything() -> None:
    assert affordable(np.array([0.0, 4.0]), np.array([NAN, 50.0]), 200.0, 1.0).tolist() == [0.0, 4.0]
