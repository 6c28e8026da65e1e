"""Processes that write to a bar store, to be killed. Imported by the fork server, which never opens a table itself."""

import os
from collections.abc import Mapping
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


def append_by_month_at_the_barrier(
    place: Path | str, bars: pd.DataFrame, start: Barrier, environment: Mapping[str, str] | None = None
) -> None:
    os.environ.update(environment or {})
    store = BarStore(place)
    start.wait(timeout=60)
    for _, month in bars.groupby(bars[Bars.session].dt.month):
        store.append_bars(month, NYSE, KNOWN_AT)


def compact_once(folder: Path, ready: Event) -> None:
    store = BarStore(folder)
    store.load_bars(SYMBOLS, KNOWN_AT)
    ready.set()
    store.compact_bars()


def compact_again_and_again(
    place: Path | str, start: Barrier, ended: Event, environment: Mapping[str, str] | None = None
) -> None:
    """Until it is told that the others have ended, and once more. Fails where it never had anything to do."""
    os.environ.update(environment or {})
    store = BarStore(place)
    start.wait(timeout=60)
    merged = 0
    while not ended.is_set():
        merged += store.compact_bars()
    if merged + store.compact_bars() == 0:
        raise SystemExit("nothing was ever compacted")
