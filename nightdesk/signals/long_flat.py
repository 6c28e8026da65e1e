"""Long when the model says up, else flat."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from schemas.signals import Signals
from schemas.strategy import Instrument


def long_flat_weights(up: NDArray[np.float64]) -> NDArray[np.float64]:
    """Target weights of predictions (1 up, 0 not, NaN none), instruments last: equal shares in what is up, NaN holds."""
    return np.asarray(up / up.shape[-1])


def said_up(predicted: NDArray[np.float64], scores: NDArray[np.float64], threshold: float | None) -> NDArray[np.float64]:
    """1 where the score is above the threshold, 0 where not, NaN where nothing was predicted; without one what was predicted."""
    if threshold is None:
        return predicted
    return np.where(np.isnan(predicted), np.nan, (scores > threshold).astype(float))


def long_flat(
    instruments: Sequence[Instrument],
    predicted: pd.Series,
    scores: pd.Series,
    score_kind: str,
) -> pd.DataFrame:
    """The `Signals` frame: equal shares in what is predicted up, zero in what is not, `hold` where nothing was.

    `predicted` (1 up, 0 not) and `scores` are indexed by data symbol; a symbol that is absent or NaN has no prediction.
    """
    symbols = [row.signal for row in instruments]
    up = predicted.reindex(symbols).to_numpy(dtype=float)
    known = ~np.isnan(up)
    frame = pd.DataFrame(
        {
            Signals.symbol: symbols,
            Signals.instrument: [row.instrument for row in instruments],
            Signals.action: np.where(known, "target", "hold"),
            Signals.weight: long_flat_weights(up),
            Signals.score: scores.reindex(symbols).to_numpy(dtype=float),
            Signals.score_kind: score_kind,
        }
    )
    return frame


def flat(instruments: Sequence[Instrument]) -> pd.DataFrame:
    """The `Signals` frame that holds nothing: no model may trade, or the book is being closed."""
    count = len(instruments)
    return pd.DataFrame(
        {
            Signals.symbol: [row.signal for row in instruments],
            Signals.instrument: [row.instrument for row in instruments],
            Signals.action: ["target"] * count,
            Signals.weight: np.zeros(count),
            Signals.score: np.full(count, np.nan),
            Signals.score_kind: ["none"] * count,
        }
    )
