"""Bars, faults and sources that the tests of Yahoo share."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd

from nightdesk.market.yahoo import YahooSource
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars
from tests.bars import clean_bars
from tests.yahoo_server import ZONE, Chart, Fault, Listing, YahooServer, edited, yahoo_server

SESSIONS = exchange_sessions("XNYS").between(date(2022, 4, 1), date(2023, 6, 30))
FIRST, LAST = SESSIONS[0].date(), SESSIONS[-1].date()
SATURDAY = datetime(2023, 7, 1, 12, tzinfo=UTC)
PRICES = [Bars.open, Bars.high, Bars.low, Bars.close]


def traded(symbol: str, seed: int = 0, split: float = 4.0, at: int = 200) -> pd.DataFrame:
    """Bars as traded, with a split that the prices follow and two dividends."""
    bars = clean_bars(SESSIONS, [symbol], seed)
    bars.loc[at:, PRICES] /= split
    bars.loc[at, Bars.split] = split
    bars.loc[[100, 300], Bars.dividend] = [0.82, 0.25]
    return bars


@contextmanager
def seeded_server() -> Iterator[YahooServer]:
    """A share and an index on a port of this machine, on the Saturday after the last close."""
    with yahoo_server(SATURDAY) as server:
        server.listings = {"AAPL": Listing(traded("AAPL")), "^GSPC": Listing(clean_bars(SESSIONS, ["^GSPC"], 1), "INDEX")}
        yield server


def new_source(server: YahooServer, cache: Path, timeout_s: float = 5.0, retry_wait_s: float = 0.001) -> YahooSource:
    return YahooSource(cache / "yahoo", lambda: server.now, server.url, timeout_s, retry_wait_s)


def at_open(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T09:30").replace(tzinfo=ZONE).timestamp())


def blanked(*keys: str, row: int = -1) -> Fault:
    def edit(chart: Chart) -> None:
        for key in keys:
            if len(chart.get("timestamp", ())) > max(row, 1):  # else it is only the answer that has the time zone
                chart["indicators"]["quote"][0][key][row] = None

    return edited(edit)


def dropped(*days: date) -> Fault:
    """An answer without the bars of some days; their actions stay."""

    def edit(chart: Chart) -> None:
        stamps = chart.get("timestamp", [])
        kept = [row for row, stamp in enumerate(stamps) if datetime.fromtimestamp(stamp, ZONE).date() not in days]
        chart["timestamp"] = [stamps[row] for row in kept]
        for series in (*chart["indicators"]["quote"], *chart["indicators"]["adjclose"]):
            series.update({key: [values[row] for row in kept] for key, values in series.items()})

    return edited(edit)


def with_split(numerator: object, denominator: object, day: str = "2023-03-01") -> Fault:
    def edit(chart: Chart) -> None:
        event = {"date": at_open(day), "numerator": numerator, "denominator": denominator, "splitRatio": "?"}
        chart.setdefault("events", {}).setdefault("splits", {})["added"] = event

    return edited(edit)


def with_dividend(day: str, currency: str = "USD") -> Fault:
    def edit(chart: Chart) -> None:
        event = {"date": at_open(day), "amount": 0.5, "currency": currency}
        chart.setdefault("events", {}).setdefault("dividends", {})["added"] = event

    return edited(edit)


def removed(edit: Callable[[Chart], object]) -> Fault:
    return edited(lambda chart: (edit(chart), None)[1])


def emptied(chart: Chart) -> None:
    chart.pop("timestamp", None)
    chart["indicators"] = {"quote": [{}], "adjclose": [{}]}
