"""The hash chain of a book's decisions: an edited, removed or reordered one is found and named. Pure."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from nightdesk.errors import OutOfSync
from schemas.records import Decision, Order


@dataclass(frozen=True, slots=True)
class Link:
    """A decision as its row has it: `body` and `envelope` are the texts that were committed."""

    book_id: str
    position: int
    session: date
    attempt: int
    origin: str
    sha256: str
    body: str
    envelope: str
    chain_sha256: str


def text_sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def chained(previous: str, link: Link) -> str:
    """The chain's hash after a decision: SHA-256 over the hash before it ("" for the first) and all that the row says."""
    row = (link.book_id, str(link.position), link.session.isoformat(), str(link.attempt), link.origin, link.sha256)
    return text_sha256("\n".join((previous, *row, text_sha256(link.envelope))))


def broken_links(links: Iterable[Link], previous: str = "", place: int = 0) -> dict[date, str]:
    """What is wrong with a book's decisions, given in the order of their positions: a sentence for each session that is.

    `previous` is the chain's hash before the first of them, `place` how many were before it.
    """
    broken: dict[date, str] = {}
    for link in links:
        place += 1
        named = f"The decision of {link.session} in the book {link.book_id!r}"
        if link.position != place:
            broken[link.session] = f"{named} is number {link.position} of its chain, where number {place} is missing."
            place = link.position
        elif text_sha256(link.body) != link.sha256:
            was = text_sha256(link.body)
            broken[link.session] = f"{named} was changed: the SHA-256 of its text is {was}, it is named {link.sha256}."
        elif chained(previous, link) != link.chain_sha256:
            broken[link.session] = f"{named} does not follow the one before it: one of the two was changed since."
        previous = link.chain_sha256
    return broken


def require_as_decided(decision: Decision, orders: Sequence[Order]) -> None:
    """Raise `OutOfSync` where the rows of orders are not what the decision's document says: consent and record are about that."""
    intents: Any = decision.body["intents"]
    for order in orders:
        intent: Any = next((row for row in intents if row["order_id"] == order.order_id), {})
        now = {
            "instrument": order.instrument,
            "quantity": format(order.quantity, "f"),
            "reference_price": format(order.reference_price, "f"),
            "time_in_force": order.time_in_force,
        }
        other = [f"{name} was {intent.get(name)}, is {value}" for name, value in now.items() if intent.get(name) != value]
        if other:
            raise OutOfSync(f"The order {order.order_id} is not what was decided: {', '.join(other)}.", order_id=order.order_id)
