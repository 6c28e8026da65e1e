"""What the desk asks of a broker. Contract tests: tests/contracts/broker_contract.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from typing import Final, Literal, Protocol
from zoneinfo import ZoneInfo

NEW_YORK: Final = ZoneInfo("America/New_York")


@dataclass(frozen=True, slots=True)
class Account:
    """Cash of the whole account, all books together. `blocked` says why it takes no orders, "" where it does."""

    account: str
    currency: str
    cash: Decimal
    buying_power: Decimal
    blocked: str = ""


@dataclass(frozen=True, slots=True)
class BrokerClock:
    """The broker's own time, UTC, and the session whose open comes next."""

    at: datetime
    next_session: date


@dataclass(frozen=True, slots=True)
class BrokerSession:
    """A day on which the broker says the exchange is open. The instants are UTC."""

    session: date
    opens_at: datetime
    closes_at: datetime


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a broker takes: its times in force, and those of them that take a fraction of a share.

    A request that was sent may still land `lands_within_s` later; 0: it has landed, or never will once its process is gone.
    Market-on-open orders (`opg`) are taken from `opg_from` until before `opg_until` on the next day, New York time; None: always.
    """

    times_in_force: frozenset[str]
    fractional: frozenset[str]
    shorting: bool
    lands_within_s: float = 0.0
    opg_from: time | None = None
    opg_until: time | None = None

    def takes_now(self, time_in_force: str, at: datetime) -> bool:
        """Whether an order of this time in force is taken at a tz-aware instant."""
        if time_in_force not in self.times_in_force:
            return False
        if time_in_force != "opg" or self.opg_from is None or self.opg_until is None:
            return True
        here = at.astimezone(NEW_YORK).time()
        return here >= self.opg_from or here < self.opg_until


@dataclass(frozen=True, slots=True)
class OrderRequest:
    """A market order for the next open. `order_id` is the client order id; `quantity` is signed (plus buys)."""

    order_id: str
    instrument: str
    quantity: Decimal
    time_in_force: str
    execution_session: date


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a request: accepted (the broker has it), rejected with a reason, or unknown (look it up, never send it
    again blindly)."""

    outcome: Literal["accepted", "rejected", "unknown"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """An order as the broker knows it; both quantities are signed. An order that ended otherwise than "filled" may have filled
    in part. "unknown" is a state that the broker names and we do not know."""

    order_id: str
    instrument: str
    quantity: Decimal
    filled_quantity: Decimal
    status: Literal["accepted", "filled", "expired", "canceled", "rejected", "unknown"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that changed the account. `quantity` in shares, `amount` in cash, both signed; `reference` is the order's id
    for fills, what the depositor named for deposits. A fill's `amount` leaves its `commission` out. "other" is what only a
    person can place; its `note` is the broker's word for it."""

    activity_id: str
    session: date
    kind: Literal["fill", "dividend", "split", "deposit", "fee", "interest", "other"]
    instrument: str
    quantity: Decimal
    amount: Decimal
    price: Decimal
    commission: Decimal
    slippage: Decimal
    reference: str
    note: str = ""


def answer_again(known: BrokerOrder, request: OrderRequest) -> Answer:
    """What a request is told whose id the broker knows: its own order stands as it is, and another's id is not free."""
    if (known.instrument, known.quantity) != (request.instrument, request.quantity):
        return Answer("rejected", "client_order_id must be unique")
    return Answer("rejected", known.reason) if known.status == "rejected" else Answer("accepted")


class Broker(Protocol):
    """One account at one broker. A read that fails raises `TryAgain`: it is never "flat"."""

    name: str

    def capabilities(self) -> Capabilities:
        """What this broker takes. Nothing is asked for it."""
        ...

    def clock(self) -> BrokerClock:
        """The broker's own time."""
        ...

    def calendar(self, first: date, last: date) -> list[BrokerSession] | None:
        """The broker's own sessions, oldest first, both days included; None where it has no calendar of its own."""
        ...

    def account(self) -> Account:
        """The account's cash, and whether it may trade."""
        ...

    def positions(self) -> Mapping[str, Decimal]:
        """Signed quantity of each instrument; flat ones are absent."""
        ...

    def open_orders(self) -> list[BrokerOrder]:
        """All orders that may still fill, whoever sent them."""
        ...

    def orders_since(self, day: date) -> list[BrokerOrder]:
        """All orders that were sent on a day or later, ended ones too; it may hold some that are older."""
        ...

    def find_order(self, order_id: str) -> BrokerOrder | None:
        """The order with this client order id, or None where the broker never saw it."""
        ...

    def submit_order(self, request: OrderRequest) -> Answer:
        """Send an order, at most once. An id serves one order for ever: the same order again is accepted and not doubled, another
        order under a used id is rejected. Raises `TryAgain` only where nothing was sent."""
        ...

    def submit_cancel(self, order_id: str) -> Answer:
        """Ask for an order to end; it may fill nevertheless, so look at it again. Rejected where it has ended or is not known."""
        ...

    def activities(self, since: date | None = None) -> list[Activity]:
        """What changed the account, oldest first. With `since` at least all of that session and later; it may hold older ones."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...

    def submit_deposit(self, amount: Decimal, session: date, reference: str) -> None:
        """Put the capital of a new book into the account, once for each reference; brokers that cannot raise `Misconfigured`."""
        ...
