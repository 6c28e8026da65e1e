"""How much a Sharpe ratio proves, by the edition of 2025: the variance is that of the hypothesis, and n sessions count as n.

Sharpe ratios are per session. Where `nightdesk/performance/sharpe.py` (2012, 2014) takes the variance at the estimate and n - 1,
these take it at the Sharpe ratio of the hypothesis and n; of the best of several trials it is the variance of a maximum.
`record.sharpe` is what was observed, and of it nothing enters a variance. Returns that depend on one another in time are not
covered. Source of all: Lopez de Prado, Lipton & Zoonekynd, Sharpe Ratio Inference, SSRN 5520741, 2025.
"""

import math

import numpy as np
from scipy.optimize import brentq
from scipy.special import log_ndtr, ndtr, ndtri

from nightdesk.errors import Misconfigured
from nightdesk.performance.sharpe import MIN_TRIALS, Moments, expected_maximum_2014, unit_variance

FARTHEST = 8.0
"""Standard errors from both hypotheses within which a critical value is looked for."""


def standard_error_2025(record: Moments, sharpe: float, n_trials: float = 1) -> float:
    """Standard error of the estimate if the true Sharpe ratio is `sharpe`; with N > 1, of the highest of N such estimates."""
    return math.sqrt(unit_variance(record, sharpe) / record.n * variance_of_maximum(n_trials))


def probabilistic_sharpe_2025(record: Moments, threshold: float = 0.0, n_trials: float = 1) -> float:
    """1 - p of the test of `threshold` against anything above it: in [0, 1]. 0 for a record that does not vary."""
    if math.isnan(record.sharpe):
        return 0.0
    return float(ndtr((record.sharpe - threshold) / standard_error_2025(record, threshold, n_trials)))


def minimum_track_record_2025(record: Moments, threshold: float = 0.0, *, level: float = 0.05) -> float:
    """Sessions after which the same Sharpe ratio would be significant at `level`; inf where it is not above `threshold`."""
    if not record.sharpe > threshold:
        return math.inf
    return unit_variance(record, threshold) * float(ndtri(1 - level) / (record.sharpe - threshold)) ** 2


def critical_sharpe_2025(record: Moments, threshold: float = 0.0, *, level: float = 0.05) -> float:
    """The Sharpe ratio from which on a record of this length and shape rejects `threshold` at `level`."""
    return threshold + float(ndtri(1 - level)) * standard_error_2025(record, threshold)


def power_2025(record: Moments, threshold: float, alternative: float, *, level: float = 0.05) -> float:
    """Probability that the test of `threshold` at `level` finds a true Sharpe ratio of `alternative`."""
    missed = critical_sharpe_2025(record, threshold, level=level) - alternative
    return float(ndtr(-missed / standard_error_2025(record, alternative)))


def planned_false_discovery_2025(power: float, share_true: float, *, level: float = 0.05) -> float:
    """pFDR: share of worthless strategies among those that pass a test with `level` and `power`, `share_true` having skill."""
    return 1 / (1 + power * share_true / (level * (1 - share_true)))


def observed_false_discovery_2025(record: Moments, threshold: float, alternative: float, share_true: float) -> float:
    """oFDR: the same among strategies with the Sharpe ratio of this record or a higher one."""
    worthless = (1 - probabilistic_sharpe_2025(record, threshold)) * (1 - share_true)
    skilled = (1 - probabilistic_sharpe_2025(record, alternative)) * share_true
    return worthless / (worthless + skilled)


def controlled_false_discovery_2025(
    record: Moments, threshold: float, alternative: float, share_true: float, rate: float
) -> tuple[float, float]:
    """Level and critical Sharpe ratio of the test whose pFDR is `rate`.

    Raises
    ------
    Misconfigured
        No critical value within 8 standard errors of the two hypotheses has that rate.
    """
    null, other = standard_error_2025(record, threshold), standard_error_2025(record, alternative)

    def excess(critical: float) -> float:
        level, power = ndtr((threshold - critical) / null), ndtr((alternative - critical) / other)
        return float(level * (1 - share_true) * (1 - rate) - power * share_true * rate)

    lowest, highest = threshold - FARTHEST * null, max(threshold + FARTHEST * null, alternative)
    if excess(lowest) <= 0 or excess(highest) >= 0:
        raise Misconfigured.value("rate", rate, f"one that a test of {threshold} against {alternative} can have")
    critical = float(brentq(excess, lowest, highest, xtol=1e-12))
    return float(ndtr((threshold - critical) / null)), critical


def deflated_sharpe_2025(record: Moments, n_trials: float, variance_of_trials: float) -> float:
    """1 - p of the best of N trials against the maximum of N worthless ones: mean sqrt(V) E[max_N], variance that of a maximum.

    V is the variance of the trials' Sharpe ratios per session. NaN between 1 and 10 trials, as in the edition of 2014.
    """
    if 1 < n_trials < MIN_TRIALS:
        return math.nan
    return probabilistic_sharpe_2025(record, math.sqrt(variance_of_trials) * expected_maximum_2014(n_trials), n_trials)


def variance_of_maximum(n: float) -> float:
    """Variance of the maximum of n independent standard normal values, from its density n phi(x) Phi(x)^(n - 1)."""
    if n == 1:
        return 1.0
    x = np.linspace(-10, 10, 4001)
    density = np.exp((n - 1) * log_ndtr(x) - x**2 / 2)
    weight = density / density.sum()
    mean = weight @ x
    return float(weight @ (x - mean) ** 2)
