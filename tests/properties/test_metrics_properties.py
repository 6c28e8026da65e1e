"""What holds for every record of returns."""

import numpy as np
import pandas as pd
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from nightdesk.performance import metrics
from nightdesk.performance.benchmark import buy_and_hold
from schemas.equity import Equity

RETURNS = hnp.arrays(float, st.integers(2, 40), elements=st.floats(-0.3, 0.3).map(lambda value: round(value, 4)))
PRICES = hnp.arrays(float, st.tuples(st.integers(3, 12), st.integers(1, 4)), elements=st.floats(1, 1000))
quick = settings(max_examples=60, deadline=None)


def wealth_of(returns):
    return np.concatenate([[1.0], np.cumprod(1 + returns)])


@quick
@given(RETURNS)
def test_maximum_drawdown_is_the_worst_fall_between_any_two_closes(returns):
    wealth = wealth_of(returns)
    later, earlier = np.tril_indices(len(wealth))
    assert np.isclose(metrics.max_drawdown(returns), np.min(wealth[later] / wealth[earlier]) - 1, rtol=1e-12, atol=1e-12)


@quick
@given(RETURNS)
def test_drawdown_length_is_the_longest_wait_for_an_earlier_value(returns):
    wealth = wealth_of(returns)
    waits = [0]
    for start, value in enumerate(wealth[:-1]):
        if wealth[start + 1] >= value * (1 - 1e-12):
            continue
        back = [step for step, later in enumerate(wealth[start:]) if step and later >= value * (1 - 1e-12)]
        waits.append(back[0] if back else len(wealth) - 1 - start)
    assert metrics.max_drawdown_sessions(returns) == max(waits)


@quick
@given(RETURNS, st.data())
def test_a_longer_record_never_has_a_shallower_drawdown(returns, data):
    count = data.draw(st.integers(1, len(returns)))
    assert metrics.max_drawdown(returns) <= metrics.max_drawdown(returns[:count])


@quick
@given(RETURNS.map(np.abs))
def test_a_book_that_never_loses_has_no_drawdown(gains):
    assert metrics.max_drawdown(gains) == 0 and metrics.max_drawdown_sessions(gains) == 0


@quick
@given(RETURNS, st.floats(0.1, 3))
def test_leverage_scales_volatility_and_leaves_sharpe_and_sortino(returns, factor):
    assume(np.ptp(returns) > 0 and returns.min() < 0)
    assert np.isclose(metrics.annual_volatility(factor * returns), factor * metrics.annual_volatility(returns))
    assert np.isclose(metrics.sharpe(factor * returns), metrics.sharpe(returns), atol=1e-9)
    assert np.isclose(metrics.sortino(factor * returns), metrics.sortino(returns), atol=1e-9)


@quick
@given(RETURNS, st.randoms(use_true_random=False))
def test_the_order_of_sessions_matters_to_drawdowns_only(returns, random):
    shuffled = returns.copy()
    random.shuffle(shuffled)
    for metric in (metrics.total_return, metrics.annual_volatility, metrics.sharpe, metrics.sortino, metrics.profit_factor):
        assert np.isclose(metric(shuffled), metric(returns), rtol=1e-6, atol=1e-9, equal_nan=True)


@quick
@given(RETURNS)
def test_the_other_side_of_the_trade_has_the_inverse_hit_rate_and_profit_factor(returns):
    assume((returns > 0).any() and (returns < 0).any())
    assert np.isclose(metrics.hit_rate(returns) + metrics.hit_rate(-returns), 1)
    assert np.isclose(metrics.profit_factor(returns) * metrics.profit_factor(-returns), 1)


@quick
@given(RETURNS, st.floats(-3, 3), st.floats(-0.001, 0.001))
def test_a_book_on_a_line_of_the_benchmark_has_its_slope_and_intercept(market, slope, intercept):
    assume(np.ptp(market) > 1e-3)
    own = intercept + slope * market
    assert np.isclose(metrics.beta(own, market), slope, atol=1e-9)
    assert np.isclose(metrics.alpha(own, market), (1 + intercept) ** 252 - 1, atol=1e-6)


@quick
@given(RETURNS, st.data())
def test_deposits_and_withdrawals_do_not_change_returns(returns, data):
    shares = data.draw(hnp.arrays(float, len(returns), elements=st.floats(-0.5, 2)))
    equity, flow = [1000.0], [1000.0]
    for gain, share in zip(returns, shares, strict=True):
        flow.append(equity[-1] * share)
        equity.append((equity[-1] + flow[-1]) * (1 + gain))
    frame = pd.DataFrame(
        {Equity.session: pd.bdate_range("2018-01-02", periods=len(equity)), Equity.equity: equity, Equity.flow: flow}
    )
    assert np.allclose(metrics.session_returns(frame), returns, atol=1e-9)


@quick
@given(PRICES, st.data())
def test_later_prices_do_not_change_an_earlier_benchmark(prices, data):
    count = data.draw(st.integers(2, len(prices)))
    whole, known = pd.DataFrame(prices), pd.DataFrame(prices[:count])
    pd.testing.assert_series_equal(buy_and_hold(whole, whole, 1000, 2).iloc[:count], buy_and_hold(known, known, 1000, 2))


@quick
@given(PRICES, st.floats(0.01, 100))
def test_the_unit_of_prices_does_not_matter_to_the_benchmark(prices, factor):
    frame = pd.DataFrame(prices)
    assert np.allclose(buy_and_hold(factor * frame, factor * frame, 1000, 2), buy_and_hold(frame, frame, 1000, 2))
