"""Step 8: wanted minus held, through the limits, once."""

from typing import Any

import pandas as pd

from nightdesk.brokers.broker import OrderRequest
from nightdesk.day.decision import decided
from nightdesk.day.desk import Day, step
from nightdesk.day.limited import Checks, final_checks, held_back, save_breach, sells_first
from nightdesk.day.retrain import Trained
from nightdesk.errors import LimitBreached, OrderRefused
from schemas.records import BookState, Order


@step("order")
def place_orders(day: Day, signals: pd.DataFrame, trained: Trained, state: BookState, bars: pd.DataFrame) -> list[Order]:
    """Commit the decision with its intents, then send what has not been sent. A committed decision stands.

    Each request is held against the limits and the book's state again, immediately before it leaves: the first that may not
    leave keeps back the rest, which stay intents. A refused order is recorded and the others go on. Raises `LimitBreached`
    where a limit kept every order back, once the decision is committed.
    """
    desk, book_id = day.desk, day.desk.book.book_id
    if desk.ledger.decision(book_id, day.session) is None:
        save_breach(day)
        decision, intents = decided(day, signals, trained, state, bars)
        desk.ledger.commit_decision(decision, intents)
    else:
        day.resumed = True
    committed = desk.ledger.decision(book_id, day.session)
    body: Any = committed.body if committed else {}
    day.end(str(body["outcome"]), str(body["reason"]))
    if body["outcome"] == "no trade: limit":
        raise LimitBreached(f"{body['reason']}.", breaches=body["limits"]["breaches"])
    refused, held = _send_all(day, desk.ledger.orders(book_id, day.session), final_checks(day, state, bars))
    orders = desk.ledger.orders(book_id, day.session)
    if refused:
        outcome = "failed: order" if all(order.status == "rejected" for order in orders) else str(body["outcome"])
        day.end(outcome, f"The broker refused: {'; '.join(refused)}.", OrderRefused.exit_code)
    if held:
        _end_held_back(day, orders, *held)
    return orders


def _send_all(day: Day, orders: list[Order], checks: Checks) -> tuple[list[str], tuple[str, str] | None]:
    """Send the intents, sells first. Returns the reasons of refusals, and the outcome and sentence of what was held back."""
    refused: list[str] = []
    for order in sells_first(orders):
        if order.status == "intent" and _may_leave(day, order):
            outcome, why = held_back(checks, order)
            if why:
                return refused, (outcome, why)
            _submit(day, order)
        stands = day.desk.ledger.order(order.order_id) or order
        if order.status == "intent":
            checks.orders.append(stands)
        if stands.status == "rejected":
            refused.append(f"{order.instrument}: {stands.reason}")
    return refused, None


def _end_held_back(day: Day, orders: list[Order], outcome: str, why: str) -> None:
    """How a day ends where an order was kept back: as that says, unless another order has left."""
    if any(order.status in ("accepted", "unknown", "filled") for order in orders):
        code = LimitBreached.exit_code if outcome == "no trade: limit" else None
        day.end(day.run.outcome, f"{day.run.reason}; held back: {why}", code)
    elif outcome == "no trade: limit":
        raise LimitBreached(f"Held back as it was about to leave: {why}.", breaches=[why])
    else:
        day.end(outcome, f"held back as it was about to leave: {why}")


def _may_leave(day: Day, order: Order) -> bool:
    """Whether an intent is still to be sent: the broker does not have it, and it is in time for its open."""
    desk = day.desk
    known = desk.broker.find_order(order.order_id)
    if known is not None:
        desk.ledger.set_order_status(order.order_id, known.status, known.reason)
        return False
    if desk.clock.now() > desk.deadline(order.execution_session):
        desk.ledger.set_order_status(order.order_id, "expired", "never left the desk before its open")
        return False
    return True


def _submit(day: Day, order: Order) -> None:
    request = OrderRequest(order.order_id, order.instrument, order.quantity, order.time_in_force, order.execution_session)
    answer = day.desk.broker.submit_order(request)
    day.desk.ledger.set_order_status(order.order_id, answer.outcome, answer.reason)
