"""What the model wants to hold."""

import pandera.pandas as pa
from pandera.typing import Series

ACTIONS = ("target", "hold", "excluded")
SCORE_KINDS = ("margin", "probability", "class", "none")


class Signals(pa.DataFrameModel):
    """One row per traded instrument. Known after the close of the decided session, before the next open.

    `weight` is the share of equity to hold where `action` is "target"; NaN otherwise: 0 never means hold.
    `score` is the model's own output in the unit that `score_kind` names (a margin is in the feature space's units).
    """

    symbol: Series[str]
    instrument: Series[str] = pa.Field(unique=True)
    action: Series[str] = pa.Field(isin=ACTIONS)
    weight: Series[float] = pa.Field(ge=-1, le=1, nullable=True)
    score: Series[float] = pa.Field(nullable=True)
    score_kind: Series[str] = pa.Field(isin=SCORE_KINDS)

    class Config:
        strict = True
