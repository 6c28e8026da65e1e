"""Taking over what changed outside: which book it goes to, and the events that make ledger and broker equal again. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from nightdesk.errors import Misconfigured
from nightdesk.ledger.book import holdings
from nightdesk.sessions import Sessions
from schemas.records import Book, CashEvent, OutsideChange, PositionEvent


@dataclass
class Adoption:
    """What the waiting changes of an account do to its strategy's book and to the book of the rest (`other`), from `session`
    on: the first that is not marked yet. `sentences` say it, one for each change. With `capital` money is the strategy's."""

    book: Book
    other: Book
    instruments: frozenset[str]
    held: Mapping[str, Mapping[str, Decimal]]
    """By book and instrument."""
    session: date
    sessions: Sessions
    capital: bool = False
    positions: list[PositionEvent] = field(default_factory=list)
    flows: list[CashEvent] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)

    def add(self, change: OutsideChange) -> None:
        """A trade in an instrument of the strategy goes to its book, with its cash; shares that came without money go to the
        rest; what is gone is taken from the rest first. Money is the rest's, or the strategy's capital."""
        if change.instrument in self.instruments and change.amount and change.quantity:
            self._move(self.book, change, "adoption", change.quantity)
            self._pay(self.book, change, "adoption")
        elif change.quantity and change.instrument:
            self._take(change)
            self._pay(self.other, change, "adoption")
        elif change.amount:
            self._pay(self.book if self.capital else self.other, change, "deposit")
        else:
            self.sentences.append(f"{change.sentence}: nothing to book")

    def rename(self, old: str, new: str, changes: Sequence[OutsideChange]) -> None:
        """Move what the books hold of a symbol to its new name. Raises `Misconfigured` where the broker did not do the same."""
        moved = {name: sum((row.quantity for row in changes if row.instrument == name), Decimal(0)) for name in (old, new)}
        held = sum((self.held[book.book_id].get(old, Decimal(0)) for book in (self.book, self.other)), Decimal(0))
        if not held or moved != {old: -held, new: held}:
            was = f"{old} {moved[old]:+f}, {new} {moved[new]:+f}"
            raise Misconfigured.value("rename", was, f"{-held:+f} and {held:+f}, since the books hold {held:f} {old}")
        for book in (self.book, self.other):
            if quantity := self.held[book.book_id].get(old):
                for name, sign in ((old, -1), (new, 1)):
                    named = f"{book.book_id}/rename/{old}/{new}/{self.session}/{name}"
                    self.positions.append(
                        PositionEvent(named, book.book_id, self.session, name, "transfer", sign * quantity, f"{old}={new}")
                    )
                self.sentences.append(f"{book.book_id}: {quantity:f} {old} are {new} from now on")

    def _take(self, change: OutsideChange) -> None:
        """Shares of the rest, or that came without money; the strategy gives only what the rest has not."""
        beside = self.held[self.other.book_id].get(change.instrument, Decimal(0))
        own = self.held[self.book.book_id].get(change.instrument, Decimal(0))
        short = min(Decimal(0), max(change.quantity + max(beside, Decimal(0)), -max(own, Decimal(0))))
        self._move(self.book, change, "transfer", short)
        self._move(self.other, change, "transfer", change.quantity - short)

    def _move(self, book: Book, change: OutsideChange, kind: Literal["adoption", "transfer"], quantity: Decimal) -> None:
        if quantity:
            named = f"{book.book_id}/{change.reference}/shares"
            self.positions.append(
                PositionEvent(named, book.book_id, self._from(change), change.instrument, kind, quantity, change.reference)
            )
            self.sentences.append(f"{change.sentence}: {quantity:+f} {change.instrument} in {book.book_id}")

    def _pay(self, book: Book, change: OutsideChange, kind: Literal["adoption", "deposit"]) -> None:
        if change.amount:
            named = f"{book.book_id}/{change.reference}/cash"
            day = self._from(change)
            self.flows.append(CashEvent(named, book.book_id, day, kind, change.amount, book.currency, change.reference))
            self.sentences.append(f"{change.sentence}: {change.amount:+,.2f} {book.currency} in {book.book_id}")

    def _from(self, change: OutsideChange) -> date:
        """The session before whose open it counts: money that came on a Saturday is there on Monday."""
        day = max(change.session, self.session)
        return day if self.sessions.is_session(day) else self.sessions.after(day)


def adoption_of(adoption: Adoption, changes: Sequence[OutsideChange], renames: Mapping[str, str]) -> Adoption:
    """The adoption with all changes added. Raises `Misconfigured` for a rename that the changes do not show."""
    for old, new in renames.items():
        adoption.rename(old, new, [row for row in changes if not row.amount])
    renamed = {*renames, *renames.values()}
    for change in changes:
        if change.instrument not in renamed or change.amount:
            adoption.add(change)
    return adoption


def held_by_book(books: Sequence[Book], events: Sequence[PositionEvent]) -> dict[str, dict[str, Decimal]]:
    """What each book holds."""
    return {book.book_id: holdings(row for row in events if row.book_id == book.book_id) for book in books}


def taken_over(changes: Sequence[OutsideChange], who: str, at: datetime, reason: str) -> list[OutsideChange]:
    """The changes, as a person has taken them over."""
    return [replace(change, adopted_at=at, adopted_by=who, reason=reason) for change in changes]
