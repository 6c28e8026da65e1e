"""Known answers of the papers, rounded as they print them, and what holds for every record.

2012: Bailey & Lopez de Prado, The Sharpe Ratio Efficient Frontier, J. Risk 15(2), sections 3 and 5. 2014: Bailey & Lopez de
Prado, The Deflated Sharpe Ratio, JPM 40(5), "A numerical example"; Bailey, Borwein, Lopez de Prado & Zhu, Pseudo-Mathematics
and Financial Charlatanism, Notices of the AMS 61(5). 2025: Lopez de Prado, Lipton & Zoonekynd, Sharpe Ratio Inference, SSRN
5520741, its numerical example as in the authors' code (github.com/zoonek/2025-sharpe-ratio, functions.py).
"""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nightdesk.errors import BadData, Misconfigured
from nightdesk.performance import sharpe as s
from nightdesk.performance import sharpe_2025 as s25

MONTHLY_2012 = s.Moments(24, 0.458, -2.448, 10.164)
CHOSEN_2014 = s.Moments(1250, 2.5 / math.sqrt(250), -3, 10)
FUND_2025 = s.Moments(24, 0.036 / 0.079, -2.448, 10.164)

SHARPES = st.floats(-0.5, 0.5)
SHAPES = st.floats(-2, 2).flatmap(lambda skew: st.tuples(st.just(skew), st.floats(skew**2 + 1.5, 20)))
RECORDS = st.builds(lambda n, sharpe, shape: s.Moments(n, sharpe, *shape), st.integers(20, 5000), SHARPES, SHAPES)


def test_moments_are_those_of_scipy_with_the_sample_deviation_in_the_ratio() -> None:
    returns = np.random.default_rng(1).standard_t(5, 300) / 100 + 0.001
    found = s.moments(np.append(returns, np.nan))
    assert found.n == 300
    assert found.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1), rel=1e-12)
    assert found.skewness == pytest.approx(stats.skew(returns), rel=1e-12)
    assert found.kurtosis == pytest.approx(stats.kurtosis(returns, fisher=False), rel=1e-12)


@pytest.mark.parametrize(
    ("record", "answer"),
    [
        (s.Moments(24, 0.458, 0, 3), 0.982),
        (MONTHLY_2012, 0.913),
        (s.Moments(36, 0.458, -2.448, 10.164), 0.953),  # 0.95351: cut, not rounded
    ],
)
def test_probabilistic_sharpe_of_the_2012_paper(record: s.Moments, answer: float) -> None:
    assert s.probabilistic_sharpe_2012(record) == pytest.approx(answer, abs=5.1e-4)


def test_a_record_at_the_threshold_has_even_odds_and_one_that_never_moves_none() -> None:
    """Lean, ProbabilisticSharpeRatioTests.cs: performance equal to the benchmark is 0.5, zeros are 0."""
    assert s.probabilistic_sharpe_2012(MONTHLY_2012, 0.458) == 0.5
    assert s25.probabilistic_sharpe_2025(MONTHLY_2012, 0.458) == 0.5
    flat = s.moments(np.zeros(50))
    assert (s.probabilistic_sharpe_2012(flat), s25.probabilistic_sharpe_2025(flat)) == (0, 0)
    assert s.minimum_track_record_2012(flat) == s25.minimum_track_record_2025(flat) == math.inf


@pytest.mark.parametrize(("a_year", "skewness", "kurtosis", "threshold", "years"), [
    (252, 0, 3, 1, 2.73), (52, 0, 3, 1, 2.83), (12, 0, 3, 1, 3.24), (12, -0.72, 5.78, 1, 4.99),
])  # fmt: skip
def test_minimum_track_record_of_the_2012_paper(
    a_year: int, skewness: float, kurtosis: float, threshold: float, years: float
) -> None:
    record = s.Moments(1, 2 / math.sqrt(a_year), skewness, kurtosis)
    found = s.minimum_track_record_2012(record, threshold / math.sqrt(a_year), level=0.05)
    assert found / a_year == pytest.approx(years, abs=5e-3)


def test_deflated_sharpe_of_the_2014_papers_example() -> None:
    variance = 0.5 / 250
    assert math.sqrt(variance) * s.expected_maximum_2014(100) == pytest.approx(0.1132, abs=5e-5)
    assert s.deflated_sharpe_2014(CHOSEN_2014, 100, variance) == pytest.approx(0.9004, abs=5e-5)
    assert s.deflated_sharpe_2014(CHOSEN_2014, 46, variance) == pytest.approx(0.9505, abs=5e-5)


@pytest.mark.parametrize(("n", "answer"), [(1, 0), (10, 1.5746), (45, 2.2356), (100, 2.5306)])
def test_expected_maximum_of_the_2014_papers(n: int, answer: float) -> None:
    assert s.expected_maximum_2014(n) == pytest.approx(answer, abs=5e-5)


def test_five_years_of_history_bear_no_more_than_45_trials() -> None:
    """Notices of the AMS 2014: for a Sharpe ratio of 1 a year."""
    assert s.minimum_backtest_years_2014(45, 1) == pytest.approx(4.998, abs=5e-4)
    assert s.minimum_backtest_years_2014(46, 1) == pytest.approx(5.036, abs=5e-4)
    assert all(s.minimum_backtest_years_2014(n, 1.5) < 2 * math.log(n) / 1.5**2 for n in (10, 100, 10_000))


def test_numerical_example_of_the_2025_paper() -> None:
    normal = s.Moments(24, FUND_2025.sharpe, 0, 3)
    power = s25.power_2025(FUND_2025, 0, 0.5, level=0.1)
    found = [
        s25.standard_error_2025(FUND_2025, FUND_2025.sharpe),
        s25.standard_error_2025(normal, normal.sharpe),
        s25.probabilistic_sharpe_2025(FUND_2025),
        s25.probabilistic_sharpe_2025(FUND_2025, 0.1),
        s25.minimum_track_record_2025(FUND_2025, level=0.05),
        s25.minimum_track_record_2025(FUND_2025, level=0.1),
        s25.critical_sharpe_2025(FUND_2025, level=0.1),
        power,
        s25.planned_false_discovery_2025(power, 0.1, level=0.1),
        s25.observed_false_discovery_2025(FUND_2025, 0, 0.5, 0.1),
    ]
    answers = [0.329, 0.214, 0.987, 0.939, 13.029, 7.909, 0.262, 0.758, 0.543, 0.173]
    assert found == pytest.approx(answers, abs=5.01e-4)


def test_ten_trials_and_a_controlled_rate_of_the_2025_paper() -> None:
    luck = math.sqrt(0.1) * s.expected_maximum_2014(10)
    assert luck == pytest.approx(0.498, abs=5e-4)
    assert s25.deflated_sharpe_2025(FUND_2025, 10, 0.1) == pytest.approx(0.416, abs=5e-4)
    assert s25.probabilistic_sharpe_2025(FUND_2025, luck) == pytest.approx(0.451, abs=5e-4)
    level, critical = s25.controlled_false_discovery_2025(FUND_2025, 0, 0.5, 0.1, 0.25)
    assert level == pytest.approx(0.0224, abs=5e-5) and critical == pytest.approx(0.410, abs=5e-4)


def test_a_rate_that_no_test_can_have_is_refused() -> None:
    with pytest.raises(Misconfigured, match=r"rate was 0\.95"):
        s25.controlled_false_discovery_2025(FUND_2025, 0, 0.5, 0.1, 0.95)


@pytest.mark.parametrize(("n", "answer"), [(1, 1), (2, 1 - 1 / math.pi), (10, 0.3443438233)])
def test_variance_of_a_maximum_is_the_tabulated_one(n: int, answer: float) -> None:
    """Teichroew 1956, Tables of expected values of order statistics, Ann. Math. Stat. 27(2), for 10."""
    assert s25.variance_of_maximum(n) == pytest.approx(answer, abs=1e-9)


@pytest.mark.parametrize("n", [2, 5, 9, 1.5])
def test_deflated_sharpe_is_undefined_between_one_and_ten_trials(n: float) -> None:
    assert math.isnan(s.deflated_sharpe_2014(CHOSEN_2014, n, 0.002))
    assert math.isnan(s25.deflated_sharpe_2025(CHOSEN_2014, n, 0.002))


def test_deflated_sharpe_of_one_trial_is_the_probabilistic_one() -> None:
    assert s.deflated_sharpe_2014(CHOSEN_2014, 1, 0.0) == s.probabilistic_sharpe_2012(CHOSEN_2014)
    assert s25.deflated_sharpe_2025(CHOSEN_2014, 1, 0.0) == s25.probabilistic_sharpe_2025(CHOSEN_2014)


@given(RECORDS, SHARPES, st.floats(0.001, 0.2))
def test_probabilistic_sharpe_is_a_probability_that_falls_with_the_threshold(record: s.Moments, low: float, step: float) -> None:
    at_low, at_high = (s.probabilistic_sharpe_2012(record, threshold) for threshold in (low, low + step))
    assert 0 <= at_high <= at_low <= 1
    assert 0 <= s25.probabilistic_sharpe_2025(record, low) <= 1


@given(RECORDS, st.integers(10, 10_000), st.floats(0, 0.05))
def test_deflating_never_adds_and_more_trials_never_help(record: s.Moments, n: int, variance: float) -> None:
    deflated = s.deflated_sharpe_2014(record, n, variance)
    assert s.deflated_sharpe_2014(record, 2 * n, variance) <= deflated <= s.probabilistic_sharpe_2012(record)


@given(RECORDS, st.floats(-0.4, 0.1))
def test_a_record_of_the_minimum_length_is_just_long_enough(record: s.Moments, threshold: float) -> None:
    if record.sharpe < threshold + 0.01:
        return
    needed = s.minimum_track_record_2012(record, threshold)
    later = s.Moments(needed, record.sharpe, record.skewness, record.kurtosis)  # type: ignore[arg-type]  # a length in between
    assert s.probabilistic_sharpe_2012(later, threshold) == pytest.approx(0.95, abs=1e-9)
    of_2025 = s25.minimum_track_record_2025(record, threshold)
    later = s.Moments(of_2025, record.sharpe, record.skewness, record.kurtosis)  # type: ignore[arg-type]  # as above
    assert s25.probabilistic_sharpe_2025(later, threshold) == pytest.approx(0.95, abs=1e-9)


def test_effective_trials_count_copies_once_and_strangers_each() -> None:
    random = np.random.default_rng(3)
    one = random.normal(size=(500, 1))
    assert s.effective_trials_2014(np.tile(one, 7)) == pytest.approx(1)
    assert s.effective_trials_2014(np.column_stack([[1.0, -1, 1, -1], [1.0, 1, -1, -1]])) == pytest.approx(2)
    mixed = random.normal(size=(500, 6)) + one
    mean = (np.corrcoef(mixed.T).sum() - 6) / 30
    assert s.effective_trials_2014(np.column_stack([mixed, np.zeros(500)])) == pytest.approx(mean + (1 - mean) * 6)


@pytest.mark.parametrize("trials", [np.zeros((9, 3)), np.full((9, 3), np.nan)])
def test_effective_trials_refuse_what_has_no_correlations(trials: np.ndarray) -> None:
    with pytest.raises(BadData, match="trials"):
        s.effective_trials_2014(trials)


def test_impossible_arguments_are_refused_with_their_value() -> None:
    with pytest.raises(Misconfigured, match="n_trials was 0"):
        s.expected_maximum_2014(0)
    with pytest.raises(Misconfigured, match=r"annual_sharpe was -1"):
        s.minimum_backtest_years_2014(10, -1)
    with pytest.raises(BadData, match="no returns have such moments"):
        s.probabilistic_sharpe_2012(s.Moments(24, 0.5, 9, 3))
