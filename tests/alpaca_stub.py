"""A server on this machine that speaks Alpaca's trading API for an `AlpacaAccount`, with faults to switch on per request.

In a test: `with serving(AlpacaStub(account)) as stub`, and move the market through `stub.account`. As a process of its own:
`python -m tests.alpaca_stub --port 0 --now 2018-12-04T00:30:00Z --cash 10000` prints its URL, and ends when its standard input
does; `tests/alpaca_stub_process.py` starts it and moves its market over HTTP, as tests/alpaca_control.py says.
"""

import argparse
import json
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from math import ceil
from time import monotonic, time
from typing import Any
from urllib.parse import parse_qsl, urlsplit
from uuid import UUID

from tests.alpaca_account import OPEN_STATES, AlpacaAccount
from tests.alpaca_control import CONTROL, controlled
from tests.alpaca_data_server import KEY_ID, SECRET_KEY, Reply, ReplyHandler, told
from tests.alpaca_faults import BUSY, ORDERS, Fault
from tests.alpaca_openapi import what_is_wrong
from tests.alpaca_rows import account_row, asset_row, calendar, clock_row, position_row
from tests.alpaca_rules import RefusedError
from tests.loopback import answering


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    query: dict[str, str]
    body: Any
    headers: Mapping[str, str]


@dataclass
class AlpacaStub:
    """`validate` sees every answer that is no fault and says what is wrong with it: `invalid` keeps that. New orders are hidden
    from look-ups and lists for `appears_after_s`; `budget` is the most requests in a minute, Alpaca's is 200; `skew` sets the
    shown clock off."""

    account: AlpacaAccount
    validate: Callable[[str, str, int, object], list[str]] | None = None
    faults: list[Fault] = field(default_factory=list)
    appears_after_s: float = 0.0
    budget: int | None = None
    minute_s: float = 60.0
    skew: timedelta = timedelta(0)
    most_a_page: int = 500
    keys: tuple[str, str] = (KEY_ID, SECRET_KEY)
    asked: list[Asked] = field(default_factory=list)
    invalid: list[str] = field(default_factory=list)
    url: str = ""
    stopped: threading.Event = field(default_factory=threading.Event)
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _hidden: dict[str, float] = field(default_factory=dict)
    _arrivals: list[float] = field(default_factory=list)

    def asked_for(self, method: str, path: str = ORDERS) -> list[Asked]:
        return [row for row in self.asked if (row.method, row.path) == (method, path)]

    def move_to(self, instant: datetime) -> None:
        """Move the account's clock."""
        with self._lock:
            self.account.move_to(instant)

    def reply(self, asked: Asked) -> Reply:
        with self._lock:
            if asked.path.startswith(CONTROL):
                return told(200, controlled(self, asked.path, asked.body))
            self.asked.append(asked)
            fault = next((row for row in self.faults if asked.method == row.method and asked.path.startswith(row.path)), None)
            if fault is None:
                return self._answer(asked)
            fault.times -= 1
            if not fault.times:
                self.faults.remove(fault)
            answer = self._answer(asked) if fault.accepts else Reply()
            if answer.status == 200 and asked.method == "POST" and fault.accepts:
                self._shape(fault, str(json.loads(answer.body)["client_order_id"]))
            if fault.change is not None:
                answer = told(answer.status, fault.change(json.loads(answer.body)))
            return fault.reply or answer

    def _shape(self, fault: Fault, order: str) -> None:
        if fault.fate is not None:
            fault.fate(self.account, order)
        if fault.appears_after_s:
            self._hidden[order] = monotonic() + fault.appears_after_s

    def _answer(self, asked: Asked) -> Reply:
        if (asked.headers.get("apca-api-key-id"), asked.headers.get("apca-api-secret-key")) != self.keys:
            return told(401, {"message": "unauthorized."})
        limits = {} if self.budget is None else self._counted(self.budget)
        if limits.get("X-RateLimit-Remaining") == "-1":
            return Reply(429, BUSY.body, {**BUSY.headers, **limits, "X-RateLimit-Remaining": "0"})
        try:
            status, value = self._routed(asked)
        except RefusedError as no:
            status, value = no.status, {"code": no.code, "message": no.message, **no.extra}
        if self.validate is not None:
            self.invalid += self.validate(asked.method, asked.path, status, value)
        return Reply(204, headers=limits) if value is None else told(status, value, **limits)

    def _counted(self, most: int) -> dict[str, str]:
        """The headers of the rate limit; what would be one too many has -1 left, and does not count."""
        now = time()
        self._arrivals = [at for at in self._arrivals if at > now - self.minute_s]
        left = most - len(self._arrivals) - 1
        if left >= 0:
            self._arrivals.append(now)
        reset = ceil((self._arrivals or [now])[0] + self.minute_s)
        return {"X-RateLimit-Limit": str(most), "X-RateLimit-Remaining": str(left), "X-RateLimit-Reset": str(reset)}

    def _routed(self, asked: Asked) -> tuple[int, Any]:
        account, (_, _, first, *rest) = self.account, asked.path.split("/")
        match asked.method, first, rest:
            case "POST", "orders", []:
                row = account.submit(asked.body)
                self._hidden[row["client_order_id"]] = monotonic() + self.appears_after_s
                return 200, row
            case "DELETE", "orders", [order]:
                account.cancel(_order_id(order))
                return 204, None
            case "GET", "orders", []:
                return 200, self._listed(asked.query)
            case "GET", "orders:by_client_order_id", []:
                return 200, self._found(client_order_id=asked.query.get("client_order_id", ""))
            case "GET", "orders", [order]:
                return 200, self._found(id=_order_id(order))
            case "GET", "account", []:
                return 200, account_row(account)
            case "GET", "account", ["activities", *kinds]:
                return 200, self._activities(asked.query, kinds)
            case "GET", "positions", []:
                return 200, [position_row(account, symbol) for symbol in sorted(account.positions)]
            case "GET", "positions", [symbol]:
                if symbol not in account.positions:
                    raise RefusedError(404, 40410000, "position does not exist")
                return 200, position_row(account, symbol)
            case "GET", "clock", []:
                return 200, clock_row(account, self.skew)
            case "GET", "calendar", []:
                return 200, calendar(asked.query)
            case "GET", "assets", [symbol]:
                return 200, asset_row(account, symbol)
        raise RefusedError(404, 40410000, "endpoint not found.")

    def _visible(self) -> list[dict[str, Any]]:
        return [row for row in self.account.orders if self._hidden.get(row["client_order_id"], 0.0) <= monotonic()]

    def _found(self, **wanted: str) -> dict[str, Any]:
        ((key, value),) = wanted.items()
        for row in self._visible():
            if row[key] == value:
                return row
        raise RefusedError(404, 40410000, f"order not found for {value}")

    def _listed(self, query: Mapping[str, str]) -> list[dict[str, Any]]:
        """Newest first unless asked otherwise; `after` and `until` leave their own instant out."""
        rows = self._visible()
        state = query.get("status", "open")
        if state != "all":
            rows = [row for row in rows if (row["status"] in OPEN_STATES) == (state == "open")]
        known = [row["id"] for row in self.account.orders]
        if "after_order_id" in query and query.keys() & {"after", "until"}:
            raise RefusedError(422, 42210000, "after_order_id cannot be combined with after or until")
        if "after_order_id" in query:
            place = known.index(query["after_order_id"])
            rows = [row for row in rows if known.index(row["id"]) > place]
        if "after" in query:
            rows = [row for row in rows if row["submitted_at"] > query["after"]]
        if "until" in query:
            rows = [row for row in rows if row["submitted_at"] < query["until"]]
        if query.get("direction", "desc") == "desc":
            rows = rows[::-1]
        return rows[: min(int(query.get("limit", "50")), 500, self.most_a_page)]

    def _activities(self, query: Mapping[str, str], kinds: list[str]) -> list[dict[str, Any]]:
        rows = [row for row in self.account.activities if not kinds or row["activity_type"] == kinds[0]]
        rows = [row for row in rows if row.get("created_at", row.get("transaction_time")) > query.get("after", "")]
        if query.get("direction", "desc") == "desc":
            rows = rows[::-1]
        begin = 0
        if token := query.get("page_token"):
            begin = [row["id"] for row in rows].index(token) + 1
        return rows[begin : begin + min(int(query.get("page_size", "100")), 100, self.most_a_page)]


def _order_id(told: str) -> str:
    try:
        return str(UUID(told))
    except ValueError:
        raise RefusedError(422, 40010001, "order_id is missing") from None


@contextmanager
def serving(stub: AlpacaStub, port: int = 0) -> Iterator[AlpacaStub]:
    """The stub on a port of this machine, a free one for 0; its `url` says where."""

    class Handler(ReplyHandler):
        def answer(self) -> None:
            parts = urlsplit(self.path)
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            asked = Asked(self.command, parts.path, dict(parse_qsl(parts.query)), json.loads(body) if body else None, headers)
            reply = stub.reply(asked)
            if reply.silent or not reply.status:
                stub.stopped.wait(30 if reply.silent else 0)
                self.close_connection = True
                return
            self.send(reply)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815  # the names that http.server looks for

    with answering(Handler, port) as taken:
        stub.url = f"http://127.0.0.1:{taken}"
        try:
            yield stub
        finally:
            stub.stopped.set()


def main() -> None:
    """Serve an account until the standard input ends."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--now", type=datetime.fromisoformat, required=True, help="the account's instant, with its zone")
    parser.add_argument("--cash", type=Decimal, default=Decimal(10_000))
    parser.add_argument("--validate", action="store_true", help="hold every answer against Alpaca's description of its API")
    chosen = parser.parse_args()
    account = AlpacaAccount(chosen.now, multiplier=1)
    account.book("CSD", "deposit", chosen.cash)
    with serving(AlpacaStub(account, what_is_wrong if chosen.validate else None), chosen.port) as stub:
        print(stub.url, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
