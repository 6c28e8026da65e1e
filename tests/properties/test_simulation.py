"""What is true of every open, whatever the orders, the prices, the cash and the costs."""

from decimal import Decimal
from random import Random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from nightdesk.portfolio.simulate import OpenFills, open_fills
from schemas.money import decimal
from schemas.trading import Costs

COSTS = st.builds(
    Costs,
    commission_bps=st.sampled_from([0.0, 1.0, 12.5, 1000.0]),
    commission_per_share=st.sampled_from([0.0, 0.005, 1.0]),
    commission_min=st.sampled_from([0.0, 1.0, 25.0]),
    commission_per_order=st.sampled_from([0.0, 1.5]),
    commission_max=st.sampled_from([None, 25.0, 100.0]),
    slippage_bps=st.sampled_from([0.0, 1.0, 33.3, 1000.0]),
)
VOLUME_COSTS = st.builds(
    Costs,
    commission_bps=st.sampled_from([0.0, 12.5]),
    commission_max=st.sampled_from([None, 3.0]),
    max_bar_volume_share=st.sampled_from([None, 0.025, 1.0]),
    price_impact=st.sampled_from([0.0, 0.1, 0.5]),
)
INCREMENTS = st.sampled_from([1e-9, 1e-6, 0.001, 0.25, 1.0, 100.0])
PRICES = st.floats(0.01, 5000.0) | st.just(float("nan"))
CASH = st.just(0.0) | st.floats(0.0, 1e7).map(lambda value: round(value, 9))
STEPS = st.lists(st.integers(-3, 3) | st.integers(-(10**7), 10**7), min_size=1, max_size=5)


@st.composite
def opens(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, float, Costs, float]:
    """Orders in whole increments, their opens, cash, costs and the increment."""
    increment = draw(INCREMENTS)
    steps = draw(STEPS)
    prices = draw(st.lists(PRICES, min_size=len(steps), max_size=len(steps)))
    orders = np.round(np.array(steps, dtype=float) * increment, 9)
    return orders, np.array(prices), draw(CASH), draw(COSTS), increment


def ledger_cash(fills: OpenFills, cash: float) -> Decimal:
    """Cash as the ledger will have it: each fill's decimals, not the kernel's floats."""
    left = decimal(cash)
    for quantity, price, commission in zip(fills.quantities, fills.prices, fills.commissions, strict=True):
        left += decimal(-decimal(quantity) * decimal(price)) - decimal(commission)
    return left


@settings(max_examples=60, deadline=None)
@given(opens())
def test_cash_never_ends_below_zero_to_the_last_decimal(case: tuple[np.ndarray, np.ndarray, float, Costs, float]) -> None:
    assert ledger_cash(open_fills(*case), case[2]) >= 0


@settings(max_examples=60, deadline=None)
@given(opens())
def test_fills_never_exceed_or_turn_their_orders_and_sells_fill_whole(
    case: tuple[np.ndarray, np.ndarray, float, Costs, float],
) -> None:
    orders, prices, *_ = case
    filled = open_fills(*case).quantities
    assert (filled * orders >= 0).all()
    assert (np.abs(filled) <= np.abs(orders)).all()
    sold = (orders < 0) & ~np.isnan(prices)
    np.testing.assert_array_equal(filled[sold], orders[sold])
    assert (filled[np.isnan(prices)] == 0).all()


@settings(max_examples=60, deadline=None)
@given(opens())
def test_clipped_buys_are_whole_increments(case: tuple[np.ndarray, np.ndarray, float, Costs, float]) -> None:
    increment = case[4]
    steps = open_fills(*case).quantities / increment
    np.testing.assert_allclose(steps, np.round(steps), rtol=1e-9, atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(opens())
def test_prices_are_never_better_than_the_open_and_costs_never_negative(
    case: tuple[np.ndarray, np.ndarray, float, Costs, float],
) -> None:
    _, prices, _, costs, _ = case
    fills = open_fills(*case)
    known = ~np.isnan(prices)
    worse = (fills.prices - prices)[known] * np.sign(fills.quantities[known])
    assert (worse >= -1e-9).all()
    assert (worse <= prices[known] * costs.slippage_bps / 1e4 + 1e-9).all()
    assert (fills.commissions >= 0).all() and (fills.slippages >= 0).all()
    assert (fills.commissions[fills.quantities == 0] == 0).all()
    assert not np.isnan(np.concatenate([fills.prices, fills.commissions, fills.slippages])).any()


@settings(max_examples=60, deadline=None)
@given(opens(), st.randoms(use_true_random=False))
def test_the_order_of_the_orders_does_not_matter(
    case: tuple[np.ndarray, np.ndarray, float, Costs, float], shuffler: Random
) -> None:
    orders, prices, cash, costs, increment = case
    places = list(range(len(orders)))
    shuffler.shuffle(places)
    straight = open_fills(*case).quantities
    shuffled = open_fills(orders[places], prices[places], cash, costs, increment).quantities
    np.testing.assert_allclose(shuffled, straight[places], rtol=0, atol=increment * 1.0001)


@settings(max_examples=60, deadline=None)
@given(opens())
def test_enough_cash_fills_every_order_that_has_an_open(case: tuple[np.ndarray, np.ndarray, float, Costs, float]) -> None:
    orders, prices, _, costs, increment = case
    rich = open_fills(orders, prices, 1e15, costs, increment)
    np.testing.assert_array_equal(rich.quantities, np.where(np.isnan(prices), 0.0, orders))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 10**5), st.floats(0.01, 5000.0), CASH, COSTS)
def test_a_single_clipped_buy_leaves_less_than_one_more_share_would_cost(
    shares: int, price: float, cash: float, costs: Costs
) -> None:
    fills = open_fills(np.array([float(shares)]), np.array([price]), cash, costs, 1.0)
    got = float(fills.quantities[0])
    if got == shares:
        return
    at = price * (1 + costs.slippage_bps / 1e4)
    variable = (got + 1) * (at * costs.commission_bps / 1e4 + costs.commission_per_share)
    charged = variable + costs.commission_min + costs.commission_per_order
    one_more = (got + 1) * at + (charged if costs.commission_max is None else min(charged, costs.commission_max))
    assert one_more > cash - 1e-6 - 1e-11 * cash


@settings(max_examples=60, deadline=None)
@given(opens(), VOLUME_COSTS, st.integers(0, 2**32))
def test_no_fill_takes_more_than_its_share_of_the_volume_and_none_takes_cash_below_zero(
    case: tuple[np.ndarray, np.ndarray, float, Costs, float], costs: Costs, seed: int
) -> None:
    orders, prices, cash, _, increment = case
    volumes = np.random.default_rng(seed).lognormal(5, 3, len(orders))
    fills = open_fills(orders, prices, cash, costs, increment, volumes)
    assert ledger_cash(fills, cash) >= 0
    most = np.inf if costs.max_bar_volume_share is None else costs.max_bar_volume_share
    assert (np.abs(fills.quantities) <= most * volumes * (1 + 1e-9) + 1e-9 * increment).all()
    assert (fills.quantities * orders >= 0).all() and (np.abs(fills.quantities) <= np.abs(orders)).all()
