"""What a record earned beyond its share of the benchmark, and how sure that is."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nightdesk.errors import BadData
from nightdesk.performance.bootstrap import block_length, bounds, resampled_means, seeded

Floats = NDArray[np.float64]

N_RESAMPLES = 2_000


@dataclass(frozen=True)
class Excess:
    """`per_session` is the mean return less `beta` times the benchmark's; `lower` and `upper` are one-sided bounds of it.

    `n` is the number of sessions, `block_sessions` the length of the blocks that were drawn.
    """

    per_session: float
    beta: float
    lower: float
    upper: float
    n: int
    block_sessions: int


def excess_over_benchmark(returns: ArrayLike, benchmark: ArrayLike, *, level: float) -> Excess:
    """Excess over the benchmark held at the record's own beta: the intercept of the least-squares line, both shape (n,).

    Sessions in which either is NaN are left out. A resample draws the pairs of a session together, in blocks of
    `block_length` of the residuals, and estimates beta anew, so that the bounds carry the error of beta too. Jensen's alpha
    at a risk-free rate of 0.

    Raises
    ------
    BadData
        The benchmark does not move.
    """
    own, market = _paired(np.asarray(returns, dtype=np.float64), np.asarray(benchmark, dtype=np.float64))
    if len(market) < 2 or np.ptp(market) == 0:
        raise BadData(f"The benchmark did not move in {len(market)} sessions: there is no beta to match.")
    y, x = own - own.mean(), market - market.mean()
    beta = float(x @ y / (x @ x))
    excess = float(own.mean() - beta * market.mean())
    length = block_length(y - beta * x)
    means = resampled_means(np.column_stack([y, x, x * y, x * x]), length, N_RESAMPLES, seeded(own, market))
    resampled = _intercepts(means, float(own.mean()), float(market.mean()))
    lower, upper = bounds(excess, resampled, level, n=len(own), length=length)
    return Excess(excess, beta, lower, upper, len(own), length)


def _paired(own: Floats, market: Floats) -> tuple[Floats, Floats]:
    if own.shape != market.shape or own.ndim != 1:
        raise BadData(f"The returns had the shape {own.shape} and the benchmark {market.shape}, allowed: one of each a session.")
    both = ~(np.isnan(own) | np.isnan(market))
    return own[both], market[both]


def _intercepts(means: Floats, own_mean: float, market_mean: float) -> Floats:
    """From means of y, x, xy and xx (centred) the intercept of each resample's own line; beta is 0 where x did not move."""
    y, x, xy, xx = means.T
    variance = xx - x * x
    beta = np.divide(xy - x * y, variance, out=np.zeros_like(y), where=variance > 0)
    return np.asarray(y + own_mean - beta * (x + market_mean))
