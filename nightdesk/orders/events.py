"""What a broker reports, as events of an account's books. Nothing is asked or written here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from functools import cached_property

from nightdesk.brokers.broker import Activity
from nightdesk.ledger.book import cash, fill_events, holdings
from schemas.money import PLACES
from schemas.records import Book, CashEvent, Fill, Order, OutsideChange, PositionEvent

CENT = Decimal("0.01")
NAME_CHANGE = "NC"
"""Alpaca's word for a new name: the shares go under the old one and come under the new one."""
CASH_IN_LIEU = "CIL"
"""Alpaca's word for what it pays for a fraction of a share that a split left over."""


@dataclass(frozen=True)
class Known:
    """What the ledger has of an account: its strategy's book, the book of the rest (`other`), their events, the orders of the
    strategy by id, and every outside change by reference. `instruments` are those that the strategy lists."""

    book: Book
    other: Book
    instruments: frozenset[str]
    orders: dict[str, Order]
    fills: Sequence[Fill]
    positions: Sequence[PositionEvent]
    flows: Sequence[CashEvent]
    changes: dict[str, OutsideChange]

    @cached_property
    def ids(self) -> frozenset[str]:
        """The ids of every event and fill."""
        named = (*(row.event_id for row in self.positions), *(row.event_id for row in self.flows))
        return frozenset((*named, *(row.fill_id for row in self.fills)))

    def has(self, row: Activity) -> bool:
        """Whether an activity is booked, waits for a person, or was taken over by one."""
        own = (row.activity_id, f"{self.book.book_id}/{row.activity_id}", f"{self.other.book_id}/{row.activity_id}")
        return f"activity/{row.activity_id}" in self.changes or bool(self.ids.intersection(own))

    def waiting(self) -> list[OutsideChange]:
        """The changes that nobody has taken over."""
        return [change for change in self.changes.values() if change.adopted_at is None]


@dataclass
class News:
    """What a settle adds to the ledger, all of it in one transaction. `pending` says which splits are not clear yet, by
    instrument."""

    known: Known
    found_at: datetime
    fills: list[Fill] = field(default_factory=list)
    positions: list[PositionEvent] = field(default_factory=list)
    flows: list[CashEvent] = field(default_factory=list)
    changes: list[OutsideChange] = field(default_factory=list)
    opened: tuple[str, date] | None = None
    pending: dict[str, str] = field(default_factory=dict)

    def held(self, before: date | None = None) -> dict[str, Decimal]:
        """What all books hold with this news; before a session's open where one is given."""
        events = [*self.known.positions, *self.positions]
        return holdings(event for event in events if before is None or event.session < before)

    def expected(self) -> dict[str, Decimal]:
        """What the account must hold: the books, and the changes that wait."""
        held = self.held()
        for change in self._waiting():
            if change.instrument:
                held[change.instrument] = held.get(change.instrument, Decimal(0)) + change.quantity
        return held

    def expected_cash(self) -> Decimal:
        """The cash that the account must have: that of the books, and of the changes that wait."""
        waiting = sum((change.amount for change in self._waiting()), Decimal(0))
        return cash([*self.known.flows, *self.flows]) + waiting

    def cents_apart(self) -> Decimal:
        """What whole cents may come to for the fills, payments and splits of this news: a cent for each."""
        return CENT * (len(self.flows) + sum(bool(change.amount) for change in self.changes))

    def add_change(
        self, reference: str, session: date, sentence: str, instrument: str = "", quantity: object = 0, amount: object = 0
    ) -> None:
        """Keep a change from outside, unless it is known."""
        if reference not in self.known.changes:
            numbers = Decimal(str(quantity)), Decimal(str(amount))
            book = self.known.book.book_id
            self.changes.append(OutsideChange(book, reference, session, instrument, *numbers, sentence, self.found_at))

    def parts(self, instrument: str, whole: Decimal, places: Decimal) -> list[tuple[Book, Decimal]]:
        """What of an account's payment or split falls to which book: by what they hold, else to whose instrument it was."""
        known = self.known
        events = [event for event in (*known.positions, *self.positions) if event.instrument == instrument]
        own, rest = (
            sum((event.quantity for event in events if event.book_id == book.book_id), Decimal(0))
            for book in (known.book, known.other)
        )
        if own > 0 and rest > 0:
            part = (whole * own / (own + rest)).quantize(places)
            return [(known.book, part), (known.other, whole - part)]
        ours = bool(own) or (not rest and any(event.book_id == known.book.book_id for event in events))
        return [(known.book if ours else known.other, whole)]

    def _waiting(self) -> list[OutsideChange]:
        return [*self.known.waiting(), *self.changes]


def add_activities(news: News, activities: Iterable[Activity]) -> list[Activity]:
    """Add what is new to the books, or to the changes where it is nobody's here. Returns the new splits, which need more."""
    splits = []
    for row in activities:
        if news.known.has(row):
            continue
        if row.kind == "split":
            splits.append(row)
        elif row.kind == "fill" and row.reference in news.known.orders:
            _add_fill(news, row)
        elif row.kind == "dividend" or row.note == CASH_IN_LIEU:
            _add_payment(news, row)
        elif row.kind in ("fee", "interest"):
            book = news.known.book if row.kind == "fee" else news.known.other
            news.flows.append(_flow(book, row, row.kind, row.amount))
        elif row.kind == "deposit" and row.reference == news.known.book.book_id:
            _add_opening(news, row)
        elif row.quantity or row.amount:
            instrument = row.instrument if row.quantity else ""
            news.add_change(f"activity/{row.activity_id}", row.session, _sentence(row), instrument, row.quantity, row.amount)
    return splits


def split_event(book: Book, row: Activity, session: date, quantity: Decimal) -> PositionEvent:
    """A book's part of a reported split, at the open of a session."""
    named = f"{book.book_id}/{row.activity_id}"
    return PositionEvent(named, book.book_id, session, row.instrument, "split", quantity, row.activity_id)


def _add_fill(news: News, row: Activity) -> None:
    book = news.known.book
    numbers = row.quantity, row.price, row.commission, row.slippage
    fill = Fill(row.activity_id, row.reference, book.book_id, row.session, row.instrument, *numbers, row.note)
    position, paid = fill_events(fill, book.currency)
    news.fills.append(fill)
    news.positions.append(position)
    news.flows.extend(paid)


def _add_payment(news: News, row: Activity) -> None:
    """A dividend, or the cash for a fraction of a share that a split left over."""
    kind = "dividend" if row.kind == "dividend" else "split"
    if row.quantity:
        split = news.parts(row.instrument, row.quantity, PLACES)
        news.positions += [split_event(book, row, row.session, quantity) for book, quantity in split]
    for book, amount in news.parts(row.instrument, row.amount, CENT):
        news.flows.append(_flow(book, row, kind, amount))


def _add_opening(news: News, row: Activity) -> None:
    book = news.known.book
    paid = (row.session, "deposit", row.amount, book.currency, row.reference)
    news.flows.append(CashEvent(row.activity_id, book.book_id, *paid))  # type: ignore[arg-type]  # of mixed types
    news.opened = news.opened or (book.book_id, row.session)


def _flow(book: Book, row: Activity, kind: str, amount: Decimal) -> CashEvent:
    named = f"{book.book_id}/{row.activity_id}"  # two accounts of one ledger may have the same dividend
    return CashEvent(named, book.book_id, row.session, kind, amount, book.currency, row.instrument or row.note)  # type: ignore[arg-type]  # its kinds are those above


def _sentence(row: Activity) -> str:
    if row.kind == "fill":
        said = f"somebody else's order {row.reference} {'bought' if row.quantity > 0 else 'sold'}"
        return f"{row.session}: {said} {abs(row.quantity):f} {row.instrument} at {row.price:f}"
    if row.kind == "deposit":
        return f"{row.session}: a {'deposit' if row.amount > 0 else 'withdrawal'} of {abs(row.amount):,.2f} ({row.note})"
    moved = [f"{row.quantity:+f} {row.instrument}"] if row.quantity else []
    paid = [f"{row.amount:+,.2f} in cash"] if row.amount else []
    what = "a change of name," if row.note == NAME_CHANGE else f"an activity {row.note} of"
    return f"{row.session}: {what} {' and '.join([*moved, *paid])}"
