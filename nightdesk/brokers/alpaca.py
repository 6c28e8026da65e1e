"""The broker Alpaca, through its own client with raw answers. Its paper service, unless the mode is live."""

import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr

from nightdesk.alpaca_http import REFUSED_KEYS, fetch_answer, read_through, require_access, send_once, within
from nightdesk.brokers.alpaca_answers import (
    LARGEST,
    account_of,
    activity_of,
    clock_of,
    order_of,
    positions_of,
    rows_of,
    status_of,
    uuid_of,
)
from nightdesk.brokers.alpaca_calendar import sessions_of
from nightdesk.brokers.broker import (
    Account,
    Activity,
    Answer,
    BrokerClock,
    BrokerOrder,
    BrokerSession,
    Capabilities,
    OrderRequest,
    answer_again,
)
from nightdesk.errors import Misconfigured, NightdeskError, OrderRefused, TryAgain
from schemas.money import decimal
from schemas.records import Mode
from schemas.strategy import ORDER_SYMBOL

if TYPE_CHECKING:
    from alpaca.trading.client import TradingClient

PAPER_URL: Final = "https://paper-api.alpaca.markets"
LIVE_URL: Final = "https://api.alpaca.markets"
SUBMIT_DEADLINE_S: Final = 60.0
READ_DEADLINE_S: Final = 300.0
"""For one read with all its pages, attempts and waits."""
ORDERS_A_PAGE: Final = 500
ACTIVITIES_A_PAGE: Final = 100
ORDER_ID: Final = r"[A-Za-z0-9_-]{1,128}"
NOT_FOUND: Final = (404, 40410000)
DUPLICATE: Final = (422, 40010001)
"""With a sentence about client_order_id; other refusals have this code too."""
LONGEST_WAIT: Final = timedelta(days=7)
"""An order that waits for its open was sent no longer ago: over a weekend with holidays."""
CAPABILITIES: Final = Capabilities(
    times_in_force=frozenset({"opg", "day"}),
    fractional=frozenset({"day"}),
    shorting=True,
    opg_from=time(19, 0),
    opg_until=time(9, 28),
)

Result = TypeVar("Result")


class AlpacaBroker:
    """One account. `now` is the machine's clock; an empty `base_url` is the service of the mode. A request that has no answer
    after `submit_deadline_s` is of unknown outcome.

    Raises `Misconfigured` for missing or refused keys and for an address that is not the mode's.
    """

    name = "alpaca"

    def __init__(
        self,
        key_id: str,
        secret_key: SecretStr,
        mode: Mode,
        now: Callable[[], datetime],
        base_url: str = "",
        submit_deadline_s: float = SUBMIT_DEADLINE_S,
    ) -> None:
        require_access(key_id, secret_key, base_url)
        self._key_id, self._secret_key, self._now = key_id, secret_key, now
        self._url = base_url or (LIVE_URL if mode == "live" else PAPER_URL)
        _require_address(self._url, mode)
        self._submit_deadline_s = submit_deadline_s
        self._sender: TradingClient | None = None
        self._order_ids: dict[str, str] = {}
        self._next_open: tuple[datetime, date] | None = None

    def close(self) -> None:
        if self._sender is not None:
            self._sender._session.close()
        self._sender = None

    def capabilities(self) -> Capabilities:
        """An account may have short sales and fractions switched off: then it rejects them."""
        return replace(CAPABILITIES, lands_within_s=self._submit_deadline_s)

    def clock(self) -> BrokerClock:
        clock, opens_at = self._read(lambda client: clock_of(client.get("/clock")))
        self._next_open = opens_at, clock.next_session
        return clock

    def calendar(self, first: date, last: date) -> list[BrokerSession] | None:
        query = {"start": str(first), "end": str(last)}
        return self._read(lambda client: sessions_of(client.get("/calendar", query)))

    def account(self) -> Account:
        return self._read(lambda client: account_of(client.get("/account")))

    def positions(self) -> Mapping[str, Decimal]:
        return self._read(lambda client: positions_of(client.get("/positions")))

    def open_orders(self) -> list[BrokerOrder]:
        return self._orders({"status": "open"})

    def orders_since(self, day: date) -> list[BrokerOrder]:
        return self._orders({"status": "all", "after": f"{day - timedelta(days=1)}T00:00:00Z"})

    def find_order(self, order_id: str) -> BrokerOrder | None:
        row = self._row(order_id)
        return None if row is None else order_of(row)

    def submit_order(self, request: OrderRequest) -> Answer:
        """The next open must be that of the request's session: else it would fill on another day."""
        if reason := _refusal(request) or self._too_late(request):
            return Answer("rejected", reason)
        body = {
            "symbol": request.instrument,
            "qty": f"{abs(request.quantity):f}",
            "side": "buy" if request.quantity > 0 else "sell",
            "type": "market",
            "time_in_force": request.time_in_force,
            "client_order_id": request.order_id,
        }
        try:
            return _answer_of(self._send(lambda client: client.post("/orders", body)), request)
        except TryAgain as error:
            return Answer("unknown", error.message)
        except OrderRefused as error:
            refused = error
        if (
            refused.values["status"],
            refused.values["code"],
        ) == DUPLICATE and "client_order_id must be unique" in refused.message:
            return self._answer_again(request)
        return Answer("rejected", refused.message)

    def submit_cancel(self, order_id: str) -> Answer:
        row = self._row(order_id)
        if row is None:
            return Answer("rejected", f"order {order_id} is not known")
        path = f"/orders/{uuid_of(row, 'id')}"
        try:
            self._send(lambda client: client.delete(path))
        except TryAgain as error:
            return Answer("unknown", error.message)
        except OrderRefused as error:
            return Answer("rejected", error.message)
        return Answer("accepted")

    def activities(self, since: date | None = None) -> list[Activity]:
        query: dict[str, Any] = {"direction": "asc", "page_size": ACTIVITIES_A_PAGE}
        if since is not None:
            query["after"] = f"{since - timedelta(days=1)}T00:00:00Z"
        rows = self._read(lambda client: _all_pages(client, "/account/activities", query, "page_token"))
        self._learn_order_ids({uuid_of(row, "order_id") for row in rows if row.get("activity_type") == "FILL"}, since)
        found = [activity_of(row, self._order_ids) for row in rows]
        return sorted((row for row in found if row is not None), key=lambda row: row.session)

    def submit_deposit(self, amount: Decimal, session: date, reference: str) -> None:
        raise Misconfigured(f"Capital for {reference} has to be put into the account at Alpaca: its API takes no deposit.")

    def _too_late(self, request: OrderRequest) -> str:
        """Why an order would meet another open than its own, "" where it does not. Alpaca is asked once for each open."""
        if self._next_open is None or self._now() >= self._next_open[0]:
            self.clock()
        expected = self._next_open[1] if self._next_open else None
        if request.execution_session == expected:
            return ""
        return f"the next open is that of {expected}, the order is for {request.execution_session}"

    def _answer_again(self, request: OrderRequest) -> Answer:
        """The id is used: an earlier request of ours landed, or somebody else's order has it."""
        try:
            known = self.find_order(request.order_id)
        except NightdeskError as error:
            return Answer("unknown", error.message)
        if known is None:
            return Answer("unknown", "Alpaca says that the id is used, and does not show its order.")
        return answer_again(known, request)

    def _row(self, order_id: str) -> dict[str, Any] | None:
        """Alpaca's answer about an order of ours, with the id that was asked for; None for its plain 404."""
        query = {"client_order_id": order_id}
        try:
            row = self._read(lambda client: client.get("/orders:by_client_order_id", query))
        except TryAgain as error:
            if (error.values.get("status"), error.values.get("code")) == NOT_FOUND:
                return None
            raise
        if isinstance(row, dict) and row.get("client_order_id") == order_id:
            return row
        raise TryAgain(f"Alpaca was asked for the order {order_id} and answered something else.", order_id=order_id)

    def _orders(self, query: dict[str, Any]) -> list[BrokerOrder]:
        return [order_of(row) for row in self._order_rows(query)]

    def _order_rows(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        whole = {**query, "direction": "asc", "limit": ORDERS_A_PAGE}
        return self._read(lambda client: _all_pages(client, "/orders", whole, "after_order_id"))

    def _learn_order_ids(self, filled: set[str], since: date | None) -> None:
        """Our ids of the orders that filled: Alpaca's fills name its own. From the list first, the rest one by one."""
        if filled <= self._order_ids.keys():
            return
        query = {"status": "all"}
        if since is not None:
            query["after"] = f"{since - LONGEST_WAIT}T00:00:00Z"
        rows = self._order_rows(query)
        rows += [self._by_own_id(order) for order in filled - {uuid_of(row, "id") for row in rows}]
        for row in rows:
            self._order_ids[uuid_of(row, "id")] = order_of(row).order_id

    def _by_own_id(self, order: str) -> dict[str, Any]:
        """An order by Alpaca's own id, a UUID."""
        (row,) = self._read(lambda client: rows_of([client.get(f"/orders/{order}")], "order"))
        return row

    def _read(self, ask: "Callable[[TradingClient], Result]") -> Result:
        """An answer, asked for again where Alpaca is busy. Whatever else is not one raises `TryAgain`; only the keys do not."""
        client = self._client()
        read_through(client)
        try:
            return within(READ_DEADLINE_S, lambda: fetch_answer(lambda: ask(client)))
        except Misconfigured as error:
            if error.values.get("status") in REFUSED_KEYS:
                raise
            missed = error
        finally:
            client._session.close()
        raise TryAgain(missed.message, **missed.values)

    def _send(self, ask: "Callable[[TradingClient], Result]") -> Result:
        """Send an order or a cancel, once. `TryAgain` says that nobody knows what became of it."""
        if self._sender is None:
            self._sender = self._client()
            send_once(self._sender)
        client = self._sender
        try:
            return within(self._submit_deadline_s, lambda: fetch_answer(lambda: ask(client)))
        except TryAgain:
            self._sender = None  # its connection may still be busy
            raise

    def _client(self) -> "TradingClient":
        from alpaca.trading.client import TradingClient

        return TradingClient(self._key_id, self._secret_key.get_secret_value(), raw_data=True, url_override=self._url)


def _all_pages(client: "TradingClient", path: str, query: dict[str, Any], token: str) -> list[dict[str, Any]]:
    """The rows of all pages, until one is empty: a short page may be one that was cut. `token` names the last row seen."""
    rows: dict[str, dict[str, Any]] = {}
    while page := rows_of(client.get(path, query), path.rpartition("/")[2]):
        for row in page:
            if str(row.get("id")) in rows or not row.get("id"):
                raise TryAgain(f"Alpaca gave a row of {path} twice, or one without an id.")
            rows[str(row["id"])] = row
        query = {**query, token: str(page[-1]["id"])}
        if token == "after_order_id":
            query.pop("after", None)  # the two exclude one another
    return list(rows.values())


def _answer_of(told: object, request: OrderRequest) -> Answer:
    """What a 200 means: it is a yes only if it names our order and a state that we know."""
    if not isinstance(told, dict) or told.get("client_order_id") != request.order_id:
        return Answer("unknown", "Alpaca's answer does not name the order.")
    status = status_of(told.get("status"))
    if status == "unknown":
        return Answer("unknown", f"Alpaca's answer has the state {str(told.get('status'))[:40]!r}.")
    return Answer("rejected", order_of(told).reason) if status == "rejected" else Answer("accepted")


def _refusal(request: OrderRequest) -> str:
    """Why a request cannot be sent as it is, "" where it can."""
    if re.fullmatch(ORDER_SYMBOL, request.instrument) is None:
        return f"instrument was {request.instrument[:40]!r}, allowed: a match of {ORDER_SYMBOL}"
    if re.fullmatch(ORDER_ID, request.order_id) is None:
        return f"order_id was {request.order_id[:40]!r}, allowed: up to 128 of A-Z, a-z, 0-9, _ and -"
    if request.time_in_force not in CAPABILITIES.times_in_force:
        return f"time_in_force was {request.time_in_force!r}, allowed: {', '.join(sorted(CAPABILITIES.times_in_force))}"
    quantity = request.quantity
    if not quantity.is_finite() or not 0 < abs(quantity) < LARGEST:
        return f"quantity was {quantity}, allowed: finite, not 0, below {LARGEST:f}"
    if quantity != decimal(quantity):
        return f"quantity was {quantity}, allowed: nine places"
    if quantity != quantity.to_integral_value() and request.time_in_force not in CAPABILITIES.fractional:
        return f"quantity was {quantity:f}, allowed with {request.time_in_force}: whole shares"
    return ""


def _require_address(url: str, mode: Mode) -> None:
    """The live service is for the mode live, and the mode live for no paper service; keys go unencrypted to this machine only."""
    parts = urlsplit(url)
    other = urlsplit(PAPER_URL if mode == "live" else LIVE_URL).hostname
    if parts.hostname == other:
        raise Misconfigured.value("Alpaca's address", url, f"another in the mode {mode}")
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise Misconfigured.value("Alpaca's address", url, "https, or this machine")
