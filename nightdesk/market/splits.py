"""Vendors that rescale the past at a split, undone. Pure."""

import numpy as np
import pandas as pd

from schemas.bars import Bars

RESCALED = [Bars.open, Bars.high, Bars.low, Bars.close, Bars.dividend]


def unsplit(bars: pd.DataFrame) -> pd.DataFrame:
    """Bars as traded, from bars that the vendor adjusted for splits (not for dividends); rows in the same order.

    Prices and dividends are multiplied by the product of the symbol's later splits, volume is divided by it. So the frame
    must reach to the last split that the vendor has applied: rows that are not wanted are cut off afterwards.
    """
    ordered = bars.sort_values([Bars.symbol, Bars.session], ascending=[True, False], kind="stable")
    after = ordered.groupby(Bars.symbol)[Bars.split].shift(fill_value=1.0)
    later = after.groupby(ordered[Bars.symbol]).cumprod().reindex(bars.index).to_numpy(float)
    raw = {column: bars[column].to_numpy(float) * later for column in RESCALED}
    volume = np.round(bars[Bars.volume].to_numpy(float) / later, 6)
    return bars.assign(**raw, **{Bars.volume: volume})
