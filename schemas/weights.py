"""Target weights that were made elsewhere, as a table."""

import pandera.pandas as pa
from pandera.typing import DateTime, Series


class Weights(pa.DataFrameModel):
    """One row per (session, symbol) whose target changes or is repeated. Known at the close of `session`.

    `weight` is the share of equity to hold, signed; 0 closes. A session without a row for a symbol holds it.
    """

    session: Series[DateTime]
    symbol: Series[str]
    weight: Series[float]

    class Config:
        strict = True
        coerce = True
        unique = ("session", "symbol")
