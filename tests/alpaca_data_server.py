"""A server on this machine that speaks Alpaca's data API, and the calendar of its trading API.

What it does is what Alpaca's reference says, and what recordings of the service show: bars are found by their own instant,
corporate actions by the day they are processed, an unknown symbol is a symbol without bars.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from zoneinfo import ZoneInfo

import pandas as pd

from schemas.bars import Bars
from tests.loopback import QuietHandler, answering

KEY_ID, SECRET_KEY = "PKTESTKEYID0000000XY", "s3cr3tS3cr3tS3cr3tS3cr3tS3cr3tS3cr3t0000"
NEW_YORK = ZoneInfo("America/New_York")
SYMBOL_FIELDS = ("symbol", "source_symbol", "new_symbol", "old_symbol", "acquirer_symbol", "acquiree_symbol")
BARS_PATH, ACTIONS_PATH, CALENDAR_PATH = "/v2/stocks/bars", "/v1/corporate-actions", "/v2/calendar"


@dataclass(frozen=True)
class Reply:
    """What goes over the wire. `promised` is the length that the header states, the body's own by default; a reply that is
    `silent` never comes."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    promised: int | None = None
    silent: bool = False


class ReplyHandler(QuietHandler):
    """Answers with replies, over a connection that is kept."""

    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one piece: in two the second waits for the first's receipt

    def send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if reply.status != 204:
            self.send_header("Content-Length", str(len(reply.body) if reply.promised is None else reply.promised))
        self.end_headers()
        self.wfile.write(reply.body)
        self.close_connection = reply.promised is not None


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]


def told(status: int, value: object, **headers: str) -> Reply:
    """A reply with a JSON body."""
    return Reply(status, json.dumps(value).encode(), {"Content-Type": "application/json", **headers})


@dataclass
class AlpacaServer:
    """What the market looks like to the server at `now`, and what it was asked. `faults` are replied first, one each;
    `always` takes the place of every answer; `page_size` is the most that one answer holds."""

    now: datetime
    bars: pd.DataFrame
    actions: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    calendar: list[dict[str, str]] = field(default_factory=list)
    page_size: int = 10_000
    faults: list[Reply] = field(default_factory=list)
    always: Callable[[Asked], Reply] | None = None
    asked: list[Asked] = field(default_factory=list)
    url: str = ""
    keys: tuple[str, str] = (KEY_ID, SECRET_KEY)
    stopped: threading.Event = field(default_factory=threading.Event)

    def asked_for(self, path: str) -> list[Asked]:
        return [row for row in self.asked if row.path == path]

    def reply(self, asked: Asked) -> Reply:
        self.asked.append(asked)
        if self.faults:
            return self.faults.pop(0)
        if self.always is not None:
            return self.always(asked)
        if (asked.headers.get("apca-api-key-id"), asked.headers.get("apca-api-secret-key")) != self.keys:
            return told(401, {"message": "unauthorized."})
        answers = {BARS_PATH: self._bars, ACTIONS_PATH: self._actions, CALENDAR_PATH: self._calendar}
        if asked.path not in answers:
            return Reply(404, b"404 page not found\n", {"Content-Type": "text/plain"})
        return answers[asked.path](asked.query)

    def _bars(self, query: dict[str, str]) -> Reply:
        symbols = query["symbols"].split(",")
        if malformed := [symbol for symbol in symbols if re.fullmatch(r"[A-Z]+(\.[A-Z]+)?", symbol) is None]:
            return told(400, {"message": f"invalid symbol: {malformed[0]}"})
        start, end = datetime.fromisoformat(query["start"]), datetime.fromisoformat(query["end"])
        if end < start:
            return told(400, {"message": "end should not be before start"})
        if query.get("feed", "sip") == "sip" and end > self.now - timedelta(minutes=15):
            return told(403, {"message": "subscription does not permit querying recent SIP data"})
        rows = self._points(query["timeframe"])
        among = rows["symbol"].isin(symbols) & rows["t"].between(pd.Timestamp(start), pd.Timestamp(end))
        page, token = self._page(rows[among].sort_values(["symbol", "t"]).to_dict("records"), query, most=10_000, usual=1000)
        bars: dict[str, list[dict[str, Any]]] = {}
        for row in page:
            point = {**row, "t": row["t"].strftime("%Y-%m-%dT%H:%M:%SZ"), "v": int(row["v"]), "n": 1000, "vw": row["c"]}
            bars.setdefault(point.pop("symbol"), []).append(point)
        return told(200, {"bars": bars, "next_page_token": token})

    def _points(self, timeframe: str) -> pd.DataFrame:
        """The stored bars, or one of each year; `t` is midnight in New York."""
        names = {Bars.open: "o", Bars.high: "h", Bars.low: "l", Bars.close: "c", Bars.volume: "v", Bars.symbol: "symbol"}
        rows = self.bars.rename(columns=names)
        days = rows[Bars.session]
        if timeframe == "12Month":
            days = days.dt.to_period("Y").dt.start_time
            rows = rows[~pd.DataFrame({"day": days, "symbol": rows["symbol"]}).duplicated()]
        instants = days[rows.index].dt.tz_localize(NEW_YORK).dt.tz_convert("UTC")
        return rows[["symbol", "o", "h", "l", "c", "v"]].assign(t=instants)

    def _actions(self, query: dict[str, str]) -> Reply:
        symbols, start, end = set(query["symbols"].split(",")), query["start"], query["end"]
        found = [
            (row["process_date"], kind, row)
            for kind, rows in self.actions.items()
            for row in rows
            if start <= row["process_date"] <= end and symbols & {row.get(name) for name in SYMBOL_FIELDS}
        ]
        page, token = self._page(sorted(found, key=lambda row: row[0]), query, most=1000, usual=100)
        kinds: dict[str, list[dict[str, Any]]] = {}
        for _, kind, row in page:
            kinds.setdefault(kind, []).append(row)
        return told(200, {"corporate_actions": kinds, "next_page_token": token})

    def _calendar(self, query: dict[str, str]) -> Reply:
        rows = [row for row in self.calendar if query.get("start", "") <= row["date"] <= query.get("end", "9999")]
        return told(200, rows)

    def _page(self, rows: list[Any], query: dict[str, str], most: int, usual: int) -> tuple[list[Any], str | None]:
        """As many rows as one answer holds, and the token of the next. The limit counts all symbols together."""
        begin = int(query.get("page_token", "0"))
        stop = begin + min(int(query.get("limit", usual)), most, self.page_size)
        return rows[begin:stop], str(stop) if stop < len(rows) else None


def calendar_rows(schedule: pd.DataFrame) -> list[dict[str, str]]:
    """An exchange's sessions as Alpaca's calendar writes them, from their `open` and `close` as UTC instants."""
    hours = {name: schedule[name].dt.tz_convert(NEW_YORK).dt.strftime("%H:%M") for name in ("open", "close")}
    days = schedule.index.strftime("%Y-%m-%d")
    extended = {"session_open": "0400", "session_close": "2000"}
    return [
        {"date": day, "open": opened, "close": closed, "settlement_date": day, **extended}
        for day, opened, closed in zip(days, hours["open"], hours["close"], strict=True)
    ]


def listed(bars: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
    """The dividends and splits of `Bars` as Alpaca lists them: a dividend is processed when it is paid, weeks later."""
    rows: dict[str, list[dict[str, Any]]] = {}
    acting = bars[(bars[Bars.dividend] != 0) | (bars[Bars.split] != 1)]
    for row in acting.itertuples():
        day = row.session.date()
        shared = {"symbol": row.symbol, "ex_date": day.isoformat(), "record_date": day.isoformat()}
        if row.dividend:
            paid = {"payable_date": str(day + timedelta(30)), "process_date": str(day + timedelta(30))}
            dividend = {**shared, **paid, "rate": row.dividend, "special": False, "foreign": False, "cusip": "X"}
            rows.setdefault("cash_dividends", []).append(dividend)
        if row.split != 1:
            kind, new, old = ("forward_splits", row.split, 1) if row.split > 1 else ("reverse_splits", 1, 1 / row.split)
            split = {**shared, "process_date": shared["ex_date"], "new_rate": new, "old_rate": old}
            rows.setdefault(kind, []).append(split)
    return {kind: [{**row, "id": f"{kind}-{number}"} for number, row in enumerate(group)] for kind, group in rows.items()}


def at_close(day: date) -> datetime:
    """Half an hour after the usual close in New York, UTC."""
    return datetime.combine(day, time(16, 30), NEW_YORK).astimezone(UTC)


@contextmanager
def running(server: AlpacaServer) -> Iterator[AlpacaServer]:
    """The server on a port of this machine; its `url` says where."""

    class Handler(ReplyHandler):
        def do_GET(self) -> None:  # noqa: N802 - the standard library's own name
            parts = urlsplit(self.path)
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = server.reply(Asked(parts.path, dict(parse_qsl(parts.query)), headers))
            if reply.silent:
                server.stopped.wait(30)
                self.close_connection = True
                return
            self.send(reply)

    with answering(Handler) as port:
        server.url = f"http://127.0.0.1:{port}"
        try:
            yield server
        finally:
            server.stopped.set()
