"""Daily bars from Alpaca's market data API, with the dividends and splits of its corporate actions beside them."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Final
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
from pydantic import SecretStr

from nightdesk.errors import Misconfigured
from nightdesk.market.alpaca_actions import actions, former_names, other_actions, with_actions
from schemas.bars import Bars
from schemas.strategy import ORDER_SYMBOL

if TYPE_CHECKING:
    from alpaca.data.historical.corporate_actions import CorporateActionsClient
    from alpaca.data.historical.stock import StockHistoricalDataClient
    from alpaca.data.timeframe import TimeFrame

    from nightdesk.alpaca_http import Records

NEW_YORK: Final = ZoneInfo("America/New_York")
EARLIEST: Final = date(2016, 1, 1)
"""Alpaca has no bar before this year."""
DELAY: Final = timedelta(minutes=16)
"""Without a subscription the last 15 minutes are refused; one more for a clock that is ahead."""
SYMBOLS_A_REQUEST: Final = 200
"""So many symbols make an address of at most 2,500 characters."""
LEAD: Final = timedelta(days=10)
"""So much more is asked for at the beginning: an action may belong to the next bar, and may be processed before its ex-date."""
PROCESSED_WITHIN: Final = timedelta(days=366)
"""Alpaca finds actions by the day it processes them: for a dividend that is the day it is paid, long after its ex-date."""

COLUMNS: Final = {"o": Bars.open, "h": Bars.high, "l": Bars.low, "c": Bars.close, "v": Bars.volume}
DTYPES: Final = {Bars.session: "datetime64[ns]", Bars.symbol: "str"} | dict.fromkeys(COLUMNS.values(), "float64")


class AlpacaSource:
    """US stocks and funds as traded on all exchanges, from 2016 on. Indices, as ^GSPC, are refused: Alpaca has none.

    `now` says the present instant, tz-aware. An empty `base_url` is Alpaca's own.
    """

    name: Final = "alpaca"
    currency: Final = "USD"
    span: Final[tuple[date, date] | None] = None
    opens: Final[date | None] = None

    def __init__(self, key_id: str, secret_key: SecretStr, now: Callable[[], datetime], base_url: str = "") -> None:
        self._key_id, self._secret_key, self._now, self._base_url = key_id, secret_key, now, base_url

    def fetch_bars(self, symbols: Sequence[str], first: date, last: date) -> pd.DataFrame:
        """`Bars` from `first` to `last`, both included, as they stood 16 minutes ago.

        `attrs["notes"]` names what else happened to a symbol, as a spin-off. Raises `Misconfigured` for missing or refused keys,
        and for a symbol that Alpaca has no bar of since 2016; `TryAgain` where it could not be asked.
        """
        from nightdesk.alpaca_http import require_access

        asked = sorted(set(symbols))
        require_access(self._key_id, self._secret_key, self._base_url)
        _require_symbols(asked)
        begin = max(first, EARLIEST) - LEAD
        rows = self._fetch_rows(asked, begin, last)
        self._refuse_unknown(sorted(set(asked) - set(rows[Bars.symbol])))
        listed = self._fetch_actions(asked, begin)
        bars = with_actions(rows, actions(listed))
        wanted = bars[Bars.session].between(pd.Timestamp(first), pd.Timestamp(last)) | bars[Bars.session].isna()
        cut = bars[wanted].reset_index(drop=True)
        if notes := other_actions(listed, asked, first, last):
            cut.attrs["notes"] = notes
        return cut

    def _fetch_rows(self, symbols: Sequence[str], first: date, last: date) -> pd.DataFrame:
        """Bars without their actions, sorted by (session, symbol)."""
        from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

        points = dict(self._fetch_points(symbols, TimeFrame(1, TimeFrameUnit.Day), first, last))
        return _frame(points).sort_values([Bars.session, Bars.symbol], ignore_index=True)

    def _refuse_unknown(self, symbols: Sequence[str]) -> None:
        """Raise `Misconfigured` for symbols without any bar at all: Alpaca answers for them as for a day without a session."""
        from alpaca.data.timeframe import TimeFrame, TimeFrameUnit

        year = TimeFrame(12, TimeFrameUnit.Month)
        with_bars = {symbol for symbol, points in self._fetch_points(symbols, year, EARLIEST, date.max) if points}
        if unknown := [symbol for symbol in symbols if symbol not in with_bars]:
            raise Misconfigured.value("symbol", ", ".join(unknown), f"symbols that Alpaca has bars of since {EARLIEST:%Y}")

    def _fetch_points(
        self, symbols: Sequence[str], timeframe: "TimeFrame", first: date, last: date
    ) -> Iterator[tuple[str, "Records"]]:
        """Each symbol with its points, as they come over the wire."""
        from alpaca.data.enums import Adjustment, DataFeed
        from alpaca.data.requests import StockBarsRequest

        from nightdesk.alpaca_http import fetch_records

        begin, end = _instants(first, last, self._now() - DELAY)
        client = self._bars_client()
        for group in _groups(symbols) if begin < end else ():
            request = StockBarsRequest(
                symbol_or_symbols=group, timeframe=timeframe, start=begin, end=end, adjustment=Adjustment.RAW, feed=DataFeed.SIP
            )
            answer = fetch_records(partial(client.get_stock_bars, request))
            yield from ((symbol, answer.get(symbol, [])) for symbol in group)

    def _fetch_actions(self, symbols: Sequence[str], first: date) -> dict[str, "Records"]:
        """All actions since `first`, by kind; those of former names too."""
        listed: dict[str, Records] = {}
        known: list[str] = []
        wanted = list(symbols)
        while wanted:
            for group in _groups(wanted):
                for kind, rows in self._fetch_action_group(group, first).items():
                    listed.setdefault(kind, []).extend(rows)
            known += wanted
            wanted = former_names(listed, known)
        return listed

    def _fetch_action_group(self, symbols: list[str], first: date) -> dict[str, "Records"]:
        from alpaca.data.requests import CorporateActionsRequest

        from nightdesk.alpaca_http import fetch_records

        end = self._now().date() + PROCESSED_WITHIN
        # the SDK's own limit of 1,000 would end the paging there; without types it also asks for kinds that it does not know
        request = CorporateActionsRequest(symbols=symbols, start=first, end=end, limit=None)
        client = self._actions_client()
        return fetch_records(partial(client.get_corporate_actions, request))

    def _bars_client(self) -> "StockHistoricalDataClient":
        from alpaca.data.historical.stock import StockHistoricalDataClient

        from nightdesk.alpaca_http import read_through

        secret = self._secret_key.get_secret_value()
        client = StockHistoricalDataClient(self._key_id, secret, raw_data=True, url_override=self._base_url or None)
        read_through(client)
        return client

    def _actions_client(self) -> "CorporateActionsClient":
        from alpaca.data.historical.corporate_actions import CorporateActionsClient

        from nightdesk.alpaca_http import read_through

        secret = self._secret_key.get_secret_value()
        client = CorporateActionsClient(self._key_id, secret, raw_data=True, url_override=self._base_url or None)
        read_through(client)
        return client


def _require_symbols(symbols: Sequence[str]) -> None:
    for symbol in symbols:
        if re.fullmatch(ORDER_SYMBOL, symbol) is None:
            raise Misconfigured.value("symbol", symbol[:80], f"a match of {ORDER_SYMBOL}; Alpaca has no indices")


def _groups(symbols: Sequence[str]) -> list[list[str]]:
    return [list(symbols[at : at + SYMBOLS_A_REQUEST]) for at in range(0, len(symbols), SYMBOLS_A_REQUEST)]


def _instants(first: date, last: date, newest: datetime) -> tuple[datetime, datetime]:
    """From the first moment of a day in New York to the last of another, but not after `newest`."""
    last_day = min(last, newest.astimezone(NEW_YORK).date())
    begin = datetime.combine(first, time.min, NEW_YORK)
    return begin, min(datetime.combine(last_day, time(23, 59, 59), NEW_YORK), newest)


def _frame(points: Mapping[str, "Records"]) -> pd.DataFrame:
    """The points of each symbol: `t`, midnight in New York as an instant, becomes the session. What is no number is NaN."""
    names = np.repeat(np.array(list(points), dtype=object), [len(rows) for rows in points.values()])
    table = pd.DataFrame(list(chain.from_iterable(points.values())), columns=["t", *COLUMNS])
    instants = pd.to_datetime(table["t"], utc=True, errors="coerce", format="ISO8601")
    sessions = instants.dt.tz_convert(NEW_YORK).dt.normalize().dt.tz_localize(None)
    numbers = {name: pd.to_numeric(table[key], errors="coerce") for key, name in COLUMNS.items()}
    return pd.DataFrame({Bars.session: sessions, Bars.symbol: names, **numbers}).astype(DTYPES)
