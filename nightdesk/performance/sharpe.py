"""How much a Sharpe ratio proves, by the papers of 2012 and 2014. The edition is part of each name, since they differ.

All Sharpe ratios here are per session, not annualised, unless a name says `annual`. Editions:
2012: Bailey & Lopez de Prado, The Sharpe Ratio Efficient Frontier, Journal of Risk 15(2).
2014: Bailey & Lopez de Prado, The Deflated Sharpe Ratio, Journal of Portfolio Management 40(5); and Bailey, Borwein,
Lopez de Prado & Zhu, Pseudo-Mathematics and Financial Charlatanism, Notices of the AMS 61(5).
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import ndtr, ndtri

from nightdesk.errors import BadData, Misconfigured

EDITIONS = {
    "2012": "Bailey & López de Prado 2012",
    "2014": "Bailey & López de Prado 2014",
    "2025": "López de Prado, Lipton & Zoonekynd 2025",
}
"""What a person reads beside a figure whose name ends in the key."""

MIN_TRIALS = 10
"""From here on the expected maximum of N trials is a good approximation; below it only a single trial has an answer."""


@dataclass(frozen=True)
class Moments:
    """What the formulas need of a record of n sessions: Sharpe ratio (ddof = 1), skewness and non-excess kurtosis (normal: 3).

    The last two are of the sample itself, without a correction for its size, as in the papers' own code.
    """

    n: int
    sharpe: float
    skewness: float
    kurtosis: float


def moments(returns: ArrayLike) -> Moments:
    """Moments of returns per session, shape (n,). NaN is left out and not counted; all NaN where nothing varies."""
    values = np.asarray(returns, dtype=np.float64)
    known = values[~np.isnan(values)]
    if len(known) < 2 or np.ptp(known) == 0:
        return Moments(len(known), math.nan, math.nan, math.nan)
    standard = (known - known.mean()) / known.std()
    return Moments(len(known), float(known.mean() / known.std(ddof=1)), float(np.mean(standard**3)), float(np.mean(standard**4)))


def probabilistic_sharpe_2012(record: Moments, threshold: float = 0.0) -> float:
    """Probability that the true Sharpe ratio is above `threshold`, seen from this record: in [0, 1].

    Phi((SR - SR*) sqrt(n - 1) / sqrt(1 - skewness SR + (kurtosis - 1) / 4 SR^2)), the variance at the estimate SR.
    0 for a record that does not vary: it proves nothing. Source: 2012, section 3.
    """
    if math.isnan(record.sharpe):
        return 0.0
    return float(ndtr((record.sharpe - threshold) * math.sqrt(record.n - 1) / math.sqrt(unit_variance(record, record.sharpe))))


def minimum_track_record_2012(record: Moments, threshold: float = 0.0, *, level: float = 0.05) -> float:
    """Sessions after which the same Sharpe ratio and shape would prove a Sharpe ratio above `threshold` at `level`.

    1 + (1 - skewness SR + (kurtosis - 1) / 4 SR^2) (z / (SR - SR*))^2; inf where SR is not above SR*, or is NaN.
    Source: 2012, section 5.
    """
    if not record.sharpe > threshold:
        return math.inf
    return 1 + unit_variance(record, record.sharpe) * float(ndtri(1 - level) / (record.sharpe - threshold)) ** 2


def expected_maximum_2014(n_trials: float) -> float:
    """Expected maximum of N independent standard normal values, N >= 1; 0 for one.

    (1 - g) PhiInv(1 - 1 / N) + g PhiInv(1 - 1 / (N e)) with Euler's g. Source: 2014, equation of SR0.
    """
    if not n_trials >= 1:
        raise Misconfigured.value("n_trials", n_trials, "1 or more")
    if n_trials == 1:
        return 0.0
    return float((1 - np.euler_gamma) * ndtri(1 - 1 / n_trials) + np.euler_gamma * ndtri(1 - 1 / (n_trials * math.e)))


def deflated_sharpe_2014(record: Moments, n_trials: float, variance_of_trials: float) -> float:
    """Probability that the best of N trials has a true Sharpe ratio above 0, the luck of choosing it taken off.

    PSR at SR0 = sqrt(V) E[max_N], V the variance of the trials' Sharpe ratios per session. NaN between 1 and 10 trials,
    where E[max_N] is too rough. Source: 2014.
    """
    if 1 < n_trials < MIN_TRIALS:
        return math.nan
    return probabilistic_sharpe_2012(record, math.sqrt(variance_of_trials) * expected_maximum_2014(n_trials))


def effective_trials_2014(trials: ArrayLike) -> float:
    """Number of independent trials that trials of shape (T, N) are worth: c + (1 - c) N, c their mean correlation, not below 0.

    Trials that never vary are left out. Source: 2014, appendix on the number of independent trials.

    Raises
    ------
    BadData
        A return is NaN or no trial varies.
    """
    returns = np.asarray(trials, dtype=np.float64)
    if np.isnan(returns).any():
        raise BadData(f"{int(np.isnan(returns).sum())} returns of the trials were NaN, allowed: none.")
    moving = returns[:, np.ptp(returns, axis=0) > 0]
    n = moving.shape[1]
    if not n:
        raise BadData(f"None of the {returns.shape[1]} trials ever varied.")
    standard = (moving - moving.mean(axis=0)) / moving.std(axis=0)
    sum_of_correlations = float((standard.sum(axis=1) ** 2).mean())  # of all n * n pairs, without their matrix
    mean = (sum_of_correlations - n) / (n * (n - 1)) if n > 1 else 1.0
    correlation = min(max(mean, 0.0), 1.0)
    return float(correlation + (1 - correlation) * n)


def minimum_backtest_years_2014(n_trials: float, annual_sharpe: float) -> float:
    """Years of history below which the best of N worthless trials is expected to show `annual_sharpe`.

    (E[max_N] / SR)^2, which is below 2 ln N / SR^2. Source: 2014, Notices of the AMS.
    """
    if not annual_sharpe > 0:
        raise Misconfigured.value("annual_sharpe", annual_sharpe, "above 0")
    return float((expected_maximum_2014(n_trials) / annual_sharpe) ** 2)


def unit_variance(record: Moments, sharpe: float) -> float:
    """Variance of the estimate of a Sharpe ratio of `sharpe`, times the number of sessions, for returns of that shape.

    1 - skewness SR + (kurtosis - 1) / 4 SR^2. Source: Mertens 2002, in all editions.
    """
    variance = 1 - record.skewness * sharpe + (record.kurtosis - 1) / 4 * sharpe**2
    if not variance > 0:
        shape = f"skewness {record.skewness:.3g} and kurtosis {record.kurtosis:.3g}"
        raise BadData(f"A Sharpe ratio of {sharpe:.3g} with {shape} has no variance: no returns have such moments.")
    return variance
