"""Daily bars from Yahoo, asked for through yfinance and given back as traded."""

import re
import threading
from collections.abc import Callable, Collection, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

import numpy as np
import pandas as pd
from tenacity import Retrying, retry_if_exception_type, stop_after_attempt, stop_before_delay, wait_exponential, wait_random

from nightdesk.errors import BadData, Misconfigured, TryAgain
from nightdesk.market.splits import unsplit
from schemas.bars import Bars
from schemas.strategy import DATA_SYMBOL

if TYPE_CHECKING:
    from nightdesk.market.yahoo_chart import Chart, ChartSession

ASKED_AT_LEAST: Final = timedelta(days=10)
"""So many days are always asked for: a symbol that is traded has a bar among them, and an answer without any is a failure."""
MISSING_AT_THE_END: Final = timedelta(days=7)
"""An answer may end so much before the last trade: a late bar, around holidays. Later splits are then still among its events."""
ATTEMPTS: Final = 4
DEADLINE_TIMEOUTS: Final = 6
"""No attempt for a symbol begins, and no request goes on, after so many times the longest wait for one answer."""
THREADS: Final = 4

PRICES: Final = {"Open": Bars.open, "High": Bars.high, "Low": Bars.low, "Close": Bars.close}
COLUMNS: Final = list(Bars.to_schema().columns)
DTYPES: Final = dict.fromkeys(COLUMNS, "float64") | {Bars.session: "datetime64[ns]", Bars.symbol: "str"}

_ONE_AT_A_TIME = threading.Lock()
"""yfinance has one session, one crumb and one cache for the whole process."""


class YahooSource:
    """Stocks, funds and indices in US dollars, as traded. yfinance writes only to `cache`.

    `now` says the present instant, tz-aware: Yahoo's prices are adjusted for every split up to it. With a `base_url` every
    request goes there instead, and nowhere else. An answer is waited for `timeout_s`; the first retry comes after `retry_wait_s`.
    """

    name: Final = "yahoo"
    currency: Final = "USD"
    span: Final[tuple[date, date] | None] = None
    opens: Final[date | None] = None

    def __init__(
        self, cache: Path, now: Callable[[], datetime], base_url: str = "", timeout_s: float = 10.0, retry_wait_s: float = 2.0
    ) -> None:
        if base_url and not (base_url.startswith(("https://", "http://")) and urlsplit(base_url).hostname):
            raise Misconfigured.value("yahoo_url", base_url, "an address that begins with https:// or http://")
        self._cache, self._now, self._base_url = cache, now, base_url
        self._timeout_s, self._retry_wait_s = timeout_s, retry_wait_s

    def fetch_bars(self, symbols: Sequence[str], first: date, last: date) -> pd.DataFrame:
        """`Bars` from `first` to `last`, both included; what Yahoo left empty in a row is NaN, a row left all empty is none.

        Yahoo divides earlier prices, dividends and capital gains by each split, and multiplies volume; that is undone here.
        Capital gains are dividends. Raises `BadData` where it cannot be undone: a split on a day without a bar, or with a ratio
        that is not positive and finite; an answer that ends more than a week before the symbol's last trade, so that a later
        split may be missing from it. Also for a dividend on a day without a bar, or in another currency.
        Raises `Misconfigured` for a symbol that Yahoo does not know or quotes in another currency, `TryAgain` where it answered
        with an error or in a form that is no chart, did not answer in time, or had no bars for a symbol that is traded.
        """
        from nightdesk.market.yahoo_chart import prepare_yfinance

        asked = sorted(set(symbols))
        _require_symbols(asked)
        with _ONE_AT_A_TIME:
            prepare_yfinance(self._cache)
            session = self._session
            with ThreadPoolExecutor(THREADS) as pool:
                fetched = list(pool.map(lambda symbol: self._fetch_symbol(session, symbol, first), asked))
        bars = unsplit(pd.concat([_no_bars(), *fetched], ignore_index=True)).sort_values([Bars.session, Bars.symbol])
        return bars[bars[Bars.session].between(pd.Timestamp(first), pd.Timestamp(last))].reset_index(drop=True)

    def _fetch_symbol(self, session: "ChartSession", symbol: str, first: date) -> pd.DataFrame:
        """A symbol's bars from `first` to the present, as Yahoo adjusts them."""
        now = self._now()
        begin, deadline_s = min(first, (now - ASKED_AT_LEAST).date()), DEADLINE_TIMEOUTS * self._timeout_s
        session.give_up_after(deadline_s)
        asking = Retrying(
            retry=retry_if_exception_type(TryAgain),
            stop=stop_after_attempt(ATTEMPTS) | stop_before_delay(deadline_s),
            wait=wait_exponential(self._retry_wait_s) + wait_random(0, self._retry_wait_s),
            reraise=True,
        )
        chart, frame = asking(_fetch_chart, session, symbol, begin, now)
        if chart is not None and chart.meta.currency != self.currency:
            raise Misconfigured.value(f"the currency of {symbol}", chart.meta.currency, self.currency)
        return _no_bars() if chart is None or frame is None else _bars(symbol, chart, frame)

    @cached_property
    def _session(self) -> "ChartSession":
        from nightdesk.market.yahoo_chart import ChartSession

        return ChartSession(self._base_url, self._timeout_s)


def _fetch_chart(session: "ChartSession", symbol: str, begin: date, end: datetime) -> "tuple[Chart | None, pd.DataFrame | None]":
    """What Yahoo sent, and what yfinance makes of its prices; None where Yahoo has no bars of the symbol since `begin`."""
    from yfinance import Ticker
    from yfinance.exceptions import YFException

    from nightdesk.market.yahoo_chart import unanswered

    session.charts.pop(symbol, None)
    frame, reason = None, ""
    try:
        ticker = Ticker(symbol, session=session)
        frame = ticker.history(start=begin, end=end, auto_adjust=False, actions=True, repair=False)
    except (YFException, LookupError, TypeError, ValueError) as error:  # yfinance has no error for what it cannot read
        reason = f"yfinance could not read the answer ({type(error).__name__}: {error})"
    if symbol not in session.charts:
        raise unanswered(symbol, reason)
    chart = session.charts[symbol]
    if chart is None:
        return None, None
    if not chart.timestamp:
        _require_untraded(symbol, chart, begin)
    elif frame is None:
        raise unanswered(symbol, reason)
    return chart, frame


def _require_symbols(symbols: Collection[str]) -> None:
    for symbol in symbols:
        if re.fullmatch(DATA_SYMBOL, symbol) is None:
            raise Misconfigured.value("symbol", symbol[:80], f"a match of {DATA_SYMBOL}")


def _require_untraded(symbol: str, chart: "Chart", begin: date) -> None:
    """Raise `TryAgain` where an answer without bars is of a symbol that was traded in the days asked for, as far as it says."""
    from nightdesk.market.yahoo_chart import unanswered

    traded = chart.meta.regular_market_time
    if traded is None or _days([traded], chart)[0] >= pd.Timestamp(begin):
        raise unanswered(symbol, "its answer has no bars, and does not say that the symbol was not traded")


def _bars(symbol: str, chart: "Chart", frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of an answer, adjusted for splits as Yahoo sends them."""
    listed = pd.DatetimeIndex(_days(chart.timestamp, chart).unique())
    _require_newest(symbol, chart, listed.max())
    days = frame.index.tz_localize(None).normalize().as_unit("ns")
    prices = frame[list(PRICES)].rename(columns=PRICES).set_axis(days).astype(float)
    empty = prices.isna()
    volume = frame["Volume"].set_axis(days).astype(float)
    rows = prices.assign(
        **{
            Bars.session: days,
            Bars.symbol: symbol,
            Bars.volume: volume.where(~(empty.any(axis=1) & (volume == 0))),  # yfinance makes a 0 of no volume
            Bars.dividend: _payments(symbol, chart, listed).reindex(days, fill_value=0.0),
            Bars.split: _ratios(symbol, chart, listed).reindex(days, fill_value=1.0),
        }
    )
    made_up = empty.all(axis=1) & ~days.isin(listed)  # yfinance adds a row where an action falls on no bar
    return rows[~made_up].reset_index(drop=True)[COLUMNS].astype(DTYPES)


def _require_newest(symbol: str, chart: "Chart", newest: pd.Timestamp) -> None:
    traded = chart.meta.regular_market_time
    if traded is not None and _days([traded], chart)[0] - newest > MISSING_AT_THE_END:
        message = f"Yahoo's answer for {symbol} ends on {newest:%Y-%m-%d}, though it was traded on"
        raise BadData(
            f"{message} {_days([traded], chart)[0]:%Y-%m-%d}: splits in between may be missing, so what was traded is not known.",
            symbol=symbol,
            newest=newest.date(),
        )


def _ratios(symbol: str, chart: "Chart", listed: pd.DatetimeIndex) -> pd.Series:
    """New shares for an old one, by day, of the splits since the first bar."""
    events = list(chart.events.splits.values())
    shares = np.array([(event.numerator, event.denominator) for event in events], dtype=float).reshape(-1, 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = pd.Series(shares[:, 0] / shares[:, 1], index=_days([event.date for event in events], chart))
    ratios = ratios[ratios.index >= listed.min()]
    wrong = ratios[~(np.isfinite(ratios) & (ratios > 0))]
    if len(wrong):
        day, ratio = wrong.index[0], wrong.iloc[0]
        raise BadData(f"Yahoo's split of {symbol} on {day:%Y-%m-%d} had the ratio {ratio}, allowed: above zero.", symbol=symbol)
    _require_bars(symbol, "split", ratios.index, listed)
    return ratios.groupby(level=0).prod()


def _payments(symbol: str, chart: "Chart", listed: pd.DatetimeIndex) -> pd.Series:
    """Dividends and capital gains by day, between the first and the last bar."""
    events = [*chart.events.dividends.values(), *chart.events.capital_gains.values()]
    amounts = pd.Series([event.amount for event in events], _days([event.date for event in events], chart), dtype=float)
    foreign = [event for event in events if event.currency not in (None, "", chart.meta.currency)]
    if foreign:
        day = _days([foreign[0].date], chart)[0]
        named = f"Yahoo's dividend of {symbol} on {day:%Y-%m-%d} is in {foreign[0].currency}"
        raise BadData(f"{named}, its prices are in {chart.meta.currency}.", symbol=symbol)
    amounts = amounts[(amounts.index >= listed.min()) & (amounts.index <= listed.max())]
    _require_bars(symbol, "dividend", amounts.index, listed)
    return amounts.groupby(level=0).sum(skipna=False)


def _require_bars(symbol: str, kind: str, days: pd.DatetimeIndex, listed: pd.DatetimeIndex) -> None:
    without = days[~days.isin(listed)]
    if len(without):
        message = f"Yahoo has a {kind} of {symbol} on {without[0]:%Y-%m-%d}, a day without a bar"
        raise BadData(f"{message}: what was traded before it is not known.", symbol=symbol, day=without[0].date())


def _days(stamps: Iterable[int], chart: "Chart") -> pd.DatetimeIndex:
    """The exchange's own dates of some instants in seconds."""
    instants = pd.to_datetime(pd.Index(list(stamps), dtype="int64"), unit="s", utc=True)
    return instants.tz_convert(chart.meta.exchange_timezone_name).tz_localize(None).normalize().as_unit("ns")


def _no_bars() -> pd.DataFrame:
    return pd.DataFrame(columns=COLUMNS).astype(DTYPES)
