"""What Alpaca says, as our records. Fields that we do not know are passed over; one that we need and that is missing or strange
raises `TryAgain`: nothing is ever guessed, least of all zero."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, Literal
from uuid import UUID

from nightdesk.brokers.broker import NEW_YORK, Account, Activity, BrokerClock, BrokerOrder
from nightdesk.errors import TryAgain
from schemas.money import decimal

Row = Mapping[str, Any]
Kind = Literal["dividend", "split", "deposit", "fee", "interest", "other"]
LARGEST: Final = Decimal(10) ** 15

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
KINDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(("DIV", "DIVCGL", "DIVCGS", "DIVFEE", "DIVFT", "DIVNRA", "DIVROC", "DIVTW", "DIVTXEX", "CDIV"), "dividend"),
    **dict.fromkeys(("SPLIT", "SSP"), "split"),
    **dict.fromkeys(("CSD", "CSW", "JNLC", "TRANS", "ACATC"), "deposit"),
    **dict.fromkeys(("FEE", "CFEE", "PTC"), "fee"),
    **dict.fromkeys(("INT", "INTNRA", "INTTW"), "interest"),
}
"""Kinds by Alpaca's activity types; withheld tax counts with what it is withheld from. All others are "other"."""
BLOCKS: Final = ("account_blocked", "trading_blocked", "trade_suspended_by_user")


def account_of(answer: object) -> Account:
    """The account. It is blocked where Alpaca says so, or does not say that it is active."""
    row = _object(answer, "account")
    blocks = [name for name in BLOCKS if row.get(name)]
    if row.get("status") != "ACTIVE":
        blocks.append(f"its status is {row.get('status')!r}")
    return Account(
        _text(row, "account_number", "account"),
        _text(row, "currency", "account"),
        _number(row, "cash", "account"),
        _number(row, "buying_power", "account"),
        ", ".join(blocks),
    )


def clock_of(answer: object) -> tuple[BrokerClock, datetime]:
    """The clock, and the instant of the next open, UTC."""
    row = _object(answer, "clock")
    opens = _instant(row, "next_open", "clock")
    return BrokerClock(_instant(row, "timestamp", "clock"), opens.astimezone(NEW_YORK).date()), opens


def positions_of(answer: object) -> dict[str, Decimal]:
    """Signed quantities by symbol. Alpaca writes those of short positions with a minus, and says `side` too."""
    held: dict[str, Decimal] = {}
    for row in rows_of(answer, "positions"):
        symbol, quantity = _text(row, "symbol", "position"), _number(row, "qty", "position")
        if symbol in held:
            raise TryAgain(f"Alpaca's positions have {symbol[:20]!r} twice.")
        held[symbol] = -abs(quantity) if row.get("side") == "short" else quantity
    return {symbol: quantity for symbol, quantity in sorted(held.items()) if quantity}


def order_of(answer: object) -> BrokerOrder:
    """An order. One by amount has no quantity of its own: what it filled stands for it."""
    row = _object(answer, "order")
    sign = _sign(row, "order")
    filled = sign * _number(row, "filled_qty", "order")
    quantity = filled if row.get("qty") is None and row.get("notional") is not None else sign * _number(row, "qty", "order")
    told = row.get("status")
    status = status_of(told)
    reason = f"Alpaca says {str(told)[:40]!r}" if status == "unknown" else ""
    if status in ("expired", "canceled", "rejected"):
        reason = " ".join(str(row.get("reject_reason") or told).split())[:200]
    return BrokerOrder(_text(row, "client_order_id", "order"), _text(row, "symbol", "order"), quantity, filled, status, reason)


def status_of(told: object) -> Literal["accepted", "filled", "expired", "canceled", "rejected", "unknown"]:
    """Our word for Alpaca's state of an order; "unknown" for one that we do not know."""
    if not isinstance(told, str):
        return "unknown"
    return "accepted" if told in WAITING else ENDED.get(told, "unknown")


def activity_of(row: Row, order_ids: Mapping[str, str]) -> Activity | None:
    """An activity; None for one that was called back. `order_ids` gives our id of an order by Alpaca's own."""
    if row.get("activity_type") == "FILL":
        return _fill(row, order_ids)
    if row.get("status") == "canceled":
        return None
    name = _text(row, "activity_type", "activity")
    kind = KINDS.get(name, "other")
    moves_shares, moves_cash = kind in ("split", "other"), kind != "split"
    return Activity(
        _text(row, "id", "activity"),
        _day(row),
        kind,
        str(row.get("symbol") or ""),
        _optional(row, "qty") if moves_shares else Decimal(0),
        (_optional(row, "net_amount") if kind == "other" else _number(row, "net_amount", name)) if moves_cash else Decimal(0),
        price=Decimal(0),
        commission=Decimal(0),
        slippage=Decimal(0),
        reference="",
        note=name,
    )


def uuid_of(row: Row, key: str) -> str:
    """An id of Alpaca's own, which may stand in a path: nothing but a UUID is let through."""
    told = _text(row, key, "answer")
    try:
        return str(UUID(told))
    except ValueError:
        pass
    raise TryAgain(f"Alpaca's {key} is no UUID but {told[:40]!r}.")


def rows_of(answer: object, what: str) -> list[dict[str, Any]]:
    """A list of objects. An object with a message, an empty answer or null is none."""
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        raise TryAgain(f"Alpaca's {what} are no list of objects.")
    return answer


def _fill(row: Row, order_ids: Mapping[str, str]) -> Activity:
    quantity, price = _sign(row, "fill") * _number(row, "qty", "fill"), _number(row, "price", "fill")
    order = _text(row, "order_id", "fill")
    return Activity(
        _text(row, "id", "fill"),
        _instant(row, "transaction_time", "fill").astimezone(NEW_YORK).date(),
        "fill",
        _text(row, "symbol", "fill"),
        quantity,
        decimal(-quantity * price),
        price,
        commission=Decimal(0),
        slippage=Decimal(0),
        reference=order_ids.get(order, order),
    )


def _object(answer: object, what: str) -> Row:
    if isinstance(answer, dict):
        return answer
    raise TryAgain(f"Alpaca's {what} is no object.")


def _text(row: Row, key: str, what: str) -> str:
    told = row.get(key)
    if isinstance(told, str) and told:
        return told
    raise TryAgain(f"Alpaca's {what} has no {key}.", key=key)


def _number(row: Row, key: str, what: str) -> Decimal:
    """A number from its text, or from a JSON number; finite, and of a size that money and shares can have."""
    told = row.get(key)
    if isinstance(told, (str, int, float)) and not isinstance(told, bool):
        try:
            number = Decimal(str(told))
        except InvalidOperation:
            number = Decimal("NaN")
        if number.is_finite() and abs(number) < LARGEST:
            return number
    raise TryAgain(f"Alpaca's {what} has no number as its {key}.", key=key)


def _optional(row: Row, key: str) -> Decimal:
    return Decimal(0) if row.get(key) is None else _number(row, key, "activity")


def _sign(row: Row, what: str) -> int:
    """Plus for what buys. A short sale is told as sell_short."""
    signs = {"buy": 1, "sell": -1, "sell_short": -1}
    side = _text(row, "side", what)
    if side in signs:
        return signs[side]
    raise TryAgain(f"Alpaca's {what} has the side {side[:20]!r}.", side=side)


def _instant(row: Row, key: str, what: str) -> datetime:
    """An instant with its zone, UTC; nanoseconds are cut."""
    told = _text(row, key, what)
    try:
        instant = datetime.fromisoformat(told)
    except ValueError:
        instant = datetime.min
    if instant.tzinfo is None:
        raise TryAgain(f"Alpaca's {what} has no instant as its {key}.", key=key)
    return instant.astimezone(UTC)


def _day(row: Row) -> date:
    told = _text(row, "date", "activity")
    try:
        return date.fromisoformat(told[:10])
    except ValueError:
        pass
    raise TryAgain("Alpaca's activity has no day as its date.", key="date")
