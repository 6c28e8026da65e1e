"""What a model's test predictions would have earned, to compare models by eye."""

import pandas as pd

from schemas.bars import Bars
from schemas.equity import Equity

START = 100.0


def window_equity(predictions: pd.DataFrame, bars: pd.DataFrame) -> pd.DataFrame:
    """The `Equity` frame of holding what was predicted up, from 100, before costs, beside holding everything.

    `predictions` has session, symbol and predicted (1 up); a prediction of t earns open to open, from t + 1 to t + 2, which
    is what a fill at the next open earns, and is booked on the next row: the first row is 100. Symbols count equally.
    Sessions whose opens are not yet known earn nothing.
    """
    opens = bars.pivot(index=Bars.session, columns=Bars.symbol, values=Bars.open)
    said = predictions.pivot(index=Bars.session, columns=Bars.symbol, values="predicted")
    earned = (opens.shift(-2) / opens.shift(-1) - 1.0).reindex(index=said.index, columns=said.columns)
    model = (earned * said).mean(axis=1).shift(1).fillna(0.0)
    held = earned.mean(axis=1).shift(1).fillna(0.0)
    equity = START * (1.0 + model).cumprod()
    invested = equity * said.mean(axis=1)
    return pd.DataFrame(
        {
            Equity.session: said.index,
            Equity.cash: (equity - invested).to_numpy(),
            Equity.positions_value: invested.to_numpy(),
            Equity.equity: equity.to_numpy(),
            Equity.flow: 0.0,
            Equity.benchmark: (START * (1.0 + held).cumprod()).to_numpy(),
        }
    )
