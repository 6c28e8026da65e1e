"""Orders of a book, as a table."""

import pandera.pandas as pa
from pandera.typing import DateTime, Series


class Orders(pa.DataFrameModel):
    """One row per order. Known when it was decided; `status` as of the reading.

    `quantity` is signed (plus buys), in shares; `reference_price` is the close at which it was sized.
    """

    order_id: Series[str] = pa.Field(unique=True)
    decided_session: Series[DateTime]
    execution_session: Series[DateTime]
    instrument: Series[str]
    quantity: Series[float] = pa.Field(ne=0)
    reference_price: Series[float] = pa.Field(gt=0)
    status: Series[str]

    class Config:
        strict = True
        coerce = True
