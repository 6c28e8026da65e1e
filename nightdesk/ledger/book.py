"""Bookkeeping as pure functions: identities of orders, sums of events, the events that a fill makes."""

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from datetime import date
from decimal import Decimal

from schemas.money import decimal
from schemas.records import CashEvent, Fill, PositionEvent

UNATTRIBUTED = "unattributed"
"""The strategy of the book that holds what an account has beside its strategy's: no strategy may be named so."""


def book_id(mode: str, account: str, strategy: str) -> str:
    """A book is (mode, account, strategy)."""
    return f"{mode}/{account}/{strategy}"


def order_id(book: str, decided: date, instrument_id: str, leg: str, attempt: int) -> str:
    """The order's identity: what it is for, never its side or quantity, so that a rerun cannot buy and then sell.

    At most 128 characters of [A-Za-z0-9_-]; the last twelve are a hash of the whole, so that names that look alike once
    cleaned still differ.
    """
    parts = (book, decided.isoformat(), instrument_id, leg, str(attempt))
    digest = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]
    words = re.sub(r"[^A-Za-z0-9]+", "-", "-".join((book, decided.strftime("%Y%m%d"), instrument_id, leg, str(attempt))))
    return f"nd-{words[:110]}-{digest}"


def holdings(events: Iterable[PositionEvent]) -> dict[str, Decimal]:
    """Quantity held of each instrument: the sum of its position events. Flat instruments are absent."""
    total: defaultdict[str, Decimal] = defaultdict(Decimal)
    for event in events:
        total[event.instrument] += event.quantity
    return {instrument: quantity for instrument, quantity in sorted(total.items()) if quantity}


def cash(events: Iterable[CashEvent]) -> Decimal:
    """Cash: the sum of the cash events."""
    return sum((event.amount for event in events), Decimal(0))


def fill_events(fill: Fill, currency: str) -> tuple[PositionEvent, tuple[CashEvent, ...]]:
    """What a fill does to a book: shares one way, cash the other, and the commission."""
    position = PositionEvent(
        f"{fill.fill_id}:shares", fill.book_id, fill.session, fill.instrument, "fill", fill.quantity, fill.fill_id
    )
    paid = decimal(-fill.quantity * fill.price)
    trade = CashEvent(f"{fill.fill_id}:cash", fill.book_id, fill.session, "trade", paid, currency, fill.fill_id)
    if not fill.commission:
        return position, (trade,)
    fee = CashEvent(
        f"{fill.fill_id}:commission", fill.book_id, fill.session, "commission", -fill.commission, currency, fill.fill_id
    )
    return position, (trade, fee)
