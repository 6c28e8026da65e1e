"""What the model learns to predict."""

import pandera.pandas as pa
from pandera.typing import DateTime, Series


class Labels(pa.DataFrameModel):
    """One row per (session, symbol), sorted by both. Known only at the close (or open) of `label_end`, never at `session`.

    `label` is 1 where the move that the strategy names was up, else 0.
    """

    session: Series[DateTime]
    symbol: Series[str]
    label: Series[int] = pa.Field(isin=[0, 1])
    label_end: Series[DateTime]

    class Config:
        strict = True
        unique = ["session", "symbol"]  # noqa: RUF012 - pandera's own way to name a key
