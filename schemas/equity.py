"""A book's equity, session by session."""

import pandera.pandas as pa
from pandera.typing import DateTime, Series


class Equity(pa.DataFrameModel):
    """One row per session of a book, sorted. Known after the close of `session`.

    `cash`, `positions_value` (at the close), `equity` and `flow` (deposits less withdrawals before the open) are in the
    book's currency, and equity = cash + positions_value. `benchmark` is what buying and holding the first session's
    capital would be worth. `exposure` is positions_value / equity.
    """

    session: Series[DateTime] = pa.Field(unique=True)
    cash: Series[float]
    positions_value: Series[float]
    equity: Series[float]
    flow: Series[float]
    benchmark: Series[float] = pa.Field(nullable=True)

    class Config:
        strict = True
        coerce = True
