"""A local server that speaks Yahoo's chart API as yfinance 1.7 asks it, with the failures of the real one.

What it answers follows Yahoo's own answers: HTTP 404 with `Not Found` for a symbol that does not exist, HTTP 400 with
`Data doesn't exist for startDate` for days before the first bar, no `timestamp` for days without a bar, prices that are rounded
to float32, and the bar of the running session at the second of its last trade.
"""

import json
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from schemas.bars import Bars

PATH = "/v8/finance/chart/"
PRICES = {"open": Bars.open, "high": Bars.high, "low": Bars.low, "close": Bars.close}
ZONE = ZoneInfo("America/New_York")
OPENS, CLOSES = timedelta(hours=9, minutes=30), timedelta(hours=16)

Chart = dict[str, Any]


@dataclass(frozen=True)
class Reply:
    """What goes over the wire."""

    status: int
    body: bytes
    kind: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    wait_s: float = 0.0


Fault = Callable[[Reply], Reply]
Edit = Callable[[Chart], None]


def always(status: int, body: str, kind: str = "text/html", headers: tuple[tuple[str, str], ...] = ()) -> Fault:
    """The same answer to every question."""
    return lambda _: Reply(status, body.encode(), kind, headers)


def truncated(reply: Reply) -> Reply:
    return replace(reply, body=reply.body[: len(reply.body) // 2])


def slow(wait_s: float) -> Fault:
    return lambda reply: replace(reply, wait_s=wait_s)


def edited(edit: Edit) -> Fault:
    """The answer with its chart changed by hand."""

    def change(reply: Reply) -> Reply:
        document = json.loads(reply.body)
        for chart in document["chart"]["result"] or ():
            edit(chart)
        return replace(reply, body=json.dumps(document).encode())

    return change


@dataclass(frozen=True)
class Listing:
    """A symbol: its bars as traded, of which it is given back those up to the server's present, adjusted for splits."""

    bars: pd.DataFrame
    kind: str = "EQUITY"
    currency: str = "USD"
    gains: dict[date, float] = field(default_factory=dict)


@dataclass
class YahooServer:
    """`now` is its present. A fault in `next_faults` spoils one answer, that in `fault` every one after them; charts only."""

    url: str
    now: datetime
    listings: dict[str, Listing] = field(default_factory=dict)
    charts: dict[str, Chart] = field(default_factory=dict)
    next_faults: deque[Fault] = field(default_factory=deque)
    fault: Fault | None = None
    crumb: Reply = Reply(200, b"a.crumb", "text/plain")
    requests: list[str] = field(default_factory=list)

    def chart_requests(self) -> list[str]:
        return [request for request in self.requests if request.startswith(PATH)]

    def reply(self, target: str) -> Reply:
        """The answer to a request of any path."""
        address = urlsplit(target)
        if address.path == "/v1/test/getcrumb":
            return self.crumb
        if not address.path.startswith(PATH):
            return Reply(404, b"<html>not here</html>", "text/html", (("Set-Cookie", "A3=d=x; Path=/; Max-Age=31557600"),))
        asked = {key: values[0] for key, values in parse_qs(address.query).items()}
        reply = self._chart_reply(unquote(address.path.removeprefix(PATH)), asked)
        fault = self.next_faults.popleft() if self.next_faults else self.fault
        return reply if fault is None else fault(reply)

    def chart(self, symbol: str, begin: datetime, end: datetime) -> Chart:
        """What is known of a symbol between two instants, as Yahoo writes it."""
        listing = self.listings[symbol]
        known = listing.bars[listing.bars[Bars.session].map(lambda session: self._at(session, OPENS) <= self.now)]
        adjusted, factors = _split_adjusted(known)
        stamps = self._stamps(known)
        inside = (stamps >= begin.timestamp()) & (stamps < end.timestamp())
        rows = adjusted[inside]
        quote = {name: _as_float32(rows[column]) for name, column in PRICES.items()}
        quote["volume"] = [int(value) for value in rows[Bars.volume].round()]
        chart: Chart = {"meta": self._meta(symbol, listing, stamps), "indicators": {"quote": [{}], "adjclose": [{}]}}
        if inside.any():
            chart["timestamp"] = [int(stamp) for stamp in stamps[inside]]
            chart["indicators"] = {"quote": [quote], "adjclose": [{"adjclose": _as_float32(_adjusted_close(adjusted)[inside])}]}
        if events := self._events(rows, listing, dict(zip(known[Bars.session].dt.date, factors, strict=True))):
            chart["events"] = events
        return chart

    def _chart_reply(self, symbol: str, asked: dict[str, str]) -> Reply:
        if symbol in self.charts:
            return _document(200, [self.charts[symbol]], None)
        if symbol not in self.listings:
            error = {"code": "Not Found", "description": "No data found, symbol may be delisted"}
            return _document(404, None, error)
        if "period1" not in asked:  # the last day, for its time zone
            return _document(200, [self.chart(symbol, self.now - timedelta(days=1), self.now)], None)
        begin, end = (datetime.fromtimestamp(int(asked[key]), UTC) for key in ("period1", "period2"))
        first = self._at(self.listings[symbol].bars[Bars.session].min(), OPENS)
        if end <= first:
            span = f"startDate = {int(begin.timestamp())}, endDate = {int(end.timestamp())}"
            return _document(400, None, {"code": "Bad Request", "description": f"Data doesn't exist for {span}"})
        return _document(200, [self.chart(symbol, begin, end)], None)

    def _at(self, session: pd.Timestamp, hours: timedelta) -> datetime:
        return datetime.combine(session.date(), datetime.min.time(), ZONE) + hours

    def _stamps(self, known: pd.DataFrame) -> np.ndarray:
        """Instants in seconds: each bar at its open, that of a session that runs at its last trade."""
        stamps = np.array([self._at(session, OPENS).timestamp() for session in known[Bars.session]])
        if len(stamps) and self.now < self._at(known[Bars.session].iloc[-1], CLOSES):
            stamps[-1] = int(self.now.timestamp()) - 7
        return stamps

    def _meta(self, symbol: str, listing: Listing, stamps: np.ndarray) -> Chart:
        trade = max(stamps[-1], 0) if len(stamps) else 0
        last = datetime.fromtimestamp(trade, ZONE)
        ended = datetime.combine(last.date(), datetime.min.time(), ZONE) + CLOSES
        period = {"timezone": "EST", "gmtoffset": -18000, "start": int(trade), "end": int(ended.timestamp())}
        return {
            "currency": listing.currency,
            "symbol": symbol,
            "exchangeName": "NMS",
            "instrumentType": listing.kind,
            "regularMarketTime": int(min(ended, self.now).timestamp()),
            "exchangeTimezoneName": str(ZONE),
            "timezone": "EST",
            "gmtoffset": -18000,
            "priceHint": 2,
            "currentTradingPeriod": {"pre": dict(period), "regular": dict(period), "post": dict(period)},
            "dataGranularity": "1d",
            "validRanges": ["1d", "5d", "1mo", "max"],
        }

    def _events(self, rows: pd.DataFrame, listing: Listing, factors: dict[date, float]) -> Chart:
        """Dividends and splits of some rows, which are adjusted already; capital gains are adjusted here."""
        events: Chart = {"dividends": {}, "splits": {}, "capitalGains": {}}
        for session, dividend, split in zip(rows[Bars.session], rows[Bars.dividend], rows[Bars.split], strict=True):
            stamp = int(self._at(session, OPENS).timestamp())
            if dividend:
                events["dividends"][str(stamp)] = {"amount": dividend, "date": stamp}
            if split != 1:
                new, old = (split, 1) if split > 1 else (1, round(1 / split))
                ratio = {"numerator": new, "denominator": old, "splitRatio": f"{new}:{old}"}
                events["splits"][str(stamp)] = {"date": stamp, **ratio}
            if session.date() in listing.gains:
                amount = listing.gains[session.date()] / factors[session.date()]
                events["capitalGains"][str(stamp)] = {"amount": amount, "date": stamp}
        return {kind: listed for kind, listed in events.items() if listed}


def _split_adjusted(bars: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    """Yahoo's own arithmetic: each split divides all earlier prices and dividends, and multiplies earlier volume."""
    factors = np.ones(len(bars))
    for row, split in enumerate(bars[Bars.split]):
        factors[:row] *= split
    scaled = {column: bars[column] / factors for column in [*PRICES.values(), Bars.dividend]}
    return bars.assign(**scaled, **{Bars.volume: bars[Bars.volume] * factors}), factors


def _adjusted_close(adjusted: pd.DataFrame) -> pd.Series:
    paid = (1 - adjusted[Bars.dividend] / adjusted[Bars.close].shift()).fillna(1.0)
    return adjusted[Bars.close] * paid[::-1].cumprod()[::-1].shift(-1, fill_value=1.0)


def _as_float32(values: pd.Series) -> list[float | None]:
    return [None if np.isnan(value) else float(np.float32(value)) for value in values]


def _document(status: int, result: list[Chart] | None, error: dict[str, str] | None) -> Reply:
    return Reply(status, json.dumps({"chart": {"result": result, "error": error}}).encode())


@contextmanager
def yahoo_server(now: datetime) -> Iterator[YahooServer]:
    """A server on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        wbufsize = -1  # head and body in one packet
        disable_nagle_algorithm = True

        def do_GET(self) -> None:
            server.requests.append(self.path)
            reply = server.reply(self.path)
            time.sleep(reply.wait_s)
            self.send_response(reply.status)
            for name, value in (("Content-Type", reply.kind), ("Content-Length", str(len(reply.body))), *reply.headers):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_POST = do_GET  # noqa: N815 - the standard library's own name

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    class Quiet(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *_: object) -> None:
            """A client that does not wait is no error; whatever else went wrong here fails the test."""
            error = sys.exc_info()[1]
            if error is not None and not isinstance(error, ConnectionError):
                wrong.append(error)

    wrong: list[BaseException] = []
    http = Quiet(("127.0.0.1", 0), Handler)
    server = YahooServer(f"http://127.0.0.1:{http.server_port}", now)
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
    if wrong:
        raise wrong[0]
