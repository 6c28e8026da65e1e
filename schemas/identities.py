"""The accounting equations, as functions that say where they do not hold. Used in the code after every mark and in the tests."""

from collections.abc import Mapping, Sequence
from decimal import Decimal

from schemas.records import CashEvent, Fill, Mark, Order, PositionEvent

HALF_CENT = Decimal("0.005")
NANO = Decimal("0.000000001")


def equity_is_cash_plus_positions(mark: Mark, holdings: Mapping[str, Decimal], closes: Mapping[str, Decimal]) -> list[str]:
    """cash + sum(quantity x close) = equity, to half a cent."""
    value = mark.cash + sum((quantity * closes[name] for name, quantity in holdings.items()), Decimal(0))
    if abs(value - mark.equity) <= HALF_CENT:
        return []
    return [f"{mark.session}: cash + positions is {value:.2f}, equity {mark.equity:.2f}"]


def holdings_are_fills(positions: Sequence[PositionEvent], fills: Sequence[Fill]) -> list[str]:
    """Every fill has exactly one position event of its instrument and quantity, and no fill event is without its fill."""
    events = {event.reference: (event.instrument, event.quantity) for event in positions if event.kind == "fill"}
    wanted = {fill.fill_id: (fill.instrument, fill.quantity) for fill in fills}
    if events == wanted and len(events) == sum(event.kind == "fill" for event in positions):
        return []
    odd = sorted(name for name in {*events, *wanted} if events.get(name) != wanted.get(name))
    return [f"position events and fills differ: {', '.join(odd) or 'an event twice'}"]


def cash_is_fills_and_flows(cash: Sequence[CashEvent], fills: Sequence[Fill]) -> list[str]:
    """Trade events are -quantity x price of the fills, commission events their commissions, to a nano."""
    traded = sum((event.amount for event in cash if event.kind == "trade"), Decimal(0))
    charged = sum((event.amount for event in cash if event.kind == "commission"), Decimal(0))
    tolerance = NANO * (len(fills) + 1)
    found = []
    if abs(traded + sum((fill.quantity * fill.price for fill in fills), Decimal(0))) > tolerance:
        found.append(f"trade events sum to {traded}, the fills do not")
    if abs(charged + sum((fill.commission for fill in fills), Decimal(0))) > tolerance:
        found.append(f"commission events sum to {charged}, the fills' commissions do not")
    return found


def rounding_is_cents(cash: Sequence[CashEvent]) -> list[str]:
    """What a broker rounds to whole cents comes to at most a cent for each payment, and one more for each time it was booked."""
    rounded = [event.amount for event in cash if event.kind == "rounding"]
    payments = sum(event.kind not in ("rounding", "deposit") for event in cash)
    total, most = sum((abs(amount) for amount in rounded), Decimal(0)), 2 * HALF_CENT * (payments + len(rounded))
    return [] if total <= most else [f"rounding comes to {total}, at most {most} for {payments} payments"]


def cash_is_never_negative(marks: Sequence[Mark]) -> list[str]:
    """No session closes with cash below zero."""
    return [f"{mark.session}: cash is {mark.cash:.2f}" for mark in marks if mark.cash < 0]


def fills_stay_within_orders(orders: Sequence[Order], fills: Sequence[Fill]) -> list[str]:
    """The fills of an order have its sign and do not exceed it."""
    filled: dict[str, Decimal] = {}
    for fill in fills:
        filled[fill.order_id] = filled.get(fill.order_id, Decimal(0)) + fill.quantity
    wanted = {order.order_id: order.quantity for order in orders}
    return [
        f"order {name}: filled {quantity}, ordered {wanted.get(name)}"
        for name, quantity in filled.items()
        if name not in wanted or quantity * wanted[name] < 0 or abs(quantity) > abs(wanted[name])
    ]
