"""What happened at the broker since: orders, then fills, then positions, then cash. Start-up and recovery are one path."""

import time
from collections.abc import Sequence
from datetime import date, timedelta

from nightdesk.brokers.broker import Account, BrokerOrder
from nightdesk.clock import WallClock
from nightdesk.errors import OutOfSync
from nightdesk.ledger.decisions import OPEN_STATUSES
from nightdesk.orders.desk import OrderDesk
from nightdesk.orders.events import Known, News, add_activities
from nightdesk.orders.opening import open_book, unattributed_book
from nightdesk.orders.outside import add_foreign_orders, add_unexplained, require_no_outside_change
from nightdesk.orders.splits import Splits, add_splits
from schemas.records import BrokerAccount, Order

CLOCK_TOLERANCE = timedelta(seconds=30)
LOOKS = 2
"""How often an order must not be found, after a request for it could have landed, before it counts as never having arrived."""
LOOK_EVERY_S = 2.0
LOOK_BACK = timedelta(days=30)
"""A broker reports nothing later than this after its day."""


def recover(desk: OrderDesk, session: date, splits: Splits | None = None) -> Account:
    """Bring the ledger to where the broker is, and compare the two. `session` is the last whose close has passed; `splits` are
    those of the bars since the book was last marked, None where no bars are read.

    A book that is new is opened. Raises `OutOfSync` where anything differs, which also halts the book, or where a split is not
    clear yet or the account takes no orders, which does not; `TryAgain` where the broker cannot be read: then nothing is known,
    and nothing is "flat".
    """
    account = _require_account(desk)
    resolve_orders(desk, session)
    if desk.book.opened is None:
        open_book(desk, session)
    news = _news(desk, session, splits)
    if _surprising(news) and (pause_s := _pause_s(desk)):
        time.sleep(pause_s)  # a broker's lists may follow its positions and cash
        news = _news(desk, session, splits)
    _save_news(desk, news)
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
    missing = []
    for order in waiting:
        if order.order_id in listed or order.status == "intent":
            _move_on(desk, order, listed.get(order.order_id), session)
        else:
            missing.append(order)
    found = found_orders(desk, missing)
    for order in missing:
        _move_on(desk, order, found.get(order.order_id), session)


def found_orders(desk: OrderDesk, orders: Sequence[Order]) -> dict[str, BrokerOrder]:
    """Those of some orders that the broker has, by id. One is absent that was looked for `LOOKS` times in vain after its request
    can no longer land; the looks for all of them share their pauses."""
    lands_within_s = desk.broker.capabilities().lands_within_s
    enough, now = LOOKS if lands_within_s else 1, WallClock().now()
    lands_until = {order.order_id: (order.sent_at or now) + timedelta(seconds=lands_within_s) for order in orders}
    found: dict[str, BrokerOrder] = {}
    looks = dict.fromkeys((order.order_id for order in orders), 0)
    missing = list(orders)
    while missing:
        for order in missing:
            late = WallClock().now() >= lands_until[order.order_id]
            known = desk.broker.find_order(order.order_id)
            if known is not None:
                found[order.order_id] = known
            looks[order.order_id] += late
        missing = [order for order in missing if order.order_id not in found and looks[order.order_id] < enough]
        if missing:
            time.sleep(_pause_s(desk))
    return found


def _move_on(desk: OrderDesk, order: Order, known: BrokerOrder | None, session: date) -> None:
    if known is not None:
        desk.ledger.set_order_status(order.order_id, known.status, known.reason)
    elif order.status == "accepted":
        raise OutOfSync(f"The broker took the order {order.order_id} and does not know it any more.", order_id=order.order_id)
    elif order.execution_session <= session:
        desk.ledger.set_order_status(order.order_id, "expired", "never left the desk before its open")


# events, positions and cash


def _pause_s(desk: OrderDesk) -> float:
    """How long to wait between looks; 0 where a broker says all at once."""
    lands_within_s = desk.broker.capabilities().lands_within_s
    return min(LOOK_EVERY_S, max(lands_within_s / 10, 0.01)) if lands_within_s else 0.0


def _news(desk: OrderDesk, session: date, splits: Splits | None) -> News:
    """What the broker has and the ledger has not."""
    known, since = _known(desk), _since(desk)
    news = News(known, WallClock().now())
    told = add_activities(news, desk.broker.activities(since))
    if since is not None:
        add_foreign_orders(news, desk.broker.orders_since(since), session)
    positions = desk.broker.positions()
    add_splits(news, told, splits, positions)
    add_unexplained(news, positions, desk.broker.account().cash, session)
    return news


def _known(desk: OrderDesk) -> Known:
    ledger, book = desk.ledger, desk.book
    ids = [row.book_id for row in ledger.books(book.account)]
    return Known(
        book,
        unattributed_book(book),
        frozenset(row.instrument for row in desk.strategy.market.instruments),
        {order.order_id: order for order in ledger.orders(book.book_id)},
        ledger.fills(book.book_id),
        [event for book_id in ids for event in ledger.position_events(book_id)],
        [event for book_id in ids for event in ledger.cash_events(book_id)],
        {change.reference: change for change in ledger.outside_changes(book.book_id)},
    )


def _since(desk: OrderDesk) -> date | None:
    """The day from which the broker's reports may be new; None where the book was not open yet."""
    book, marks = desk.ledger.book(desk.book.book_id), desk.ledger.marks(desk.book.book_id)
    if book is None or book.opened is None:
        return None
    return max(book.opened, marks[-1].session - LOOK_BACK) if marks else book.opened


def _surprising(news: News) -> bool:
    return any(not change.reference.startswith(("activity/", "order/")) for change in news.changes)


def _save_news(desk: OrderDesk, news: News) -> None:
    """Record it. Raises `OutOfSync` where the account was changed from outside, now or before, or a split is not clear yet."""
    if news.known.other.book_id in {*(row.book_id for row in news.positions), *(row.book_id for row in news.flows)}:
        desk.ledger.open_book(news.known.other)
    desk.ledger.append_events(news.fills, news.positions, news.flows, news.opened, news.changes)
    require_no_outside_change(desk, desk.ledger.outside_changes(desk.book.book_id, waiting=True))
    if news.pending:
        for order in desk.ledger.orders(desk.book.book_id, statuses=("intent",)):
            if order.instrument in news.pending:
                desk.ledger.set_order_status(order.order_id, "expired", f"sized before a split of {order.instrument}")
        raise OutOfSync(f"{'; '.join(news.pending.values())}. Nothing leaves until both agree.", pending=list(news.pending))
