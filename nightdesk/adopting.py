"""`nightdesk adopt`: what waits for a person at a book, what taking it over would do, and doing it."""

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import date

from nightdesk.clock import WallClock
from nightdesk.errors import Misconfigured, NightdeskError
from nightdesk.ledger.lock import only_writer
from nightdesk.ledger.store import Ledger
from nightdesk.orders.adoption import Adoption, adoption_of, held_by_book, taken_over
from nightdesk.orders.desk import OrderDesk
from nightdesk.orders.opening import unattributed_book
from nightdesk.orders.recover import recover
from nightdesk.sessions import Sessions, exchange_sessions
from nightdesk.settings import Settings
from nightdesk.wiring.markets import clock_of, source_of, store_of
from nightdesk.wiring.orders import account_lock, new_book, new_broker, open_ledger
from nightdesk.wiring.strategies import load_strategy
from schemas.records import Mode, OutsideChange
from schemas.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Takeover:
    """A strategy's book in a mode, and how a person wants its outside changes to be taken over."""

    strategy_name: str
    mode: Mode
    capital: bool
    renames: Mapping[str, str]


def waiting_changes(takeover: Takeover, here: Settings) -> tuple[list[OutsideChange], Adoption]:
    """The changes that wait, and what they would do."""
    strategy = load_strategy(takeover.strategy_name, here)
    with closing(open_ledger(takeover.mode, here)) as ledger:
        return _planned(takeover, strategy, ledger)


def adopt(takeover: Takeover, listed: list[OutsideChange], who: str, reason: str, here: Settings) -> str:
    """Book the changes that a person has seen. Returns what is left, "" where ledger and broker are equal: what else differs, or
    why the broker could not be asked.

    Raises `Misconfigured` where other changes wait by now, or another process writes to the account.
    """
    if not reason.strip():
        raise Misconfigured.value("reason", reason, "a sentence that says why; it is kept with your name")
    strategy = load_strategy(takeover.strategy_name, here)
    with only_writer(here.locks, account_lock(strategy, takeover.mode)) as alone:
        if alone is None:
            raise Misconfigured(f"Another process is writing to the account {strategy.account!r}: try again when it is done.")
        with closing(open_ledger(takeover.mode, here)) as ledger:
            changes, adoption = _planned(takeover, strategy, ledger)
            if [row.reference for row in changes] != [row.reference for row in listed]:
                raise Misconfigured("Other changes wait by now than those that were listed: look again.")
            if adoption.other.book_id in {*(row.book_id for row in adoption.flows), *(row.book_id for row in adoption.positions)}:
                ledger.open_book(adoption.other)
            taken = taken_over(changes, who, WallClock().now(), reason)
            ledger.append_events(positions=adoption.positions, cash=adoption.flows, changes=taken)
            return _left(takeover, strategy, ledger, here)


def _planned(takeover: Takeover, strategy: Strategy, ledger: Ledger) -> tuple[list[OutsideChange], Adoption]:
    book = ledger.book(new_book(strategy, takeover.mode).book_id)
    if book is None or book.opened is None:
        raise Misconfigured(f"The {takeover.mode} book of {strategy.name!r} has no day yet.", strategy=strategy.name)
    changes = ledger.outside_changes(book.book_id, waiting=True)
    books = [book, unattributed_book(book)]
    events = [event for row in books for event in ledger.position_events(row.book_id)]
    listed = frozenset(row.instrument for row in strategy.market.instruments) | takeover.renames.keys()
    sessions = exchange_sessions(strategy.market.calendar)
    session = _first_unmarked(ledger, book.book_id, book.opened, sessions)
    adoption = Adoption(books[0], books[1], listed, held_by_book(books, events), session, sessions, takeover.capital)
    return changes, adoption_of(adoption, changes, takeover.renames)


def _first_unmarked(ledger: Ledger, book_id: str, opened: date, sessions: Sessions) -> date:
    marks = ledger.marks(book_id)
    return sessions.after(marks[-1].session) if marks else opened


def _left(takeover: Takeover, strategy: Strategy, ledger: Ledger, here: Settings) -> str:
    """What the account and its books still differ by."""
    sessions, source = exchange_sessions(strategy.market.calendar), source_of(strategy, here)
    session = sessions.latest_settled(WallClock().now())
    clock = clock_of(source, sessions, session, takeover.mode)
    broker = new_broker(strategy, takeover.mode, sessions, store_of(source, here), clock, here)
    book = ledger.open_book(new_book(strategy, takeover.mode))
    desk = OrderDesk(strategy=strategy, book=book, clock=clock, sessions=sessions, broker=broker, ledger=ledger)
    with closing(broker):
        try:
            recover(desk, session)
        except NightdeskError as error:
            return error.message
    return ""
