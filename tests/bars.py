"""Clean bars, made up. Prices wander at random; every accounting rule of a bar holds."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from schemas.bars import Bars


def clean_bars(sessions: pd.DatetimeIndex, symbols: Sequence[str], seed: int) -> pd.DataFrame:
    """A valid `Bars` frame, one row per (session, symbol), sorted by both; no open repeats a close."""
    names = sorted(symbols)
    shape = (len(sessions), len(names))
    noise = np.random.default_rng(seed)
    close = 100 * np.exp(np.cumsum(noise.normal(0, 0.01, shape), axis=0))
    open_ = close * np.exp(noise.normal(0, 0.005, shape))
    high = np.maximum(open_, close) * (1 + noise.uniform(0.0001, 0.01, shape))
    low = np.minimum(open_, close) * (1 - noise.uniform(0.0001, 0.01, shape))
    volume = noise.integers(1, 10**9, shape).astype(float)
    columns = {Bars.open: open_, Bars.high: high, Bars.low: low, Bars.close: close, Bars.volume: volume}
    keys = {
        Bars.session: np.repeat(sessions.as_unit("ns").to_numpy(), len(names)),
        Bars.symbol: pd.array(np.tile(np.array(names, dtype=object), len(sessions)), dtype="str"),
    }
    values = {column: panel.ravel() for column, panel in columns.items()}
    return pd.DataFrame({**keys, **values, Bars.dividend: 0.0, Bars.split: 1.0})
