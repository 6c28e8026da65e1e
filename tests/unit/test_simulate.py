"""The simulation kernel against fills that were worked out by hand."""

import math

import numpy as np
import pytest

from nightdesk.portfolio.simulate import OpenFills, open_fills
from schemas.trading import Costs

FREE = Costs(commission_bps=0, commission_per_share=0, commission_min=0, slippage_bps=0)
NAN = math.nan


def filled(
    orders: list[float],
    opens: list[float],
    cash: float = 1e9,
    costs: Costs = FREE,
    increment: float = 1.0,
    volumes: list[float] | None = None,
) -> OpenFills:
    return open_fills(np.array(orders), np.array(opens), cash, costs, increment, None if volumes is None else np.array(volumes))


def cash_after(fills: OpenFills, cash: float) -> float:
    return float(cash - (fills.quantities * fills.prices).sum() - fills.commissions.sum())


def test_without_costs_an_order_fills_whole_at_the_open() -> None:
    fills = filled([10, -5], [100.0, 20.0])
    assert fills.quantities.tolist() == [10.0, -5.0]
    assert fills.prices.tolist() == [100.0, 20.0]
    assert fills.commissions.tolist() == [0.0, 0.0]
    assert fills.slippages.tolist() == [0.0, 0.0]


def test_slippage_is_against_the_order_on_both_sides() -> None:
    # 10 basis points of 200 are 0.20 a share, both ways
    fills = filled([30, -30], [200.0, 200.0], costs=FREE.model_copy(update={"slippage_bps": 10.0}))
    np.testing.assert_allclose(fills.prices, [200.2, 199.8], rtol=1e-12)
    np.testing.assert_allclose(fills.slippages, [6.0, 6.0], rtol=1e-9)


def test_commission_in_basis_points_is_of_the_traded_value() -> None:
    # 50 shares at 200: 5 basis points of 10,000 are 5
    fills = filled([50, -50], [200.0, 200.0], costs=FREE.model_copy(update={"commission_bps": 5.0}))
    np.testing.assert_allclose(fills.commissions, [5.0, 5.0], rtol=1e-12)


def test_commission_in_basis_points_is_of_the_value_with_slippage() -> None:
    costs = Costs(commission_bps=100, commission_per_share=0, commission_min=0, slippage_bps=100)
    # 10 at 100 with 1 % slippage: 1,010 and 990, of which 1 %
    np.testing.assert_allclose(filled([10, -10], [100.0, 100.0], costs=costs).commissions, [10.10, 9.90], rtol=1e-12)


def test_commission_a_share_adds_to_basis_points() -> None:
    costs = Costs(commission_bps=5, commission_per_share=0.01, commission_min=0, slippage_bps=0)
    np.testing.assert_allclose(filled([50], [200.0], costs=costs).commissions, [5.5], rtol=1e-12)


@pytest.mark.parametrize(("shares", "expected"), [(1.0, 1.0), (100.0, 1.0), (101.0, 1.01), (0.0, 0.0)])
def test_minimum_commission_is_for_each_order_that_fills(shares: float, expected: float) -> None:
    costs = Costs(commission_bps=0, commission_per_share=0.01, commission_min=1, slippage_bps=0)
    np.testing.assert_allclose(filled([shares], [200.0], costs=costs).commissions, [expected], rtol=1e-12)


def test_no_open_no_fill_and_no_cost() -> None:
    costs = Costs(commission_bps=1, commission_per_share=1, commission_min=5, slippage_bps=1)
    fills = filled([10, -10, 3], [NAN, NAN, 50.0], costs=costs)
    assert fills.quantities.tolist() == [0.0, 0.0, 3.0]
    assert fills.commissions.tolist()[:2] == [0.0, 0.0]
    assert fills.slippages.tolist()[:2] == [0.0, 0.0]


def test_a_buy_without_an_open_leaves_its_cash_to_the_others() -> None:
    assert filled([10, 10], [NAN, 100.0], cash=1000.0).quantities.tolist() == [0.0, 10.0]


def test_sells_fund_buys_of_the_same_open() -> None:
    fills = filled([-10, 20], [100.0, 50.0], cash=0.0)
    assert fills.quantities.tolist() == [-10.0, 20.0]
    assert cash_after(fills, 0.0) == 0.0


def test_sells_are_never_clipped_by_cash() -> None:
    assert filled([-10, 100], [100.0, 100.0], cash=50.0).quantities.tolist() == [-10.0, 10.0]


def test_exactly_the_cash_there_is_fills_whole() -> None:
    assert filled([10], [100.0], cash=1000.0).quantities.tolist() == [10.0]


def test_a_buy_is_clipped_to_whole_increments_of_what_cash_buys() -> None:
    assert filled([10], [100.0], cash=999.99).quantities.tolist() == [9.0]
    assert filled([10], [100.0], cash=99.0).quantities.tolist() == [0.0]
    assert filled([10], [100.0], cash=0.0).quantities.tolist() == [0.0]


def test_a_buy_is_clipped_to_what_cash_buys_with_its_costs() -> None:
    costs = Costs(commission_bps=100, commission_per_share=0, commission_min=0, slippage_bps=0)
    # ten shares cost 1,010 with 1 % commission; 1,009 buys nine (909)
    fills = filled([10], [100.0], cash=1009.0, costs=costs)
    assert fills.quantities.tolist() == [9.0]
    np.testing.assert_allclose(fills.commissions, [9.0], rtol=1e-12)


def test_a_fractional_buy_is_clipped_to_its_increment() -> None:
    assert filled([10], [100.0], cash=999.99, increment=0.01).quantities.tolist() == [9.99]
    assert filled([0.5], [100.0], cash=33.33, increment=0.1).quantities.tolist() == [0.3]


def test_several_buys_are_clipped_by_one_factor_and_keep_their_proportion() -> None:
    fills = filled([20, 10], [100.0, 100.0], cash=1560.0)  # a factor of 0.52: 10.4 and 5.2
    assert fills.quantities.tolist() == [10.0, 5.0]


def test_minimum_commissions_are_kept_back_before_buys_are_clipped() -> None:
    costs = Costs(commission_bps=0, commission_per_share=0, commission_min=5, slippage_bps=0)
    fills = filled([10, 10], [100.0, 100.0], cash=1250.0, costs=costs)  # 1,240 after two minimums: six each
    assert fills.quantities.tolist() == [6.0, 6.0]
    assert fills.commissions.tolist() == [5.0, 5.0]


def test_a_clipped_buy_of_nothing_pays_nothing() -> None:
    costs = Costs(commission_bps=1, commission_per_share=0, commission_min=5, slippage_bps=1)
    fills = filled([10], [100.0], cash=50.0, costs=costs)
    assert (fills.quantities[0], fills.commissions[0], fills.slippages[0]) == (0.0, 0.0, 0.0)


def test_a_sale_that_brings_less_than_its_commission_does_not_take_cash_below_zero() -> None:
    costs = Costs(commission_bps=0, commission_per_share=0, commission_min=5, slippage_bps=0)
    fills = filled([-1], [2.0], cash=0.0, costs=costs)
    assert fills.quantities.tolist() == [-1.0]
    assert cash_after(fills, 0.0) >= 0.0


def test_no_cash_and_the_smallest_of_increments_buys_nothing_and_sells_nothing() -> None:
    assert filled([1.0], [100.0], cash=0.0, increment=1e-9).quantities.tolist() == [0.0]


def test_no_orders_are_no_fills() -> None:
    assert filled([], []).quantities.tolist() == []
    assert filled([0.0], [10.0], cash=0.0).quantities.tolist() == [0.0]


def test_commission_of_an_order_is_charged_whatever_its_size() -> None:
    costs = FREE.model_copy(update={"commission_per_order": 2.5, "commission_bps": 5.0})
    np.testing.assert_allclose(filled([50, 1, 0], [200.0, 200.0, 200.0], costs=costs).commissions, [7.5, 2.6, 0.0], rtol=1e-12)


@pytest.mark.parametrize(("shares", "expected"), [(1.0, 1.0), (500.0, 5.0), (2000.0, 8.0), (-2000.0, 8.0)])
def test_commission_lies_between_its_least_and_its_most(shares: float, expected: float) -> None:
    costs = Costs(commission_bps=0, commission_per_share=0.01, commission_min=1, commission_max=8, slippage_bps=0)
    np.testing.assert_allclose(filled([shares], [20.0], costs=costs).commissions, [expected], rtol=1e-12)


def test_a_clipped_buy_keeps_back_no_more_than_its_capped_commission() -> None:
    costs = Costs(commission_bps=1000, commission_per_share=0, commission_min=0, commission_max=5, slippage_bps=0)
    fills = filled([20], [100.0], cash=1005.0, costs=costs)  # ten shares and 5; without the cap it would be nine
    assert fills.quantities.tolist() == [9.0]  # a share of 10 and a hair below it: the kernel keeps rounding back
    assert filled([20], [100.0], cash=1005.01, costs=costs).quantities.tolist() == [10.0]


def test_an_order_gets_no_more_than_its_share_of_the_volume() -> None:
    costs = FREE.model_copy(update={"max_bar_volume_share": 0.025})
    fills = filled([100, -100, 100, 100], [50.0] * 4, costs=costs, volumes=[2050.0, 2050.0, 4000.0, NAN])
    assert fills.quantities.tolist() == [51.0, -51.0, 100.0, 0.0]
    assert fills.offered.tolist() == [51.0, -51.0, 100.0, 0.0]


def test_what_volume_kept_back_leaves_its_cash_to_the_other_buys() -> None:
    costs = FREE.model_copy(update={"max_bar_volume_share": 0.1})
    assert filled([10, 10], [100.0, 100.0], 1200.0, costs, volumes=[20.0, 1000.0]).quantities.tolist() == [2.0, 10.0]


def test_price_impact_is_the_square_of_the_share_of_the_volume() -> None:
    # zipline, VolumeShareSlippage: price + (volume share) ** 2 * 0.1 * price against the order, here 0.05 ** 2 * 0.1 = 0.00025
    costs = FREE.model_copy(update={"price_impact": 0.1})
    fills = filled([50, -50], [200.0, 200.0], costs=costs, volumes=[1000.0, 1000.0])
    np.testing.assert_allclose(fills.prices, [200.05, 199.95], rtol=1e-12)
    np.testing.assert_allclose(fills.slippages, [2.5, 2.5], rtol=1e-9)


def test_price_impact_without_a_known_volume_is_that_of_all_of_it() -> None:
    costs = FREE.model_copy(update={"price_impact": 0.1})
    assert filled([50], [200.0], costs=costs).prices.tolist() == [220.0]


def test_a_commission_cap_below_the_minimum_is_refused() -> None:
    with pytest.raises(ValueError, match="commission_min or more"):
        Costs(commission_min=5, commission_max=4)
