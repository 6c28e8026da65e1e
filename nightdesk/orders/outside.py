"""What changed at the broker without the desk: found, kept with a sentence, and the book halted until a person takes it over."""

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal

from nightdesk.brokers.broker import BrokerOrder
from nightdesk.clock import WallClock
from nightdesk.errors import OutOfSync
from nightdesk.ledger.controls import DESK
from nightdesk.ledger.reconcile import share_differences
from nightdesk.orders.desk import OrderDesk
from nightdesk.orders.events import News
from schemas.money import decimal
from schemas.records import CashEvent, Control, OutsideChange


def add_foreign_orders(news: News, orders: Iterable[BrokerOrder], session: date) -> None:
    """Keep orders at the broker that no intent stands for, or that are other than intended. That a person canceled one of ours
    is its status, and no change from outside."""
    for row in orders:
        ours = news.known.orders.get(row.order_id)
        words = f"{'buy' if row.quantity > 0 else 'sell'} {abs(row.quantity):f} {row.instrument} ({row.status})"
        if ours is None:
            news.add_change(f"order/{row.order_id}", session, f"an order {row.order_id} that is not the desk's: {words}")
        elif (ours.instrument, ours.quantity) != (row.instrument, row.quantity):
            meant = f"the desk meant {ours.quantity:+f} {ours.instrument}"
            news.add_change(f"order/{row.order_id}", session, f"the order {row.order_id} was changed: {words}, {meant}")


def add_unexplained(news: News, positions: Mapping[str, Decimal], broker_cash: Decimal, session: date) -> None:
    """Keep what positions and cash differ by, once all else is known. Whole cents at the broker, up to one for each payment of
    this news, are booked as rounding."""
    expected = news.expected()
    for name, (ours, theirs) in share_differences(expected, positions).items():
        if name not in news.pending:
            said = f"{name}: the ledger holds {ours:f}, the broker {theirs:f}{_renamed(name, theirs - ours, expected, positions)}"
            news.add_change(_numbered(news, f"position/{name}"), session, said, name, theirs - ours)
    apart = broker_cash - news.expected_cash()
    if apart and abs(apart) <= news.cents_apart():
        book = news.known.book
        day = max((flow.session for flow in news.flows), default=session)
        number = sum(flow.kind == "rounding" for flow in news.known.flows) + 1
        named = f"{book.book_id}/rounding/{number}"
        news.flows.append(CashEvent(named, book.book_id, day, "rounding", apart, book.currency, "whole cents"))
    elif apart:
        said = f"cash: the ledger has {decimal(news.expected_cash()):f}, the broker {decimal(broker_cash):f}"
        news.add_change(_numbered(news, "cash"), session, said, amount=apart)


def require_no_outside_change(desk: OrderDesk, changes: list[OutsideChange]) -> None:
    """Halt the book where changes wait, and raise `OutOfSync` with their sentences."""
    if not changes:
        return
    ledger, book_id = desk.ledger, desk.book.book_id
    reason = "; ".join(change.sentence for change in changes)
    stands = ledger.control(book_id)
    if stands is None or stands.state != "HALTED":
        marks = ledger.marks(book_id)
        at = WallClock().now()
        ledger.append_control(Control(book_id, "HALTED", marks[-1].session if marks else None, DESK, at, reason))
    raise OutOfSync(
        f"Account {desk.book.account!r} was changed from outside: {reason}. Nothing is traded until a person has looked: "
        "nightdesk adopt, then nightdesk resume.",
        account=desk.book.account,
        changes=[change.reference for change in changes],
    )


def _numbered(news: News, what: str) -> str:
    """A reference of its own for each time that something differs."""
    return f"{what}/{sum(reference.startswith(f'{what}/') for reference in news.known.changes) + 1}"


def _renamed(name: str, apart: Decimal, expected: Mapping[str, Decimal], positions: Mapping[str, Decimal]) -> str:
    """A hint where the shares that are gone have come back under another name."""
    gone = [other for other in expected if other not in positions and expected[other] == apart and other != name]
    return f" (a new name of {gone[0]}?)" if gone and name not in expected else ""
