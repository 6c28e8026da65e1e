"""Calling orders back. A cancel passes whatever the book's state is; what became of an order is read, never assumed."""

import time
from collections.abc import Sequence

from nightdesk.brokers.broker import BrokerOrder
from nightdesk.errors import TryAgain
from nightdesk.orders.desk import OrderDesk
from nightdesk.orders.recover import found_orders
from schemas.records import Order

ENDS_WITHIN_S = 10.0
"""How long an order is looked at after its cancel was asked for: it may fill, or end later."""
LOOK_EVERY_S = 0.5


def cancel_orders(desk: OrderDesk, orders: Sequence[Order], why: str) -> list[str]:
    """Give up what never left, ask the broker to end the rest, and write down what became of each.

    Returns a sentence for each order of which that is not known: the others are dealt with all the same.
    """
    unclear: list[str] = []
    for order in orders:
        if order.status == "intent":
            desk.ledger.set_order_status(order.order_id, "canceled", why)
            continue
        try:
            said = _canceled(desk, order, why)
        except TryAgain as error:
            said = error.message
        if said:
            unclear.append(f"{order.instrument} ({order.order_id}): {said}")
    return unclear


def _canceled(desk: OrderDesk, order: Order, why: str) -> str:
    """Why nobody knows how an order ended, "" where its end is in the ledger."""
    known = found_orders(desk, [order]).get(order.order_id)
    if known is None and order.status == "accepted":
        return "the broker took it and does not know it any more"
    if known is None:
        desk.ledger.set_order_status(order.order_id, "canceled", f"its request never arrived, and is not sent again: {why}")
        return ""
    if known.status in ("accepted", "unknown"):
        desk.broker.submit_cancel(order.order_id)
        known = _ended(desk, order) or known
    desk.ledger.set_order_status(order.order_id, known.status, why if known.status == "canceled" else known.reason)
    return "the broker has not ended it yet" if known.status in ("accepted", "unknown") else ""


def _ended(desk: OrderDesk, order: Order) -> BrokerOrder | None:
    """The order at the broker, once it has ended or was looked at for long enough."""
    until = time.monotonic() + ENDS_WITHIN_S
    while True:
        known = desk.broker.find_order(order.order_id)
        if known is None or known.status not in ("accepted", "unknown") or time.monotonic() > until:
            return known
        time.sleep(LOOK_EVERY_S)
