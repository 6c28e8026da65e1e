"""What Alpaca says of the account, its positions and orders, as our records. Fields that we do not know are passed over."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal

from nightdesk.brokers.alpaca_fields import instant_of, number_of, object_of, rows_of, shown, sign_of, text_of
from nightdesk.brokers.broker import NEW_YORK, Account, BrokerClock, BrokerOrder
from nightdesk.errors import TryAgain

WAITING: Final = frozenset(
    {
        "accepted",
        "accepted_for_bidding",
        "calculated",
        "done_for_day",
        "held",
        "new",
        "partially_filled",
        "pending_cancel",
        "pending_new",
        "pending_replace",
        "pending_review",
        "stopped",
        "suspended",
    }
)
ENDED: Final[Mapping[str, Literal["filled", "expired", "canceled", "rejected"]]] = {
    "filled": "filled",
    "expired": "expired",
    "canceled": "canceled",
    "replaced": "canceled",
    "rejected": "rejected",
}
BLOCKS: Final = ("account_blocked", "trading_blocked", "trade_suspended_by_user")


def account_of(answer: object) -> Account:
    """The account. It is blocked where Alpaca says so, or does not say that it is active."""
    row = object_of(answer, "account")
    blocks = [name for name in BLOCKS if row.get(name)]
    if row.get("status") != "ACTIVE":
        blocks.append(f"its status is {shown(row.get('status'))!r}")
    return Account(
        text_of(row, "account_number", "account"),
        text_of(row, "currency", "account"),
        number_of(row, "cash", "account"),
        number_of(row, "buying_power", "account"),
        ", ".join(blocks),
    )


def clock_of(answer: object) -> tuple[BrokerClock, datetime]:
    """The clock, and the instant of the next open, UTC."""
    row = object_of(answer, "clock")
    opens = instant_of(row, "next_open", "clock")
    return BrokerClock(instant_of(row, "timestamp", "clock"), opens.astimezone(NEW_YORK).date()), opens


def positions_of(answer: object) -> dict[str, Decimal]:
    """Signed quantities by symbol. Alpaca writes those of short positions with a minus, and says `side` too."""
    held: dict[str, Decimal] = {}
    for row in rows_of(answer, "positions"):
        symbol, quantity = text_of(row, "symbol", "position"), number_of(row, "qty", "position")
        if symbol in held:
            raise TryAgain(f"Alpaca's positions have {symbol[:20]!r} twice.")
        held[symbol] = -abs(quantity) if row.get("side") == "short" else quantity
    return {symbol: quantity for symbol, quantity in sorted(held.items()) if quantity}


def order_of(answer: object) -> BrokerOrder:
    """An order. One by amount has no quantity of its own: what it filled stands for it."""
    row = object_of(answer, "order")
    sign = sign_of(row, "order")
    filled = sign * number_of(row, "filled_qty", "order")
    quantity = filled if row.get("qty") is None and row.get("notional") is not None else sign * number_of(row, "qty", "order")
    told = row.get("status")
    status = status_of(told)
    reason = f"Alpaca says {shown(told)[:40]!r}" if status == "unknown" else ""
    if status in ("expired", "canceled", "rejected"):
        reason = shown(row.get("reject_reason") or told)
    return BrokerOrder(
        text_of(row, "client_order_id", "order"), text_of(row, "symbol", "order"), quantity, filled, status, reason
    )


def status_of(told: object) -> Literal["accepted", "filled", "expired", "canceled", "rejected", "unknown"]:
    """Our word for Alpaca's state of an order; "unknown" for one that we do not know."""
    if not isinstance(told, str):
        return "unknown"
    return "accepted" if told in WAITING else ENDED.get(told, "unknown")
