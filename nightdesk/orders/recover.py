"""What happened at the broker since: orders, then fills, then positions, then cash. Start-up and recovery are one path."""

import time
from datetime import date, timedelta
from decimal import Decimal

from nightdesk.brokers.broker import Account, Activity, BrokerOrder
from nightdesk.clock import WallClock
from nightdesk.errors import OutOfSync
from nightdesk.ledger.book import UNATTRIBUTED, book_id, cash, fill_events, holdings
from nightdesk.ledger.decisions import OPEN_STATUSES
from nightdesk.ledger.reconcile import differences, require_equal
from nightdesk.orders.desk import OrderDesk
from schemas.records import Book, BrokerAccount, CashEvent, Fill, Order, PositionEvent

CLOCK_TOLERANCE = timedelta(seconds=30)
LOOKS = 2
"""How often an order must not be found, after a request for it could have landed, before it counts as never having arrived."""
LOOK_EVERY_S = 2.0


def recover(desk: OrderDesk, session: date) -> Account:
    """Bring the ledger to where the broker is, and compare the two. `session` is the last whose close has passed.

    A book that is new is opened: at a broker that takes no deposit, what the account holds beside the book's capital goes to the
    account's unattributed book. Raises `OutOfSync` where anything differs or the account takes no orders, `TryAgain` where the
    broker cannot be read: then nothing is known, and nothing is "flat".
    """
    account = _require_account(desk)
    resolve_orders(desk, session)
    if desk.book.opened is None:
        _open_book(desk, session, account)
    _record_activities(desk)
    _require_reconciled(desk)
    return account


def _require_account(desk: OrderDesk) -> Account:
    """The account, if it is the one that the ledger knows, takes orders, and goes by the same clock."""
    account = desk.broker.account()
    desk.ledger.require_account(BrokerAccount(desk.book.account, desk.broker.name, account.account))
    if desk.broker.name == "paper":
        return account
    wanted = desk.strategy.broker.account_number
    if wanted not in (None, account.account):
        raise OutOfSync(f"broker.account_number is {wanted}, but the keys open the account {account.account}.", number=wanted)
    if account.currency != desk.book.currency:
        raise OutOfSync(f"The account is in {account.currency}, the book in {desk.book.currency}.", currency=account.currency)
    if account.blocked:
        raise OutOfSync(f"The account {account.account} takes no orders: {account.blocked}.", blocked=account.blocked)
    apart = abs(desk.broker.clock().at - desk.clock.now())
    if apart > CLOCK_TOLERANCE:
        allowed = f"at most {CLOCK_TOLERANCE.total_seconds():g} s"
        raise OutOfSync(f"This machine's clock and the broker's are {apart.total_seconds():.0f} s apart, allowed: {allowed}.")
    return account


# orders


def resolve_orders(desk: OrderDesk, session: date) -> None:
    """Bring every open order to where the broker has it. An intent that no request was begun for is left as it is until its
    open has passed.

    An order of unknown outcome is looked up until it is found, or has been missed often enough after its request could still
    land; it then stays "unknown", and `submit` sends it again under its id.
    """
    waiting = desk.ledger.orders(desk.book.book_id, statuses=OPEN_STATUSES)
    if not waiting:
        return
    listed = {row.order_id: row for row in desk.broker.orders_since(min(order.decided_session for order in waiting))}
    for order in waiting:
        known = listed.get(order.order_id)
        if known is None and order.status != "intent":
            known = found_order(desk, order)
        _move_on(desk, order, known, session)


def found_order(desk: OrderDesk, order: Order) -> BrokerOrder | None:
    """The order at the broker; None once it was looked for `LOOKS` times after its request can no longer land."""
    lands_within_s = desk.broker.capabilities().lands_within_s
    lands_until = (order.sent_at or WallClock().now()) + timedelta(seconds=lands_within_s)
    looks = 0
    while True:
        late = WallClock().now() >= lands_until
        known = desk.broker.find_order(order.order_id)
        if known is not None:
            return known
        looks += late
        if looks >= LOOKS or (late and not lands_within_s):
            return None
        time.sleep(min(LOOK_EVERY_S, max(lands_within_s / 10, 0.01)))


def _move_on(desk: OrderDesk, order: Order, known: BrokerOrder | None, session: date) -> None:
    if known is not None:
        desk.ledger.set_order_status(order.order_id, known.status, known.reason)
    elif order.status == "accepted":
        raise OutOfSync(f"The broker took the order {order.order_id} and does not know it any more.", order_id=order.order_id)
    elif order.execution_session <= session:
        desk.ledger.set_order_status(order.order_id, "expired", "never left the desk before its open")


# events


def _open_book(desk: OrderDesk, session: date, account: Account) -> None:
    book = desk.book
    if desk.broker.name == "paper":
        desk.broker.submit_deposit(book.capital, session, book.book_id)
        return
    rest = account.cash - book.capital
    if rest < 0:
        raise OutOfSync(
            f"capital is {book.capital:f}, but the account {account.account} has {account.cash:f} {account.currency}: "
            "give the strategy less, or the account more.",
            capital=book.capital,
        )
    other = unattributed_book(book)
    desk.ledger.open_book(other)
    flows = [
        CashEvent(f"{row.book_id}/opening", row.book_id, session, "deposit", amount, book.currency, book.book_id)
        for row, amount in ((book, book.capital), (other, rest))
    ]
    moved = [
        PositionEvent(f"{other.book_id}/opening/{name}", other.book_id, session, name, "transfer", quantity, book.book_id)
        for name, quantity in desk.broker.positions().items()
    ]
    desk.ledger.append_events(positions=moved, cash=flows, opened=(book.book_id, session))


def unattributed_book(book: Book) -> Book:
    """The book of what an account has beside its strategy's."""
    named = book_id(book.mode, book.account, UNATTRIBUTED)
    return Book(named, book.account, book.mode, UNATTRIBUTED, book.currency, Decimal(0))


def _record_activities(desk: OrderDesk) -> None:
    """Append what the broker reports to this book's events; what is not its own is left to reconciliation."""
    book = desk.book
    ours = {order.order_id for order in desk.ledger.orders(book.book_id)}
    held = _ever_held(desk)
    fills: list[Fill] = []
    positions: list[PositionEvent] = []
    flows: list[CashEvent] = []
    opened: tuple[str, date] | None = None
    for row in desk.broker.activities(_opened(desk)):
        event_id = f"{book.book_id}/{row.activity_id}"  # two accounts of one ledger may have the same split
        if row.kind == "fill" and row.reference in ours:
            fill = _fill(row, book.book_id)
            position, paid = fill_events(fill, book.currency)
            fills.append(fill)
            positions.append(position)
            flows.extend(paid)
            held.add(row.instrument)
        elif row.kind == "split" and row.instrument in held:
            positions.append(
                PositionEvent(event_id, book.book_id, row.session, row.instrument, "split", row.quantity, row.activity_id)
            )
        elif row.kind == "dividend" and row.instrument in held:
            flows.append(CashEvent(event_id, book.book_id, row.session, "dividend", row.amount, book.currency, row.instrument))
        elif row.kind == "deposit" and row.reference == book.book_id:
            flows.append(
                CashEvent(row.activity_id, book.book_id, row.session, "deposit", row.amount, book.currency, row.reference)
            )
            opened = opened or (book.book_id, row.session)
    desk.ledger.append_events(fills, positions, flows, opened)


def _opened(desk: OrderDesk) -> date | None:
    book = desk.ledger.book(desk.book.book_id)
    return book.opened if book else None


def _ever_held(desk: OrderDesk) -> set[str]:
    return {event.instrument for event in desk.ledger.position_events(desk.book.book_id)}


def _fill(row: Activity, book: str) -> Fill:
    return Fill(
        row.activity_id,
        row.reference,
        book,
        row.session,
        row.instrument,
        row.quantity,
        row.price,
        row.commission,
        row.slippage,
        row.note,
    )


# positions and cash


def _require_reconciled(desk: OrderDesk) -> None:
    books = desk.ledger.books(desk.book.account)
    positions = [event for book in books for event in desk.ledger.position_events(book.book_id)]
    flows = [event for book in books for event in desk.ledger.cash_events(book.book_id)]
    found = differences(holdings(positions), desk.broker.positions(), cash(flows), desk.broker.account().cash)
    require_equal(found, desk.book.account)
