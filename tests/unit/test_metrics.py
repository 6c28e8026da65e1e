"""Known answers: empyrical-reloaded (efe6066, tests/conftest.py and tests/test_stats.py, Apache-2), hand and scipy."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nightdesk.errors import BadData
from nightdesk.performance import metrics
from nightdesk.performance.benchmark import buy_and_hold
from nightdesk.performance.figure_words import LABELS, formatted
from schemas.equity import Equity
from schemas.fills import Fills

NAN, INF = math.nan, math.inf
MIXED = np.array([NAN, 1, 10, -4, 2, 3, 2, 1, -10]) / 100
NEGATIVE = np.array([0, -6, -7, -1, -9, -2, -6, -8, -5]) / 100
POSITIVE = np.array([1, 2, 1, 1, 1, 1, 1, 1, 1]) / 100
ALL_NEGATIVE = np.array([-2, -6, -7, -1, -9, -2, -6, -8, -5]) / 100
FLAT = np.full(9, 0.01)
NOTHING = np.array([])
ONE = np.array([0.01])


def equity_frame(equity, flow=None, benchmark=None, positions_value=None):
    count = len(equity)
    positions = np.zeros(count) if positions_value is None else np.asarray(positions_value, dtype=float)
    frame = pd.DataFrame(
        {
            Equity.session: pd.bdate_range("2018-01-02", periods=count),
            Equity.cash: np.asarray(equity, dtype=float) - positions,
            Equity.positions_value: positions,
            Equity.equity: equity,
            Equity.flow: np.zeros(count) if flow is None else flow,
            Equity.benchmark: np.full(count, NAN) if benchmark is None else benchmark,
        }
    )
    return Equity.validate(frame)


def fills_frame(*rows):
    """Each row: quantity, price, commission, slippage."""
    frame = pd.DataFrame(list(rows), columns=[Fills.quantity, Fills.price, Fills.commission, Fills.slippage])
    names = [str(number) for number in range(len(rows))]
    frame = frame.assign(fill_id=names, order_id=names, session=pd.Timestamp("2018-01-03"), instrument="SPXSIM")
    return Fills.validate(frame)


EMPYRICAL = [
    (metrics.sharpe, MIXED, 1.7238613961706866),
    (metrics.sharpe, NEGATIVE, -24.406808633910085),
    (metrics.sharpe, POSITIVE, 52.915026221291804),
    (metrics.sharpe, FLAT, INF),
    (metrics.sharpe, ONE, NAN),
    (metrics.sharpe, NOTHING, NAN),
    (metrics.sortino, MIXED, 2.605531251673693),
    (metrics.sortino, NEGATIVE, -13.532743075043401),
    (metrics.sortino, POSITIVE, INF),
    (metrics.sortino, ONE, NAN),
    (metrics.sortino, NOTHING, NAN),
    (metrics.annual_volatility, MIXED, 0.9136465399704637),
    (metrics.annual_volatility, FLAT, 0.0),
    (metrics.annual_volatility, ONE, NAN),
    (metrics.annual_return, MIXED, 1.9135925373194231),
    (metrics.annual_return, NOTHING, NAN),
    (metrics.total_return, MIXED, 0.0389310917),
    (metrics.total_return, NEGATIVE, -0.3659073),
    (metrics.total_return, NOTHING, NAN),
    (metrics.max_drawdown, MIXED, -0.10),
    (metrics.max_drawdown, NEGATIVE, -0.36590730),
    (metrics.max_drawdown, POSITIVE, 0.0),
    (metrics.max_drawdown, ALL_NEGATIVE, -0.378589157),
    (metrics.max_drawdown, NOTHING, NAN),
    (metrics.calmar, MIXED, 19.135925373194233),
    (metrics.calmar, POSITIVE, NAN),
    (metrics.calmar, ONE, NAN),
]


@pytest.mark.parametrize(("metric", "returns", "answer"), EMPYRICAL)
def test_metric_gives_the_answer_that_empyrical_publishes(metric, returns, answer):
    tolerance = 1e-8 if metric in (metrics.total_return, metrics.max_drawdown) else 1e-12
    assert metric(returns) == pytest.approx(answer, rel=tolerance, abs=1e-14, nan_ok=True)


# empyrical-reloaded tests/test_stats.py, test_alpha_beta; the NaN session of MIXED drops out of both
@pytest.mark.parametrize(
    ("benchmark", "alpha", "beta"),
    [(NEGATIVE, -0.9997853834885004, -0.71296296296296313), (MIXED, 0.0, 1.0), (-MIXED, 0.0, -1.0), (FLAT, NAN, NAN)],
)
def test_alpha_and_beta_give_the_answers_that_empyrical_publishes(benchmark, alpha, beta):
    assert metrics.alpha(MIXED, benchmark) == pytest.approx(alpha, abs=1e-8, nan_ok=True)
    assert metrics.beta(MIXED, benchmark) == pytest.approx(beta, abs=1e-12, nan_ok=True)


def test_alpha_and_beta_are_the_least_squares_line_of_scipy():
    draws = np.random.default_rng(7).normal(0.0004, 0.01, size=(2, 500))
    market, own = draws[0], 0.6 * draws[0] + 0.3 * draws[1]
    line = stats.linregress(market, own)
    assert metrics.beta(own, market) == pytest.approx(line.slope, rel=1e-10)
    assert metrics.alpha(own, market) == pytest.approx((1 + line.intercept) ** 252 - 1, rel=1e-9)


def test_alpha_and_beta_of_a_single_session_are_undefined():
    assert math.isnan(metrics.alpha(ONE, ONE)) and math.isnan(metrics.beta(ONE, ONE))


def test_a_single_session_is_not_annualised():
    assert math.isnan(metrics.annual_return(ONE))
    assert metrics.total_return(ONE) == pytest.approx(0.01)


def test_two_sessions_are_annualised():
    assert metrics.annual_return([0.01, 0.0]) == pytest.approx(1.01**126 - 1)


def test_a_session_without_a_return_still_counts_as_time():
    assert metrics.annual_return([NAN, 0.01, 0.0]) == pytest.approx(1.01**84 - 1)


def test_losing_everything_is_a_return_of_minus_one_hundred_percent_a_year():
    assert metrics.annual_return([0.1, -1.0, 0.5]) == -1.0
    assert metrics.max_drawdown([0.1, -1.0, 0.5]) == -1.0


def test_losing_more_than_everything_has_no_annual_return():
    assert math.isnan(metrics.annual_return([0.1, -1.5]))


def test_an_idle_book_has_no_ratio():
    idle = np.zeros(20)
    assert metrics.annual_volatility(idle) == 0.0 and metrics.total_return(idle) == 0.0
    for ratio in (metrics.sharpe, metrics.sortino, metrics.calmar, metrics.profit_factor, metrics.hit_rate):
        assert math.isnan(ratio(idle))


def test_equal_returns_have_no_volatility_however_they_round():
    assert metrics.annual_volatility(np.full(7, 0.1)) == 0.0
    assert metrics.sharpe(np.full(7, -0.1)) == -INF


@pytest.mark.parametrize(
    ("wealth", "sessions"),
    [
        ([100, 90, 80, 95, 100, 101], 4),  # peak at 0, back at the peak at 4
        ([100, 110, 105, 111, 100, 99, 98], 3),  # never recovered: from 3 to the end
        ([100, 99], 1),  # a losing first session
        ([100, 50, 100, 99, 98, 99, 99.5], 4),  # the longest is not the deepest
        ([100, 100, 101, 101, 102], 0),
        ([100, 100, 100, 99, 100], 2),  # a flat top: from its last session
    ],
)
def test_drawdown_length_is_counted_from_the_peak_to_the_recovery_or_the_end(wealth, sessions):
    wealth = np.array(wealth, dtype=float)
    assert metrics.max_drawdown_sessions(wealth[1:] / wealth[:-1] - 1) == sessions


def test_drawdown_length_without_returns_is_undefined():
    assert math.isnan(metrics.max_drawdown_sessions(NOTHING))


def test_drawdowns_start_at_zero_before_the_first_return():
    assert metrics.drawdowns([-0.1, 0.05, 0.2]) == pytest.approx([0.0, -0.1, -0.055, 0.0])


def test_hit_rate_leaves_out_sessions_that_did_not_move():
    assert metrics.hit_rate([0.01, 0.0, 0.02, -0.01, NAN, 0.0]) == pytest.approx(2 / 3)


def test_profit_factor_is_gains_over_losses():
    assert metrics.profit_factor([0.01, 0.02, -0.02, NAN, 0.0]) == pytest.approx(1.5)
    assert metrics.profit_factor(POSITIVE) == INF
    assert metrics.profit_factor(NEGATIVE) == 0.0


def test_a_deposit_is_not_a_return():
    frame = equity_frame([1000.0, 1100.0, 2205.0, 1102.5], flow=[1000.0, 0.0, 1000.0, -1000.0])
    returns = metrics.session_returns(frame)
    assert list(returns.index) == list(frame[Equity.session].iloc[1:])
    assert returns.to_numpy() == pytest.approx([0.10, 0.05, 1102.5 / 1205 - 1])


def test_a_session_with_nothing_invested_has_no_return():
    assert metrics.session_returns(
        equity_frame([100.0, 0.0, 0.0, 50.0], flow=[100.0, 0.0, 0.0, 50.0])
    ).to_numpy() == pytest.approx([-1.0, NAN, 0.0], nan_ok=True)


def test_a_book_below_zero_has_neither_returns_nor_exposure():
    frame = equity_frame([100.0, -50.0, -60.0], positions_value=[50.0, 100.0, 100.0])
    assert metrics.session_returns(frame).to_numpy() == pytest.approx([-1.5, NAN], nan_ok=True)
    assert metrics.exposure(frame) == 0.5


def test_turnover_counts_buys_and_sells_over_mean_equity_a_year():
    equity = equity_frame(np.full(127, 1000.0))  # 126 sessions with a return: half a year
    fills = fills_frame((10, 100.0, 1.0, 0.5), (-10, 100.0, 1.0, 0.25))
    assert metrics.turnover(equity, fills) == pytest.approx(4.0)
    assert metrics.costs_paid(fills) == 2.75


def test_exposure_is_the_mean_share_of_equity_in_positions():
    assert metrics.exposure(equity_frame([100.0, 200.0, 100.0], positions_value=[0.0, 200.0, -25.0])) == pytest.approx(0.25)


def test_performance_has_one_figure_per_label_in_the_order_of_printing():
    values = metrics.performance(equity_frame([100.0, 101.0, 99.0]), fills_frame())
    assert list(values) == list(LABELS)
    assert all(isinstance(value, float) for value in values.values())


def test_performance_of_a_book_by_hand():
    equity = equity_frame([1000.0, 1100.0, 990.0], benchmark=[1000.0, 1050.0, 997.5], positions_value=[0.0, 550.0, 495.0])
    values = metrics.performance(equity, fills_frame((5, 110.0, 1.0, 2.0)))
    # returns +10 %, -10 %; the benchmark's +5 %, -5 %: on the line own = 2 x market
    assert values["total_return"] == pytest.approx(-0.01)
    assert values["annual_return"] == pytest.approx(0.99**126 - 1)
    assert values["annual_volatility"] == pytest.approx(math.sqrt(0.02 * 252))
    assert values["sharpe"] == pytest.approx(0.0, abs=1e-12)
    assert values["max_drawdown"] == pytest.approx(-0.10)
    assert values["max_drawdown_sessions"] == 1
    assert values["exposure"] == pytest.approx(1 / 3)
    assert values["turnover"] == pytest.approx(550 / 1030 * 126)
    assert values["hit_rate"] == 0.5
    assert values["profit_factor"] == pytest.approx(1.0)
    assert values["beta"] == pytest.approx(2.0)
    assert values["alpha"] == pytest.approx(0.0, abs=1e-10)
    assert values["costs_paid"] == 3.0


def test_performance_of_the_first_session_has_no_returns_but_is_not_an_error():
    values = metrics.performance(equity_frame([1000.0]), fills_frame())
    assert {name for name, value in values.items() if not math.isnan(value)} == {"exposure", "costs_paid"}


def test_a_benchmark_that_is_missing_leaves_alpha_and_beta_undefined():
    values = metrics.performance(equity_frame([1000.0, 1010.0, 1005.0, 1020.0]), fills_frame())
    assert math.isnan(values["alpha"]) and math.isnan(values["beta"])


def test_figures_are_printed_with_their_units():
    printed = formatted(
        {"total_return": 12.3456, "sharpe": 1.005, "max_drawdown_sessions": 1234.0, "hit_rate": 0.5, "costs_paid": 9876.5}, "EUR"
    )
    assert printed == [
        ("Total return [%]", "1,234.56"),
        ("Sharpe ratio", "1.00"),
        ("Max. drawdown length [sessions]", "1,234"),
        ("Hit rate [% of sessions]", "50.00"),
        ("Costs paid [EUR]", "9,876.50"),
    ]


@pytest.mark.parametrize(("value", "text"), [(NAN, "n/a"), (INF, "inf"), (-INF, "-inf"), (-0.00001, "0.00")])
def test_undefined_infinite_and_tiny_figures_are_printed_plainly(value, text):
    assert formatted({"sharpe": value}, "USD") == [("Sharpe ratio", text)]


SESSIONS = pd.bdate_range("2018-01-02", periods=4)


def test_buy_and_hold_buys_all_at_the_second_open_and_holds():
    opens = pd.Series([90.0, 100.0, 150.0, 160.0], index=SESSIONS)
    closes = pd.Series([95.0, 110.0, 120.0, 99.0], index=SESSIONS)
    # 1,000 at 100 and 25 bp: 1000 / 100.25 shares
    value = buy_and_hold(opens, closes, 1000.0, 25.0)
    assert list(value.index) == list(SESSIONS)
    assert value.to_numpy() == pytest.approx([1000.0, 110000 / 100.25, 120000 / 100.25, 99000 / 100.25])


def test_buy_and_hold_of_a_panel_puts_equal_money_in_each_and_does_not_rebalance():
    opens = pd.DataFrame({"A": [1.0, 10.0, 1.0, 1.0], "B": [1.0, 20.0, 1.0, 1.0]}, index=SESSIONS)
    closes = pd.DataFrame({"A": [1.0, 10.0, 20.0, 40.0], "B": [1.0, 20.0, 10.0, 5.0]}, index=SESSIONS)
    assert buy_and_hold(opens, closes, 1000.0, 0.0).to_numpy() == pytest.approx([1000.0, 1000.0, 1250.0, 2125.0])


def test_buy_and_hold_leaves_out_what_has_no_open_and_carries_a_missing_close():
    opens = pd.DataFrame({"A": [1.0, 10.0, 11.0, 12.0], "late": [NAN, NAN, 5.0, 5.0]}, index=SESSIONS)
    closes = pd.DataFrame({"A": [1.0, NAN, 11.0, NAN], "late": [NAN, NAN, 5.0, 50.0]}, index=SESSIONS)
    assert buy_and_hold(opens, closes, 1000.0, 0.0).to_numpy() == pytest.approx([1000.0, 1000.0, 1100.0, 1100.0])


def test_buy_and_hold_of_one_session_is_the_capital():
    assert buy_and_hold(pd.Series([1.0], SESSIONS[:1]), pd.Series([1.0], SESSIONS[:1]), 1000.0, 1.0).tolist() == [1000.0]


def test_buy_and_hold_without_an_open_names_the_session():
    missing = pd.Series([1.0, NAN, 1.0, 1.0], index=SESSIONS)
    with pytest.raises(BadData, match="2018-01-03"):
        buy_and_hold(missing, missing, 1000.0, 1.0)
