"""Step 8: wanted minus held, through the limits, once."""

from typing import Any

import pandas as pd

from nightdesk.brokers.broker import OrderRequest
from nightdesk.day.decision import decided
from nightdesk.day.desk import Day, step
from nightdesk.day.retrain import Trained
from nightdesk.errors import LimitBreached, OrderRefused
from schemas.records import BookState, Order


@step("order")
def place_orders(day: Day, signals: pd.DataFrame, trained: Trained, state: BookState, bars: pd.DataFrame) -> list[Order]:
    """Commit the decision with its intents, then send what has not been sent. A committed decision stands.

    A refused order is recorded and the others go on. Raises `LimitBreached` once the decision without orders is committed.
    """
    desk, book_id = day.desk, day.desk.book.book_id
    if desk.ledger.decision(book_id, day.session) is None:
        decision, intents = decided(day, signals, trained, state, bars)
        desk.ledger.commit_decision(decision, intents)
    else:
        day.resumed = True
    committed = desk.ledger.decision(book_id, day.session)
    body: Any = committed.body if committed else {}
    refused = [reason for order in desk.ledger.orders(book_id, day.session) if (reason := _send(day, order))]
    day.end(str(body["outcome"]), str(body["reason"]))
    if body["outcome"] == "no trade: limit":
        raise LimitBreached(f"{body['reason']}.", breaches=body["limits"]["breaches"])
    orders = desk.ledger.orders(book_id, day.session)
    if refused:
        outcome = "failed: order" if all(order.status == "rejected" for order in orders) else str(body["outcome"])
        day.end(outcome, f"The broker refused: {'; '.join(refused)}.", OrderRefused.exit_code)
    return orders


def _send(day: Day, order: Order) -> str:
    """Send an intent, unless the broker has it already or it is too late for its open. Returns the reason of a refusal."""
    desk = day.desk
    if order.status != "intent":
        return f"{order.instrument}: {order.reason}" if order.status == "rejected" else ""
    known = desk.broker.find_order(order.order_id)
    if known is not None:
        desk.ledger.set_order_status(order.order_id, known.status, known.reason)
        return ""
    if desk.clock.now() > desk.deadline(order.execution_session):
        desk.ledger.set_order_status(order.order_id, "expired", "never left the desk before its open")
        return ""
    request = OrderRequest(order.order_id, order.instrument, order.quantity, order.time_in_force, order.execution_session)
    answer = desk.broker.submit_order(request)
    desk.ledger.set_order_status(order.order_id, answer.outcome, answer.reason)
    return f"{order.instrument}: {answer.reason}" if answer.outcome == "rejected" else ""
