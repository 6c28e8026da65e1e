"""Weights to quantities."""

import numpy as np
from numpy.typing import NDArray

from schemas.trading import Sizing

Floats = NDArray[np.float64]


def total(values: Floats) -> float:
    """The sum from first to last, one after the other: the compiled simulation adds in the same order."""
    return float(values.cumsum()[-1]) if len(values) else 0.0


def floored(quantities: Floats, increment: float) -> Floats:
    """Quantities cut towards zero to whole increments; a billionth below a whole increment counts as whole."""
    steps = quantities / increment
    steps = np.trunc(steps + np.copysign(1e-9 + 1e-15 * np.abs(steps), steps))
    return np.round(steps * increment, 9) + 0.0


def invested_weights(weights: Floats, buffer: float) -> Floats:
    """Weights scaled down together until their absolute sum is at most 1 - buffer. NaN stays NaN and counts as nothing."""
    gross = total(np.abs(np.nan_to_num(weights)))
    return weights * min(1.0, (1.0 - buffer) / gross) if gross > 0 else weights


def target_quantities(weights: Floats, equity: float, closes: Floats, sizing: Sizing) -> Floats:
    """Quantity to hold of each instrument: weight x equity / close, floored to the increment. NaN where either is."""
    wanted = invested_weights(weights, sizing.buffer) * equity / closes
    return np.where(np.isnan(wanted), np.nan, floored(np.nan_to_num(wanted), sizing.increment))
