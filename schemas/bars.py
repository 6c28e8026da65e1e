"""Daily bars."""

import pandera.pandas as pa
from pandera.typing import DateTime, Series


class Bars(pa.DataFrameModel):
    """One row per (session, symbol), sorted by both. Known some minutes after the session's close.

    Prices are as traded, in the symbol's currency. `volume` is in shares of the session. `dividend` is cash a share with
    its ex-date in this session (0.0 without), `split` the new shares for an old one effective before this session's open
    (1.0 without). `session` is a tz-naive date that is an exchange session.
    """

    session: Series[DateTime]
    symbol: Series[str]
    open: Series[float] = pa.Field(gt=0)
    high: Series[float] = pa.Field(gt=0)
    low: Series[float] = pa.Field(gt=0)
    close: Series[float] = pa.Field(gt=0)
    volume: Series[float] = pa.Field(ge=0)
    dividend: Series[float] = pa.Field(ge=0)
    split: Series[float] = pa.Field(gt=0)

    class Config:
        strict = True
        coerce = True
        unique = ["session", "symbol"]  # noqa: RUF012 - pandera's own way to name a key
