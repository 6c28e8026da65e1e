"""Whether choosing the best of many trials chose anything: probability of backtest overfitting by symmetric cross-validation.

Source: Bailey, Borwein, Lopez de Prado & Zhu 2017, The Probability of Backtest Overfitting, Journal of Computational
Finance 20(4): CSCV with the Sharpe ratio as the measure.
"""

import itertools
import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nightdesk.errors import BadData, Misconfigured

Floats = NDArray[np.float64]

CELLS_AT_ONCE = 2_000_000
"""Splits times trials held at once: bounds the memory to about 200 MB whatever the number of trials."""

MAX_BLOCKS = 20
"""C(20, 10) = 184,756 splits; 16 blocks, the paper's choice, have 12,870."""


@dataclass(frozen=True)
class Overfitting:
    """`logits` has one value a split, shape (C(n_blocks, n_blocks / 2),), in the order of the blocks' combinations.

    A logit is ln(w / (1 - w)) with w = rank / (N + 1), the out-of-sample rank (1 is worst) of the trial that was best in
    sample. `probability` is the share of logits <= 0: the chosen trial was no better than the median.
    """

    probability: float
    logits: Floats
    n_trials: int
    n_blocks: int
    n_sessions: int


def overfitting(trials: ArrayLike, n_blocks: int = 16) -> Overfitting:
    """CSCV of returns per session of N trials, shape (T, N), in order of time.

    The oldest T mod n_blocks sessions are left out, so that blocks are equal. A trial that does not vary in a part has the Sharpe
    ratio 0 there if it is flat, else one without bound. Equal ranks count as their mean; of trials equally best in sample the
    worst out of sample counts.

    Raises
    ------
    Misconfigured
        `n_blocks` is odd or out of range.
    BadData
        Fewer than two trials, fewer than two sessions a block, or a return that is not finite.
    """
    returns = _checked(np.asarray(trials, dtype=np.float64), n_blocks)
    sums, squares, means = _sums_of_blocks(returns, n_blocks)
    half = len(returns) // 2
    n_splits, n_trials = math.comb(n_blocks, n_blocks // 2), returns.shape[1]
    chosen = itertools.combinations(range(n_blocks), n_blocks // 2)
    at_once = max(1, CELLS_AT_ONCE // n_trials)
    parts = []
    for _ in range(0, n_splits, at_once):
        in_sample = _memberships(list(itertools.islice(chosen, at_once)), n_blocks)
        inside = _sharpes(in_sample @ sums, in_sample @ squares, means, half)
        outside = _sharpes((1 - in_sample) @ sums, (1 - in_sample) @ squares, means, half)
        parts.append(_ranks_of_best(inside, outside))
    share = np.concatenate(parts) / (n_trials + 1)
    logits = np.log(share / (1 - share))
    return Overfitting(float(np.mean(logits <= 0)), logits, n_trials, n_blocks, len(returns))


def _checked(returns: Floats, n_blocks: int) -> Floats:
    if n_blocks % 2 or not 2 <= n_blocks <= MAX_BLOCKS:
        raise Misconfigured.value("n_blocks", n_blocks, f"an even number from 2 to {MAX_BLOCKS}")
    if returns.ndim != 2 or returns.shape[1] < 2:
        raise BadData(f"The trials had the shape {returns.shape}, allowed: sessions x trials with 2 trials or more.")
    if not np.isfinite(returns).all():
        raise BadData(f"{int((~np.isfinite(returns)).sum())} returns of the trials were not finite numbers, allowed: none.")
    if len(returns) < 2 * n_blocks:
        raise BadData(f"The trials had {len(returns)} sessions, allowed: {2 * n_blocks} or more for {n_blocks} blocks.")
    return returns[len(returns) % n_blocks :]


def _sums_of_blocks(returns: Floats, n_blocks: int) -> tuple[Floats, Floats, Floats]:
    """Sums and sums of squares by block, shape (n_blocks, N), of the returns less each trial's mean; and these means."""
    means = returns.mean(axis=0)
    centred = (returns - means).reshape(n_blocks, -1, returns.shape[1])
    return centred.sum(axis=1), (centred**2).sum(axis=1), means


def _memberships(chosen: list[tuple[int, ...]], n_blocks: int) -> Floats:
    """1.0 where a block is in sample: a row a split, a column a block."""
    rows = np.zeros((len(chosen), n_blocks))
    np.put_along_axis(rows, np.array(chosen), 1.0, axis=1)
    return rows


def _sharpes(sums: Floats, squares: Floats, means: Floats, n: int) -> Floats:
    """Sharpe ratios per session (ddof = 1) from sums over `n` centred returns; 0 where the mean is 0 too."""
    average = sums / n
    deviation = np.sqrt(np.maximum(squares - sums * average, 0.0) / (n - 1))
    mean = average + means
    with np.errstate(divide="ignore"):
        return np.divide(mean, deviation, out=np.zeros_like(mean), where=mean != 0)


def _ranks_of_best(inside: Floats, outside: Floats) -> Floats:
    """Out-of-sample rank, 1 to N, of each row's best in sample."""
    is_best = inside == inside.max(axis=1, keepdims=True)
    best = np.where(is_best, outside, np.inf).min(axis=1, keepdims=True)
    lower, equal = (outside < best).sum(axis=1), (outside == best).sum(axis=1)
    return np.asarray(lower + (equal + 1) / 2, dtype=np.float64)
