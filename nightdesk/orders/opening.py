"""The opening of a book: its capital, and at a real broker what the account has beside it."""

from dataclasses import replace
from datetime import date
from decimal import Decimal

from nightdesk.clock import WallClock
from nightdesk.errors import OutOfSync, TryAgain
from nightdesk.ledger.book import UNATTRIBUTED, book_id
from nightdesk.ledger.controls import DESK
from nightdesk.orders.desk import OrderDesk
from schemas.records import Book, CashEvent, OutsideChange, PositionEvent


def unattributed_book(book: Book) -> Book:
    """The book of what an account has beside its strategy's."""
    named = book_id(book.mode, book.account, UNATTRIBUTED)
    return replace(book, book_id=named, strategy=UNATTRIBUTED, capital=Decimal(0), opened=None)


def open_book(desk: OrderDesk, session: date) -> None:
    """Put the capital of a new book into its paper account; at a broker that takes no deposit, take it out of what is there.

    There all the rest goes to the account's unattributed book, and what happened before is kept as known, so that it is never
    counted again: in one transaction. Raises `OutOfSync` where the account has less than the capital, `TryAgain` where it
    changed while it was read.
    """
    if desk.broker.name == "paper":
        desk.broker.submit_deposit(desk.book.capital, session, desk.book.book_id)
        return
    past = _past(desk, session)
    account, positions = desk.broker.account(), desk.broker.positions()
    if _past(desk, session) != past:
        raise TryAgain(f"The account {account.account} changed while its opening was read.", account=account.account)
    book, rest = desk.book, account.cash - desk.book.capital
    if rest < 0:
        raise OutOfSync(
            f"capital is {book.capital:f}, but the account {account.account} has {account.cash:f} {account.currency}: "
            "give the strategy less, or the account more.",
            capital=book.capital,
        )
    other = desk.ledger.open_book(unattributed_book(book))
    flows = [
        CashEvent(f"{row.book_id}/opening", row.book_id, session, "deposit", amount, book.currency, book.book_id)
        for row, amount in ((book, book.capital), (other, rest))
    ]
    moved = [
        PositionEvent(f"{other.book_id}/opening/{name}", other.book_id, session, name, "transfer", quantity, book.book_id)
        for name, quantity in positions.items()
    ]
    desk.ledger.append_events(positions=moved, cash=flows, opened=(book.book_id, session), changes=_older(book, past, session))


def _past(desk: OrderDesk, session: date) -> dict[str, str]:
    """What a later settle may be told again, by reference: orders with their states, and activities."""
    orders = {f"order/{row.order_id}": f"{row.status} {row.filled_quantity}" for row in desk.broker.orders_since(session)}
    return orders | {f"activity/{row.activity_id}": row.kind for row in desk.broker.activities(session)}


def _older(book: Book, past: dict[str, str], session: date) -> list[OutsideChange]:
    at, none = WallClock().now(), Decimal(0)
    said = "before the book was opened"
    return [
        OutsideChange(book.book_id, reference, session, "", none, none, f"{reference}: {said}", at, at, DESK, said)
        for reference in past
    ]
