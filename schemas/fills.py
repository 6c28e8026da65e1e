"""Fills of a book, as a table."""

import pandera.pandas as pa
from pandera.typing import DateTime, Series


class Fills(pa.DataFrameModel):
    """One row per fill. Known at the session's open.

    `quantity` is signed (plus buys), in shares; `price` includes slippage; `commission` and `slippage` are costs in the
    book's currency, never negative.
    """

    fill_id: Series[str] = pa.Field(unique=True)
    order_id: Series[str]
    session: Series[DateTime]
    instrument: Series[str]
    quantity: Series[float] = pa.Field(ne=0)
    price: Series[float] = pa.Field(gt=0)
    commission: Series[float] = pa.Field(ge=0)
    slippage: Series[float] = pa.Field(ge=0)

    class Config:
        strict = True
        coerce = True
