"""What the desk asks of a broker. Contract tests: tests/contracts/broker_contract.py."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Account:
    """Cash of the whole account, all books together."""

    account: str
    currency: str
    cash: Decimal


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
    """What became of a request: accepted, rejected with a reason, or unknown (look it up, never send it again blindly)."""

    outcome: Literal["accepted", "rejected", "unknown"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BrokerOrder:
    """An order as the broker knows it."""

    order_id: str
    instrument: str
    quantity: Decimal
    filled_quantity: Decimal
    status: Literal["accepted", "filled", "expired", "rejected"]
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Activity:
    """Something that changed the account. `quantity` in shares, `amount` in cash, both signed; `reference` is the order's id
    for fills, what the depositor named for deposits. A fill's `amount` leaves its `commission` out."""

    activity_id: str
    session: date
    kind: Literal["fill", "dividend", "split", "deposit"]
    instrument: str
    quantity: Decimal
    amount: Decimal
    price: Decimal
    commission: Decimal
    slippage: Decimal
    reference: str
    note: str = ""


class Broker(Protocol):
    """One account at one broker. A read that fails raises `TryAgain`: it is never "flat"."""

    name: str

    def account(self) -> Account:
        """The account's cash."""
        ...

    def positions(self) -> Mapping[str, Decimal]:
        """Signed quantity of each instrument; flat ones are absent."""
        ...

    def submit_order(self, request: OrderRequest) -> Answer:
        """Send an order. An id that was ever used is rejected as such, also after its fill."""
        ...

    def find_order(self, order_id: str) -> BrokerOrder | None:
        """The order with this client order id, or None where the broker never saw it."""
        ...

    def activities(self) -> list[Activity]:
        """All that changed the account, oldest first."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...

    def submit_deposit(self, amount: Decimal, session: date, reference: str) -> None:
        """Put the capital of a new book into the account, once for each reference; brokers that cannot raise `Misconfigured`."""
        ...
