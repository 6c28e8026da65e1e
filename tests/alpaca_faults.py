"""What can go wrong at Alpaca's stub, switched on per request.

`MODES` has each of them by name: `stub.faults.append(MODES["accept-then-504"]())`, with `dataclasses.replace` for more requests
(`times=-1` is for ever) or another method and path. Over the wire: `POST /stub/fault {"mode": "accept-then-504", "times": -1}`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from time import time
from typing import Any, Final

from tests.alpaca_account import AlpacaAccount
from tests.alpaca_data_server import Reply, told

ORDERS, BY_CLIENT_ID = "/v2/orders", "/v2/orders:by_client_order_id"
HTML = Reply(502, b"<html><body>502 Bad Gateway</body></html>", {"Content-Type": "text/html"})
TIMED_OUT = told(504, {"code": 50410000, "message": "request timed out"})
BUSY = told(429, {"code": 42910000, "message": "rate limit exceeded"})
DROPPED = Reply(promised=10)
"""The connection ends before the answer does."""
CLOSED = Reply(0)
"""The connection ends without a byte."""
SILENT = Reply(silent=True)
PAGE: Final = b"<html><body>nginx</body></html>"


@dataclass
class Fault:
    """What happens to the next requests of a method and a path. `reply` takes the place of the answer, `change` makes another
    of its value; the request has its effect where `accepts`, and `fate` does something to the account with the client id of the
    order that it placed, which no look-up or list shows for `appears_after_s`. It is spent after `times` requests."""

    reply: Reply | None = None
    change: Callable[[Any], Any] | None = None
    accepts: bool = True
    method: str = "POST"
    path: str = ORDERS
    times: int = 1
    fate: Callable[[AlpacaAccount, str], None] | None = None
    appears_after_s: float = 0.0


def limited(wait_s: float) -> Reply:
    """A 429 that says, in whole seconds of the wall clock, when the limit ends."""
    headers = {"X-RateLimit-Limit": "200", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time() + wait_s))}
    return Reply(429, BUSY.body, {**BUSY.headers, **headers})


def without(key: str) -> Callable[[Any], Any]:
    return lambda row: {name: value for name, value in row.items() if name != key}


def having(**values: object) -> Callable[[Any], Any]:
    return lambda row: {**row, **values}


def each(change: Callable[[Any], Any]) -> Callable[[Any], Any]:
    return lambda rows: [change(row) for row in rows]


def first_page_again() -> Callable[[Any], Any]:
    """A server that forgets the page token."""
    pages: list[Any] = []

    def change(page: Any) -> Any:
        pages.append(page)
        return pages[0]

    return change


def ahead(minutes: int) -> Callable[[Any], Any]:
    """The clock's own instant, so many minutes off."""

    def change(clock: Any) -> Any:
        return {**clock, "timestamp": (datetime.fromisoformat(clock["timestamp"]) + timedelta(minutes=minutes)).isoformat()}

    return change


def with_nanoseconds(row: Any) -> Any:
    return {**row, "timestamp": f"{row['timestamp'][:19]}.123456789{row['timestamp'][-6:]}"}


def _in_parts(account: AlpacaAccount, order: str) -> None:
    """Two fills, a third and a half of the order; the rest dies."""
    whole = Decimal(account.by_client_id[order]["qty"])
    account.parts[order] = [part for part in (whole // 3, whole // 2) if part]


def _split_overnight(account: AlpacaAccount, order: str) -> None:
    """4 for 1 at the next open, at a quarter of the price that was shown for it."""
    symbol = account.by_client_id[order]["symbol"]
    account.show_open(account.next_session(), symbol, account.price(symbol) / 4, split=4)


def _split_half_booked(account: AlpacaAccount, order: str) -> None:
    """The row that adds the new shares does not come until a test books it."""
    account.half_booked = True
    _split_overnight(account, order)


def _renamed(account: AlpacaAccount, order: str) -> None:
    """The symbol has an X more from the next open on."""
    symbol = account.by_client_id[order]["symbol"]
    account.renames[account.next_session()] = (symbol, f"{symbol}X")


def _of(method: str, path: str, **fault: Any) -> Callable[[], Fault]:
    return lambda: Fault(method=method, path=path, **fault)


MODES: Final[Mapping[str, Callable[[], Fault]]] = {
    "accept-then-hang": lambda: Fault(SILENT),
    "hang-before-accept": lambda: Fault(SILENT, accepts=False),
    "accept-then-drop": lambda: Fault(CLOSED),
    "accept-then-drop-midway": lambda: Fault(DROPPED),
    "drop-before-accept": lambda: Fault(CLOSED, accepts=False),
    "accept-then-504": lambda: Fault(TIMED_OUT),
    "accept-then-504-always": lambda: Fault(TIMED_OUT, times=-1),
    "504-before-accept": lambda: Fault(TIMED_OUT, accepts=False),
    "502-html": lambda: Fault(HTML, accepts=False),
    "200-empty": lambda: Fault(Reply(200)),
    "200-truncated": lambda: Fault(Reply(200, b'{"id": "61e69015-8549-4bfd-b9c3-01e75843f47d", "client_or')),
    "302": lambda: Fault(Reply(302, b"", {"Location": "/elsewhere"}), accepts=False),
    "401-html": lambda: Fault(Reply(401, PAGE, {"Content-Type": "text/html"}), accepts=False),
    "429": lambda: Fault(limited(1), accepts=False),
    "429-thrice": lambda: Fault(limited(1), accepts=False, times=3),
    "unknown-status": lambda: Fault(change=having(status="teleported")),
    "missing-field": lambda: Fault(change=without("status")),
    "extra-field": lambda: Fault(change=having(new_field={"x": [1]})),
    "nanosecond-time": _of("GET", "/v2/clock", change=with_nanoseconds),
    "partial-fills": lambda: Fault(fate=_in_parts),
    "fill-after-cancel": lambda: Fault(fate=lambda account, order: account.filled_anyhow.add(order)),
    "reject-after-accept": lambda: Fault(fate=lambda account, order: account.rejected_later.add(order)),
    "expire-at-close": lambda: Fault(fate=lambda account, order: account.never_filled.add(order)),
    "late-to-appear": lambda: Fault(appears_after_s=2.0),
    "duplicate-page": lambda: Fault(method="GET", path=ORDERS, change=first_page_again(), times=-1),
    "positions-500": _of("GET", "/v2/positions", reply=told(500, {"message": "internal server error occurred"})),
    "account-blocked": _of("GET", "/v2/account", change=having(account_blocked=True)),
    "clock-ahead": _of("GET", "/v2/clock", change=ahead(10)),
    "clock-behind": _of("GET", "/v2/clock", change=ahead(-10)),
    "half-day": _of("GET", "/v2/calendar", change=each(having(close="13:00", session_close="1700"))),
    "split-overnight": lambda: Fault(fate=_split_overnight),
    "split-half-booked": lambda: Fault(fate=_split_half_booked),
    "symbol-renamed": lambda: Fault(fate=_renamed),
}
"""The rate limiter of 200 a minute is the stub's `budget`, and half days and renames on a given day are the account's own."""
