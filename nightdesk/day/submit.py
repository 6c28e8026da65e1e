"""Between two days: the orders that wait are sent by the process that orders, and what became of each is told."""

from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from nightdesk.errors import TryAgain
from nightdesk.orders.process import ORDERING, submitted_by
from nightdesk.settings import Settings
from nightdesk.wiring.orders import new_book, open_ledger
from nightdesk.wiring.strategies import load_strategy
from schemas.records import Mode, Order


@dataclass(frozen=True, slots=True)
class Submitted:
    """How a submission ended, and the orders of the book's newest decision: a row each, with where it stands."""

    outcome: str
    reason: str
    exit_code: int
    orders: tuple[dict[str, str], ...] = ()


def submit_orders(strategy_name: str, mode: Mode, here: Settings) -> Submitted:
    """Start the process that orders, read its answer, then the ledger."""
    ended = submitted_by(ORDERING, strategy_name, mode, here)
    return Submitted(ended.outcome, ended.reason, ended.exit_code, standing_orders(strategy_name, mode, here))


def require_answered(submitted: Submitted) -> None:
    """Raise `TryAgain` where something outside failed before an order was under way: then the same may be asked again."""
    if submitted.exit_code == TryAgain.exit_code:
        raise TryAgain(submitted.reason)


def standing_orders(strategy_name: str, mode: Mode, here: Settings) -> tuple[dict[str, str], ...]:
    """The orders of the book's newest decision, as the ledger has them now."""
    book_id = new_book(load_strategy(strategy_name, here), mode).book_id
    with closing(open_ledger(mode, here)) as ledger:
        decision = ledger.last_decision(book_id, ordered=True)
        orders = ledger.orders(book_id, decision.session) if decision else []
    return tuple(order_rows(orders))


def order_rows(orders: Sequence[Order]) -> list[dict[str, str]]:
    """A row for each order, for a person."""
    return [
        {
            "order": row.order_id,
            "instrument": row.instrument,
            "quantity": f"{row.quantity:f}",
            "for the open of": row.execution_session.isoformat(),
            "stands": row.status,
            "reason": row.reason,
        }
        for row in orders
    ]
