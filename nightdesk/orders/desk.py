"""An OrderDesk is what ordering works with, in the day's process or in one of its own."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from nightdesk.brokers.broker import Broker
from nightdesk.clock import Clock
from nightdesk.ledger.book import holdings
from nightdesk.ledger.store import Ledger
from nightdesk.sessions import Sessions
from schemas.records import Book, BookState
from schemas.strategy import Strategy

LAST_REQUEST_BEFORE_OPEN = timedelta(minutes=5)
"""No order leaves later than this before its open (09:25 in New York), and no decision is made for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderDesk:
    """One book with its broker and its ledger. `clock` is that of the market whose bars it reads."""

    strategy: Strategy
    book: Book
    clock: Clock
    sessions: Sessions
    broker: Broker
    ledger: Ledger

    def deadline(self, execution_session: date) -> datetime:
        """The instant after which nothing leaves for the open of a session."""
        return self.sessions.opens_at(execution_session) - LAST_REQUEST_BEFORE_OPEN

    def book_state(self, session: date) -> BookState:
        """The book after the close of a session that was marked, from its mark and its events up to there."""
        book_id = self.book.book_id
        mark = next(mark for mark in self.ledger.marks(book_id) if mark.session == session)
        held = holdings(event for event in self.ledger.position_events(book_id) if event.session <= session)
        return BookState(book_id, session, mark.cash, mark.equity, held)
