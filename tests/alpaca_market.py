"""A made-up market at Alpaca, as its local server shows it, and the source that reads it."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache

import numpy as np
import pandas as pd
from pydantic import SecretStr

from nightdesk.market.alpaca import AlpacaSource
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars
from tests.alpaca_data_server import KEY_ID, SECRET_KEY, AlpacaServer, at_close, listed, running
from tests.bars import clean_bars

FIRST, LAST = date(2020, 8, 3), date(2020, 9, 30)
SESSIONS = exchange_sessions("XNYS").between(date(2020, 6, 1), LAST)
NUMBERS = [Bars.open, Bars.high, Bars.low, Bars.close]


def with_cells(bars: pd.DataFrame, symbol: str, session: str, **values: float) -> pd.DataFrame:
    at = (bars[Bars.symbol] == symbol) & (bars[Bars.session] == session)
    return bars.assign(**{column: bars[column].mask(at, value) for column, value in values.items()})


@cache
def seeded_bars() -> pd.DataFrame:
    """Made-up bars around real facts: Apple's dividend of 0.82 (ex 2020-08-07) and its split of 4:1 (2020-08-31).

    Its closes as traded were 499.23 on the 28th and 129.04 on the 31st. Public record: NASDAQ's historical data.
    """
    bars = clean_bars(SESSIONS, ["AAPL", "BRK.B", "KO"], seed=11)
    unsplit = (bars[Bars.symbol] == "AAPL") & (bars[Bars.session] < "2020-08-31")
    merged = (bars[Bars.symbol] == "KO") & (bars[Bars.session] >= "2020-09-14")
    scale = np.where(unsplit, 4.0, np.where(merged, 2.0, 1.0))
    bars = bars.assign(**{column: bars[column] * scale for column in NUMBERS})
    bars = with_cells(bars, "AAPL", "2020-08-28", open=504.05, high=505.77, low=498.31, close=499.23)
    bars = with_cells(bars, "AAPL", "2020-08-31", open=127.58, high=131.0, low=126.0, close=129.04, split=4.0)
    bars = with_cells(bars, "AAPL", "2020-08-07", dividend=0.82)
    return with_cells(bars, "KO", "2020-09-14", dividend=0.41, split=0.5)


@contextmanager
def seeded_server() -> Iterator[AlpacaServer]:
    """Those bars and what the companies paid, on a port of this machine, after the last close."""
    bars = seeded_bars()
    with running(AlpacaServer(at_close(LAST), bars, listed(bars))) as server:
        yield server


def source_at(server: AlpacaServer, key_id: str = KEY_ID, secret: str = SECRET_KEY) -> AlpacaSource:
    return AlpacaSource(key_id, SecretStr(secret), lambda: server.now, server.url)


def of(bars: pd.DataFrame, symbols: list[str], first: date = FIRST, last: date = LAST) -> pd.DataFrame:
    days = bars[Bars.session].between(pd.Timestamp(first), pd.Timestamp(last))
    return bars[bars[Bars.symbol].isin(symbols) & days].reset_index(drop=True)
