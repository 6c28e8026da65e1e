"""The broker Alpaca, through its own client with raw answers. Its paper service, unless the mode is live."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from pydantic import SecretStr

from nightdesk.alpaca_http import require_access
from nightdesk.brokers.alpaca_activities import activities_of
from nightdesk.brokers.alpaca_answers import account_of, clock_of, order_of, positions_of, status_of
from nightdesk.brokers.alpaca_calendar import sessions_of
from nightdesk.brokers.alpaca_fields import rows_of, shown, text_of, uuid_of
from nightdesk.brokers.alpaca_requests import CAPABILITIES, LIVE_URL, PAPER_URL, body_of, refusal, require_address
from nightdesk.brokers.alpaca_wire import AlpacaWire, all_pages
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
from schemas.records import Mode

SUBMIT_DEADLINE_S: Final = 60.0
ORDERS_A_PAGE: Final = 500
ACTIVITIES_A_PAGE: Final = 100
REQUESTS_A_MINUTE: Final = 150
"""Alpaca takes 200 of an account, which a person and other programs may use too."""
NOT_FOUND: Final = (404, 40410000)
"""With the sentence that an order was not found: a wrong path has this code too."""
DUPLICATE: Final = (422, 40010001)
"""With a sentence about client_order_id; other refusals have this code too."""
LONGEST_WAIT: Final = timedelta(days=7)
"""An order that waits for its open was sent no longer ago: over a weekend with holidays."""


class AlpacaBroker:
    """One account. `now` is the machine's clock; an empty `base_url` is the service of the mode. Each request, also of a page or
    a new attempt, waits for its turn among `requests_a_minute`; None: it never waits. One that was sent and has no answer after
    `submit_deadline_s` is of unknown outcome.

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
        requests_a_minute: int | None = REQUESTS_A_MINUTE,
        submit_deadline_s: float = SUBMIT_DEADLINE_S,
    ) -> None:
        require_access(key_id, secret_key, base_url)
        self._now = now
        self._url = base_url or (LIVE_URL if mode == "live" else PAPER_URL)
        require_address(self._url, mode)
        self._submit_deadline_s = submit_deadline_s
        self._wire = AlpacaWire(key_id, secret_key, self._url, requests_a_minute, submit_deadline_s)
        self._order_ids: dict[str, str] = {}
        self._next_open: tuple[datetime, date] | None = None

    def close(self) -> None:
        self._wire.close()

    def capabilities(self) -> Capabilities:
        """An account may have short sales and fractions switched off: then it rejects them."""
        return replace(CAPABILITIES, lands_within_s=self._submit_deadline_s)

    def clock(self) -> BrokerClock:
        clock, opens_at = self._wire.read(lambda client: clock_of(client.get("/clock")))
        self._next_open = opens_at, clock.next_session
        return clock

    def calendar(self, first: date, last: date) -> list[BrokerSession] | None:
        query = {"start": str(first), "end": str(last)}
        return self._wire.read(lambda client: sessions_of(client.get("/calendar", query)))

    def account(self) -> Account:
        return self._wire.read(lambda client: account_of(client.get("/account")))

    def positions(self) -> Mapping[str, Decimal]:
        return self._wire.read(lambda client: positions_of(client.get("/positions")))

    def open_orders(self) -> list[BrokerOrder]:
        return self._orders({"status": "open"})

    def orders_since(self, day: date) -> list[BrokerOrder]:
        return self._orders({"status": "all", "after": f"{day - timedelta(days=1)}T00:00:00Z"})

    def find_order(self, order_id: str) -> BrokerOrder | None:
        row = self._row(order_id)
        return None if row is None else order_of(row)

    def submit_order(self, request: OrderRequest) -> Answer:
        """The next open must be that of the request's session: else it would fill on another day. That is looked at after the
        wait for a turn, during which an open may pass."""
        if reason := refusal(request):
            return Answer("rejected", reason)
        self._wire.await_turn()
        if reason := self._too_late(request):
            return Answer("rejected", reason)
        body = body_of(request)
        try:
            return _answer_of(self._wire.send(lambda client: client.post("/orders", body)), request)
        except TryAgain as error:
            return Answer("unknown", error.message)
        except OrderRefused as error:
            refused = error
        named = (refused.values["status"], refused.values["code"])
        if named == DUPLICATE and "client_order_id must be unique" in refused.message:
            return self._answer_again(request)
        return Answer("rejected", refused.message)

    def submit_cancel(self, order_id: str) -> Answer:
        row = self._row(order_id)
        if row is None:
            return Answer("rejected", f"order {order_id} is not known")
        path = f"/orders/{uuid_of(row, 'id')}"
        self._wire.await_turn()
        try:
            self._wire.send(lambda client: client.delete(path))
        except TryAgain as error:
            return Answer("unknown", error.message)
        except OrderRefused as error:
            return Answer("rejected", error.message)
        return Answer("accepted")

    def activities(self, since: date | None = None) -> list[Activity]:
        query: dict[str, Any] = {"direction": "asc", "page_size": ACTIVITIES_A_PAGE}
        if since is not None:
            query["after"] = f"{since - timedelta(days=1)}T00:00:00Z"
        rows = self._wire.read(lambda client: all_pages(client, "/account/activities", query, "page_token"))
        self._learn_order_ids({uuid_of(row, "order_id") for row in rows if row.get("activity_type") == "FILL"}, since)
        return activities_of(rows, self._order_ids)

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
            row = self._wire.read(lambda client: client.get("/orders:by_client_order_id", query))
        except TryAgain as error:
            named = (error.values.get("status"), error.values.get("code"))
            if named == NOT_FOUND and "order not found" in error.message:
                return None
            raise
        if isinstance(row, dict) and row.get("client_order_id") == order_id:
            return row
        raise TryAgain(f"Alpaca was asked for the order {order_id} and answered something else.", order_id=order_id)

    def _orders(self, query: dict[str, Any]) -> list[BrokerOrder]:
        return [order_of(row) for row in self._order_rows(query)]

    def _order_rows(self, query: dict[str, Any]) -> list[dict[str, Any]]:
        whole = {**query, "direction": "asc", "limit": ORDERS_A_PAGE}
        return self._wire.read(lambda client: all_pages(client, "/orders", whole, "after_order_id"))

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
            self._order_ids[uuid_of(row, "id")] = text_of(row, "client_order_id", "order")

    def _by_own_id(self, order: str) -> dict[str, Any]:
        """An order by Alpaca's own id, a UUID."""
        (row,) = self._wire.read(lambda client: rows_of([client.get(f"/orders/{order}")], "order"))
        return row


def _answer_of(told: object, request: OrderRequest) -> Answer:
    """What a 200 means: it is a yes only if it names our order and a state that we know."""
    if not isinstance(told, dict) or told.get("client_order_id") != request.order_id:
        return Answer("unknown", "Alpaca's answer does not name the order.")
    status = status_of(told.get("status"))
    if status == "unknown":
        return Answer("unknown", f"Alpaca's answer has the state {shown(told.get('status'))[:40]!r}.")
    return Answer("rejected", order_of(told).reason) if status == "rejected" else Answer("accepted")
