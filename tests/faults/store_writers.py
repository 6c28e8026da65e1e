"""Processes that write to a bar store, to be killed. Imported by the fork server, which never opens a table itself."""

from datetime import UTC, date, datetime
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path

import pandas as pd

from nightdesk.market.store import BarStore
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars
from tests.bars import clean_bars

SYMBOLS = ["AAPL", "^GSPC"]
KNOWN_AT = datetime(2019, 1, 7, 22, tzinfo=UTC)
NYSE = exchange_sessions("XNYS")
BARS = clean_bars(NYSE.between(date(2015, 1, 1), date(2018, 12, 31)), SYMBOLS, seed=0)


def append_session_by_session(folder: Path, bars: pd.DataFrame, ready: Event) -> None:
    store = BarStore(folder)
    ready.set()
    for _, session in bars.groupby(Bars.session):
        store.append_bars(session, NYSE, KNOWN_AT)


def append_by_month_at_the_barrier(folder: Path, bars: pd.DataFrame, start: Barrier) -> None:
    store = BarStore(folder)
    start.wait(timeout=60)
    for _, month in bars.groupby(bars[Bars.session].dt.month):
        store.append_bars(month, NYSE, KNOWN_AT)
