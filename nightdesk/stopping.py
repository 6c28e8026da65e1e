"""Stopping a strategy's book: nothing more is sent, and what waits at the broker is called back where a person wants that."""

import time
from collections.abc import Iterator
from contextlib import closing, contextmanager

from nightdesk.clock import WallClock
from nightdesk.errors import TryAgain
from nightdesk.ledger.decisions import OPEN_STATUSES
from nightdesk.ledger.halts import submit_halt
from nightdesk.ledger.lock import only_writer
from nightdesk.orders.cancel import cancel_orders
from nightdesk.settings import Settings
from nightdesk.wiring.orders import account_lock, new_book, open_ledger, open_order_desk
from nightdesk.wiring.strategies import load_strategy
from schemas.records import Mode, Order
from schemas.strategy import Strategy

ALONE_WITHIN_S = 90.0
"""A little longer than one request may take: a process that orders sees the new state before its next."""
LOOK_EVERY_S = 0.2


@contextmanager
def account_alone(strategy: Strategy, mode: Mode, here: Settings) -> Iterator[int]:
    """Hold the account's lock for the length of the block; gives its descriptor. Raises `TryAgain` where another process does
    not let go of it."""
    until = time.monotonic() + ALONE_WITHIN_S
    while True:
        with only_writer(here.locks, account_lock(strategy, mode)) as lock:
            if lock is not None:
                yield lock
                return
        if time.monotonic() > until:
            raise TryAgain(f"Another process is writing to the account {strategy.account!r}; its book's state is set already.")
        time.sleep(LOOK_EVERY_S)


def stop_book(strategy_name: str, mode: Mode, who: str, reason: str, here: Settings, cancels: bool) -> list[Order]:
    """Halt the strategy's book; where it `cancels`, also call back every order that may still fill. Returns those, as they stand.

    The state is kept first, and holds whatever fails after it. Raises `TryAgain` where the end of an order is not known.
    """
    strategy = load_strategy(strategy_name, here)
    book_id = new_book(strategy, mode).book_id
    submit_halt(here.ledgers, book_id, who, WallClock().now(), reason)
    if not cancels:
        return []
    with account_alone(strategy, mode, here), closing(open_ledger(mode, here)) as ledger:
        waiting = ledger.orders(book_id, statuses=OPEN_STATUSES)
        if not waiting:
            return []
        desk = open_order_desk(strategy, mode, waiting[-1].decided_session, ledger, here)
        with closing(desk.broker):
            unclear = cancel_orders(desk, waiting, f"stopped by {who}: {reason}")
        if unclear:
            raise TryAgain(f"{book_id} is HALTED, but the end of an order is not known: {'; '.join(unclear)}. Stop it again.")
        return [order for row in waiting if (order := ledger.order(row.order_id))]
