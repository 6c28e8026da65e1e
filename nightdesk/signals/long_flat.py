"""From what a model says to target weights: long, and flat or short."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from schemas.signals import Signals
from schemas.strategy import Instrument, Signal

Floats = NDArray[np.float64]
LONG_FLAT = Signal()


def sides(predicted: Floats, scores: Floats, score_kind: str, signal: Signal) -> Floats:
    """1 long, -1 short, 0 flat, NaN where nothing was predicted (1 up, 0 not).

    With a threshold long is a score above it; short, in long_short, a margin below its negative, else a score below 1 less it.
    """
    if signal.threshold is None:
        up, down = predicted == 1.0, predicted == 0.0
    else:
        up = scores > signal.threshold
        down = ~up & (scores < (-signal.threshold if score_kind == "margin" else 1.0 - signal.threshold))
    wanted = np.where(up, 1.0, np.where(down & (signal.kind == "long_short"), -1.0, 0.0))
    return np.where(np.isnan(predicted), np.nan, wanted)


def equal_weights(side: Floats) -> Floats:
    """Target weights of sides, instruments last: equal shares in what is long or short, NaN holds."""
    return np.asarray(side / side.shape[-1])


def long_flat(
    instruments: Sequence[Instrument],
    predicted: pd.Series,
    scores: pd.Series,
    score_kind: str,
    signal: Signal = LONG_FLAT,
) -> pd.DataFrame:
    """The `Signals` frame: equal shares in what is to be long or short, zero in what is not, `hold` where nothing was predicted.

    `predicted` (1 up, 0 not) and `scores` are indexed by data symbol; a symbol that is absent or NaN has no prediction.
    """
    symbols = [row.signal for row in instruments]
    said, told = (series.reindex(symbols).to_numpy(dtype=float) for series in (predicted, scores))
    side = sides(said, told, score_kind, signal)
    known = ~np.isnan(side)
    frame = pd.DataFrame(
        {
            Signals.symbol: symbols,
            Signals.instrument: [row.instrument for row in instruments],
            Signals.action: np.where(known, "target", "hold"),
            Signals.weight: equal_weights(side),
            Signals.score: told,
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
