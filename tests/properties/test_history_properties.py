"""The compiled simulation repeats the day's functions, whatever the market, the weights, the sizes and the costs."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightdesk.portfolio import history as history_at_once
from nightdesk.portfolio import loop
from nightdesk.portfolio.compiled import compiled_play
from nightdesk.portfolio.history import History, simulate
from schemas.trading import Costs, Sizing
from tests.day_by_day import Case, day_by_day

COSTS = st.builds(
    Costs,
    commission_bps=st.sampled_from([0.0, 1.0, 12.5, 1000.0]),
    commission_per_share=st.sampled_from([0.0, 0.005, 1.0]),
    commission_per_order=st.sampled_from([0.0, 1.5]),
    commission_min=st.sampled_from([0.0, 1.0, 25.0]),
    commission_max=st.sampled_from([None, 25.0, 40.0]),
    slippage_bps=st.sampled_from([0.0, 1.0, 33.3, 1000.0]),
    max_bar_volume_share=st.sampled_from([None, 0.001, 0.025, 1.0]),
    price_impact=st.sampled_from([0.0, 0.1, 0.5]),
)
SIZING = st.builds(
    Sizing,
    buffer=st.sampled_from([0.0, 0.02, 0.5]),
    rebalance_band=st.sampled_from([0.0, 0.01, 0.05, 1.0]),
    increment=st.sampled_from([1e-9, 1e-6, 0.001, 1.0, 100.0]),
)


@st.composite
def cases(draw: st.DrawFn, signs: tuple[float, ...] = (0.0, 0.3, 0.5, 1.0, -0.2, -0.6)) -> Case:
    """A market with late starts, early ends, gaps, splits and dividends, and weights that change, hold, close and flip."""
    noise = np.random.default_rng(draw(st.integers(0, 2**32)))
    sessions, symbols = draw(st.integers(1, 40)), draw(st.integers(1, 12))
    shape = (sessions, symbols)
    splits = np.where(noise.random(shape) < 0.03, noise.choice([2.0, 0.1, 1.5], shape), 1.0)
    dividends = np.where(noise.random(shape) < 0.05, noise.random(shape), 0.0)
    closes = (
        draw(st.sampled_from([2.0, 80.0, 3000.0])) * np.exp(np.cumsum(noise.normal(0, 0.03, shape), axis=0)) / splits.cumprod(0)
    )
    opens = closes * np.exp(noise.normal(0, 0.02, shape))
    day, start = np.arange(sessions)[:, None], noise.integers(-sessions, sessions, symbols)
    end = noise.integers(sessions // 2, 3 * sessions, symbols)
    absent = (day < start) | (day > end) | (noise.random(shape) < 0.05)
    no_open = absent | (noise.random(shape) < 0.02)
    weights = noise.choice(signs, shape) / symbols
    weights = np.where(noise.random(shape) < draw(st.sampled_from([0.0, 0.5, 0.95])), np.nan, weights)
    if draw(st.booleans()):
        weights = np.repeat(weights[::7], 7, axis=0)[:sessions]
    return Case(
        weights=weights,
        opens=np.where(no_open, np.nan, opens),
        closes=np.where(absent, np.nan, closes),
        sizing=draw(SIZING),
        costs=draw(COSTS),
        capital=draw(st.sampled_from([500.0, 100_000.0, 1e7])),
        dividends=np.where(absent, 0.0, dividends),
        splits=np.where(absent, 1.0, splits),
        volumes=np.where(absent, np.nan, np.round(noise.lognormal(9, 2, shape))),
        sized_at=draw(st.sampled_from(["close", "open"])),
    )


def simulated(case: Case) -> History:
    return simulate(**{name: getattr(case, name) for name in Case.__dataclass_fields__})


def orders_of(history: History) -> np.ndarray:
    columns = (history.decided, history.symbol, history.ordered, history.filled, history.price, history.commission)
    return np.column_stack([column.astype(float) for column in columns])


@settings(max_examples=200, deadline=None)
@given(cases())
def test_history_gives_the_quantities_of_the_day_to_the_last_bit_and_its_money_to_a_nano(case: Case) -> None:
    played, history = day_by_day(case), simulated(case)
    expected = np.array(played.orders).reshape(-1, 6)
    made = orders_of(history)
    made[made[:, 3] == 0, 4:] = 0.0  # what did not fill has no price
    np.testing.assert_array_equal(made[:, :4], expected[:, :4])
    np.testing.assert_array_equal(history.holdings, np.array(played.holdings))
    np.testing.assert_allclose(made[:, 4:], expected[:, 4:], rtol=0, atol=1e-9)
    np.testing.assert_allclose(history.cash, played.cash, rtol=1e-15, atol=1e-9)
    np.testing.assert_allclose(history.equity, played.equity, rtol=1e-15, atol=1e-9)


@settings(max_examples=40, deadline=None)
@given(cases())
def test_interpreted_and_compiled_give_the_same_bits(case: Case) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(history_at_once, "fastest_play", lambda cells: loop.play)
        interpreted = simulated(case)
        patch.setattr(history_at_once, "fastest_play", lambda cells: compiled_play())
        compiled = simulated(case)
    for name in ("equity", "cash", "invested", "holdings", "commissions", "slippages"):
        np.testing.assert_array_equal(getattr(interpreted, name), getattr(compiled, name))
    np.testing.assert_array_equal(orders_of(interpreted), orders_of(compiled))


@settings(max_examples=60, deadline=None)
@given(cases(signs=(0.0, 0.3, 1.0)))
def test_cash_never_closes_below_zero_and_no_position_is_short_unless_a_weight_is(case: Case) -> None:
    history = simulated(case)
    assert (history.cash >= 0).all()
    assert (history.holdings >= 0).all()


@settings(max_examples=60, deadline=None)
@given(cases())
def test_what_comes_after_a_session_changes_nothing_up_to_it(case: Case) -> None:
    half = max(1, len(case.weights) // 2)
    panels = ("weights", "opens", "closes", "dividends", "splits", "volumes")
    cut: Any = replace(case, **{name: getattr(case, name)[:half] for name in panels})
    whole, first = simulated(case), simulated(cut)
    np.testing.assert_array_equal(whole.equity[:half], first.equity)
    np.testing.assert_array_equal(whole.holdings[:half], first.holdings)
    early = whole.decided < half - (case.sized_at == "open")
    np.testing.assert_array_equal(whole.ordered[early], first.ordered)


@settings(max_examples=40, deadline=None)
@given(cases())
def test_equity_moves_by_prices_dividends_and_costs_alone(case: Case) -> None:
    history = simulated(replace(case, delisted_after_sessions=10**6))
    value = (history.holdings * _last(history, case)).sum(axis=1)
    np.testing.assert_allclose(history.cash + value, history.equity, rtol=1e-12, atol=1e-6)


def _last(history: History, case: Case) -> np.ndarray:
    """The last close at each session; before the first one, the open that was bought at."""
    last = np.zeros_like(case.closes)
    running = np.full(case.closes.shape[1], np.nan)
    for t in range(len(last)):
        running = np.where(np.isnan(case.closes[t]), np.where(np.isnan(running), case.opens[t], running), case.closes[t])
        last[t] = np.nan_to_num(running)
    return last
