"""Uncertainty of means over sessions that depend on one another: the circular block bootstrap.

Blocks of consecutive sessions are drawn with replacement from the record closed to a ring, so that every session is drawn
as often as any other; the last block is cut to the record's length. Source: Politis & Romano 1992, A Circular
Block-Resampling Procedure for Stationary Data. Columns of a session stay together. The random numbers derive from the data,
so the same data give the same answer.
"""

import hashlib
import math

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import stdtrit

Floats = NDArray[np.float64]

CELLS_AT_ONCE = 2_000_000
"""Block starts drawn at once: bounds the memory to some tens of MB whatever the length of the record."""

MIN_SESSIONS = 20
"""Fewer have no autocovariances to speak of."""


def seeded(*arrays: ArrayLike) -> np.random.Generator:
    """Random numbers that are a function of the values and shapes of the arrays alone (PCG64 seeded with their SHA-256)."""
    sha256 = hashlib.sha256()
    for array in arrays:
        values = np.ascontiguousarray(array, dtype="<f8") + 0.0  # -0.0 is 0.0
        sha256.update(f"{values.shape}".encode() + values.tobytes())
    return np.random.default_rng(int.from_bytes(sha256.digest(), "big"))


def block_length(values: ArrayLike) -> int:
    """Sessions in a block for the mean of `values`, shape (n,), no NaN: the least mean square error of its variance; at least 1.

    (2 g^2 / D)^(1/3) n^(1/3), rounded up, from autocovariances weighted by a flat-top window over twice the first lag from
    which on K in a row are insignificant; at most min(3 sqrt(n), n / 3). Source: Politis & White 2004, Automatic Block-Length
    Selection for the Dependent Bootstrap, Econometric Reviews 23(1), with D for circular blocks as corrected by Patton,
    Politis & White 2009, 28(4); the first lag is counted from 1, as in the authors' code.
    """
    x = np.asarray(values, dtype=np.float64)
    n = len(x)
    if n < MIN_SESSIONS or np.ptp(x) == 0:
        return 1
    in_a_row = max(5, int(math.log10(n)))
    autocovariance = _autocovariances(x - x.mean(), math.ceil(math.sqrt(n)) + in_a_row)
    m = min(2 * _first_quiet_lag(autocovariance, n, in_a_row), len(autocovariance) - 1)
    lag = np.arange(1, m + 1)
    weighted = np.minimum(1, 2 * (1 - lag / m)) * autocovariance[1 : m + 1]
    slope, spectrum = 2 * float(lag @ weighted), float(autocovariance[0] + 2 * weighted.sum())
    most = min(3 * math.sqrt(n), n / 3)
    if spectrum == 0:
        return math.ceil(most)
    best = math.cbrt(2 * slope**2 / (4 / 3 * spectrum**2) * n)
    return max(1, math.ceil(min(best, most)))


def resampled_means(rows: ArrayLike, length: int, n_resamples: int, random: np.random.Generator) -> Floats:
    """Column means of resamples of `rows`, shape (n, k), in blocks of `length` rows: shape (n_resamples, k). No NaN.

    Rows stay whole: what happened in one session is drawn together.
    """
    values = np.asarray(rows, dtype=np.float64)
    n, n_blocks = len(values), math.ceil(len(values) / length)
    whole, last = _sums_of_blocks(values, length), _sums_of_blocks(values, n - (n_blocks - 1) * length)
    at_once = max(1, CELLS_AT_ONCE // n_blocks)
    means = np.empty((n_resamples, values.shape[1]))
    for first in range(0, n_resamples, at_once):
        start = random.integers(0, n, size=(min(at_once, n_resamples - first), n_blocks))
        for column in range(values.shape[1]):
            sums = whole[column][start[:, 1:]].sum(axis=1) + last[column][start[:, 0]]
            means[first : first + len(start), column] = sums / n
    return means


def bounds(estimate: float, resampled: Floats, level: float, *, n: int, length: int) -> tuple[float, float]:
    """One-sided lower and upper bound of a statistic of n sessions, each with error `level`, from resamples in blocks.

    The estimate less and plus `critical_value` times the standard deviation of the resamples.
    """
    distance = critical_value(n, length, level) * float(resampled.std(ddof=1))
    return estimate - distance, estimate + distance


def critical_value(n: int, length: int, level: float) -> float:
    """Standard errors to a one-sided bound: more than the normal ones, for the variance comes from n / length blocks.

    Student's t with the 1.5 n / length degrees of freedom of a variance from overlapping blocks (the triangular window of
    Priestley 1981, Spectral Analysis and Time Series, table 6.2, at frequency 0), over sqrt(1 - length / n). Within 2 % of
    Kiefer & Vogelsang 2005, Econometric Theory 21(6), table 1, where length / n is up to 0.1.
    """
    share = length / n
    return float(stdtrit(1.5 / share, 1 - level)) / math.sqrt(1 - share)


def _autocovariances(centred: Floats, n_lags: int) -> Floats:
    n = len(centred)
    return np.array([centred[lag:] @ centred[: n - lag] / n for lag in range(n_lags + 1)])


def _first_quiet_lag(autocovariance: Floats, n: int, in_a_row: int) -> int:
    """The first lag of the first `in_a_row` autocorrelations that lie within their band; the largest lag if there are none."""
    inside = np.abs(autocovariance[1:] / autocovariance[0]) < 2 * math.sqrt(math.log10(n) / n)
    quiet = np.lib.stride_tricks.sliding_window_view(inside, in_a_row).all(axis=1)
    return int(np.argmax(quiet)) + 1 if quiet.any() else len(inside)


def _sums_of_blocks(values: Floats, length: int) -> list[Floats]:
    """Per column, the sum of the `length` values from each row on, around the ring."""
    ring = np.concatenate([values, values[: length - 1]])
    summed = np.cumsum(np.concatenate([np.zeros((1, values.shape[1])), ring]), axis=0)
    return list(np.ascontiguousarray((summed[length:] - summed[:-length]).T))
