"""Weights to quantities: known answers."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightdesk.portfolio.sizing import floored, invested_weights, target_quantities
from schemas.trading import Sizing

WHOLE = Sizing(buffer=0.02, rebalance_band=0.05, increment=1)


@pytest.mark.parametrize(
    ("quantity", "increment", "expected"),
    [
        (10.0, 1.0, 10.0),
        (10.9, 1.0, 10.0),
        (0.999999, 1.0, 0.0),
        (-10.9, 1.0, -10.0),
        (10.99999999995, 1.0, 11.0),
        (0.3, 0.1, 0.3),
        (0.35, 0.1, 0.3),
        (1.23456, 0.001, 1.234),
        (157.0, 10.0, 150.0),
        (0.0, 1.0, 0.0),
        (290_805.437, 0.001, 290_805.437),
    ],
)
def test_quantities_are_cut_towards_zero_to_whole_increments(quantity: float, increment: float, expected: float) -> None:
    assert floored(np.array([quantity]), increment)[0] == expected


def test_no_quantity_is_minus_zero() -> None:
    assert not np.signbit(floored(np.array([-0.4, -0.0]), 1.0)).any()


@settings(max_examples=60, deadline=None)
@given(
    quantity=st.floats(-1e6, 1e6, allow_nan=False),
    increment=st.sampled_from([1e-6, 1e-3, 0.01, 0.1, 0.25, 1.0, 10.0, 100.0]),
)
def test_a_floored_quantity_is_nearer_to_zero_by_less_than_one_increment(quantity: float, increment: float) -> None:
    kept = float(floored(np.array([quantity]), increment)[0])
    assert abs(kept) <= abs(quantity) + 1e-9 * increment + 1e-9
    assert abs(quantity) - abs(kept) < increment
    assert kept * quantity >= 0
    assert floored(np.array([kept]), increment)[0] == kept


def test_weights_within_the_buffer_are_left_alone() -> None:
    np.testing.assert_array_equal(invested_weights(np.array([0.5, 0.48]), 0.02), [0.5, 0.48])


def test_weights_above_the_buffer_shrink_together() -> None:
    np.testing.assert_allclose(invested_weights(np.array([1.0, 1.0]), 0.02), [0.49, 0.49], rtol=1e-15)
    np.testing.assert_allclose(invested_weights(np.array([0.75, -0.75]), 0.1), [0.45, -0.45], rtol=1e-15)


def test_a_weight_that_is_not_known_takes_nothing_from_the_others() -> None:
    np.testing.assert_array_equal(invested_weights(np.array([0.5, np.nan]), 0.02), [0.5, np.nan])
    np.testing.assert_array_equal(invested_weights(np.array([np.nan]), 0.02), [np.nan])


def test_no_weight_at_all_is_nothing_to_divide_by() -> None:
    np.testing.assert_array_equal(invested_weights(np.zeros(2), 0.02), [0.0, 0.0])


def test_full_weight_holds_all_but_the_buffer() -> None:
    # 0.98 x 100,000 / 2,790.37 = 35.12
    assert target_quantities(np.array([1.0]), 100_000.0, np.array([2790.37]), WHOLE).tolist() == [35.0]


def test_without_a_buffer_exactly_all_is_held() -> None:
    sizing = Sizing(buffer=0, rebalance_band=0, increment=1)
    assert target_quantities(np.array([1.0]), 1000.0, np.array([100.0]), sizing).tolist() == [10.0]


def test_a_fraction_of_a_share_is_held_where_the_increment_allows() -> None:
    sizing = Sizing(buffer=0.02, rebalance_band=0.05, increment=0.001)
    assert target_quantities(np.array([0.5]), 1000.0, np.array([333.0]), sizing).tolist() == [1.501]


def test_no_price_or_no_weight_gives_no_target_and_weight_zero_gives_zero() -> None:
    weights, closes = np.array([0.3, np.nan, 0.0, 0.3]), np.array([np.nan, 10.0, 10.0, 10.0])
    np.testing.assert_array_equal(target_quantities(weights, 1000.0, closes, WHOLE), [np.nan, np.nan, 0.0, 30.0])
