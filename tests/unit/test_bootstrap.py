"""Blocks of sessions: their length by a published rule, and bounds that hold as often as they say."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from nightdesk.errors import BadData
from nightdesk.performance.bootstrap import block_length, bounds, critical_value, resampled_means, seeded
from nightdesk.performance.excess import excess_over_benchmark


def autoregressive(n: int, share: float) -> np.ndarray:
    """A series without random numbers: shocks are the fractions of t^2 x 0.618..., uniform and uncorrelated."""
    shocks = np.arange(1, n + 1) ** 2 * 0.61803398875 % 1 - 0.5
    values = shocks.copy()
    for row in range(1, n):
        values[row] += share * values[row - 1]
    return values


@pytest.mark.parametrize(
    ("n", "share", "answer"),
    [
        (250, 0, 0.6469),
        (1006, 0, 1.7725),
        (250, 0.2, 3.0014),
        (1006, 0.2, 4.1623),
        (250, 0.5, 6.5159),
        (1006, 0.5, 9.5238),
        (250, 0.8, 16.1189),
        (1006, 0.8, 20.1179),
        (250, -0.4, 6.0281),
        (1006, -0.4, 19.4004),
    ],
)
def test_block_length_is_that_of_the_arch_package_rounded_up(n: int, share: float, answer: float) -> None:
    """arch 8.0.0, arch.bootstrap.optimal_block_length, column circular: Politis & White 2004, corrected 2009."""
    assert block_length(autoregressive(n, share)) == math.ceil(answer)


def test_nothing_that_varies_or_too_little_of_it_has_blocks_of_one() -> None:
    assert block_length(np.ones(500)) == block_length(autoregressive(19, 0.9)) == 1


@pytest.mark.parametrize("length", [1, 7, 100])
def test_mean_of_the_resamples_is_that_of_the_record(length: int) -> None:
    rows = np.column_stack([autoregressive(203, 0.3) + 1, autoregressive(203, 0.1) ** 2])
    means = resampled_means(rows, length, 4000, seeded(rows))
    error = means.std(axis=0) / math.sqrt(4000)
    assert (np.abs(means.mean(axis=0) - rows.mean(axis=0)) < 4 * error).all()


def test_a_resample_is_made_of_whole_blocks_around_the_ring() -> None:
    """8 rows in blocks of 3, 3 and 2: the sum of powers of 100 shows which rows were drawn, and how often."""
    means = resampled_means(100.0 ** np.arange(8)[:, None], 3, 300, seeded(np.arange(8)))
    counts = np.array([[round(mean * 8) // 100**row % 100 for row in range(8)] for mean in means[:, 0]])
    assert (counts.sum(axis=1) == 8).all()
    blocks = {
        tuple(sum(np.roll(np.eye(8, dtype=int)[0], start + step) for start, size in starts for step in range(size)).tolist())
        for first in range(8)
        for second in range(8)
        for last in range(8)
        for starts in [((first, 3), (second, 3), (last, 2))]
    }
    assert {tuple(row) for row in counts.tolist()} <= blocks


def test_rows_of_one_session_are_drawn_together() -> None:
    rows = autoregressive(120, 0.4)
    means = resampled_means(np.column_stack([rows, -2 * rows]), 5, 200, seeded(rows))
    assert means[:, 1] == pytest.approx(-2 * means[:, 0], abs=1e-12)


def test_portions_of_resamples_give_the_same_as_all_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = autoregressive(90, 0.4)[:, None]
    whole = resampled_means(rows, 5, 50, seeded(rows))
    monkeypatch.setattr("nightdesk.performance.bootstrap.CELLS_AT_ONCE", 18 * 7)
    assert np.array_equal(resampled_means(rows, 5, 50, seeded(rows)), whole)


def test_error_of_a_mean_grows_with_the_dependence_of_its_sessions() -> None:
    """The variance of the mean of an AR(1) is 1 / (1 - a)^2 that of its shocks."""
    values = autoregressive(4000, 0.6)
    error = resampled_means(values[:, None], block_length(values), 3000, seeded(values)).std()
    assert error == pytest.approx(math.sqrt(1 / 12) / 0.4 / math.sqrt(4000), rel=0.12)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.1])
def test_bounds_are_widened_as_the_theory_of_few_blocks_says(share: float) -> None:
    """Kiefer & Vogelsang 2005, Econometric Theory 21(6), table 1, Bartlett: 95 % and 97.5 %."""
    of_95 = 1.6449 + 2.1859 * share + 0.3142 * share**2 - 0.3427 * share**3
    of_975 = 1.9600 + 2.9694 * share + 0.4160 * share**2 - 0.5324 * share**3
    assert critical_value(1000, round(1000 * share), 0.05) == pytest.approx(of_95, rel=0.02)
    assert critical_value(1000, round(1000 * share), 0.025) == pytest.approx(of_975, rel=0.02)


def test_bounds_of_independent_sessions_are_the_textbooks() -> None:
    normal = stats.norm.ppf((np.arange(10_000) + 0.5) / 10_000)
    assert bounds(3.0, 2 * normal, 0.05, n=10**6, length=1) == pytest.approx((3 - 2 * 1.6449, 3 + 2 * 1.6449), abs=0.003)


@given(st.integers(0, 1000))
def test_random_numbers_are_a_function_of_the_data_alone(seed: int) -> None:
    data = np.random.default_rng(seed).normal(size=20)
    np.random.default_rng(seed).normal()
    assert seeded(data, data).integers(0, 2**60) == seeded(data.copy(), data[::1]).integers(0, 2**60)
    assert seeded(data, data).integers(0, 2**60) != seeded(data, data + 1e-9).integers(0, 2**60)
    assert seeded([0.0]).integers(0, 2**60) == seeded([-0.0]).integers(0, 2**60)


def test_excess_and_beta_are_the_least_squares_line_of_scipy() -> None:
    random = np.random.default_rng(5)
    market = random.normal(0.02, 0.01, 800)  # a mean that large makes the error of beta most of the intercept's
    own = 0.0002 + 0.7 * market + random.normal(0, 0.005, 800)
    line = stats.linregress(market, own)
    found = excess_over_benchmark(own, market, level=0.05)
    assert (found.per_session, found.beta) == pytest.approx((line.intercept, line.slope), rel=1e-10)
    assert found.n == 800
    z = stats.norm.ppf(0.95)
    assert found.lower == pytest.approx(line.intercept - z * line.intercept_stderr, abs=0.2 * line.intercept_stderr)
    assert found.upper == pytest.approx(line.intercept + z * line.intercept_stderr, abs=0.2 * line.intercept_stderr)


def test_sessions_without_both_returns_are_left_out() -> None:
    random = np.random.default_rng(6)
    own, market = random.normal(size=200), random.normal(size=200)
    gaps = np.r_[np.nan, own[1:]], np.r_[market[:-1], np.nan]
    assert excess_over_benchmark(*gaps, level=0.05) == excess_over_benchmark(own[1:-1], market[1:-1], level=0.05)


def test_a_benchmark_that_cannot_be_matched_is_refused() -> None:
    with pytest.raises(BadData, match="did not move in 50 sessions"):
        excess_over_benchmark(np.arange(50.0), np.zeros(50), level=0.05)
    with pytest.raises(BadData, match="one of each a session"):
        excess_over_benchmark(np.arange(50.0), np.zeros(49), level=0.05)
