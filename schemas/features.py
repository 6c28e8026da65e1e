"""The feature matrix."""

import pandera.pandas as pa
from pandera.typing import DateTime, Series


class Features(pa.DataFrameModel):
    """One row per (session, symbol), sorted by both; one float column per feature beside the two keys.

    Known at the close of `session`: nothing in a row looks later. NaN where a feature's window is not yet full.
    """

    session: Series[DateTime]
    symbol: Series[str]

    class Config:
        strict = False
        unique = ["session", "symbol"]  # noqa: RUF012 - pandera's own way to name a key
