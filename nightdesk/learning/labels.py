"""What the model learns to predict, from bars."""

import numpy as np
import pandas as pd

from schemas.bars import Bars
from schemas.labels import Labels
from schemas.learnt import Target


def labels(bars: pd.DataFrame, target: Target) -> pd.DataFrame:
    """The Labels of a Bars frame whose prices are already adjusted; sessions are counted over all symbols of the frame.

    `close_up` over h sessions compares close[t+h] with close[t]; `open_up` compares open[t+1+h] with open[t+1].
    Only rows of `bars` whose two prices both exist have a label: the newest are absent, not NaN. Looks ahead by its nature;
    `label_end` says how far.
    """
    column, lag = (Bars.close, 0) if target.name == "close_up" else (Bars.open, 1)
    ahead = lag + target.horizon_sessions
    panel = bars.pivot(index=Bars.session, columns=Bars.symbol, values=column)
    begin, end = panel.shift(-lag), panel.shift(-ahead)
    known = panel.notna() & begin.notna() & end.notna()
    row, symbol = np.nonzero(known.to_numpy())
    up = (end > begin).to_numpy()
    return pd.DataFrame(
        {
            Labels.session: panel.index[row],
            Labels.symbol: panel.columns[symbol],
            Labels.label: up[row, symbol].astype("int64"),
            Labels.label_end: panel.index[row + ahead],
        }
    )
