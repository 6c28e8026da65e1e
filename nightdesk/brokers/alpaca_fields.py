"""Fields of Alpaca's answers. One that we need and that is missing or strange raises `TryAgain`: nothing is ever guessed, least
of all zero."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

from nightdesk.errors import TryAgain

Row = Mapping[str, Any]
LARGEST: Final = Decimal(10) ** 15
LONGEST_TEXT: Final = 200
NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
SIGNS: Final = {"buy": 1, "sell": -1, "sell_short": -1}
"""Plus for what buys. A short sale is told as sell_short."""


def object_of(answer: object, what: str) -> Row:
    """An object. A list, a text or null is none."""
    if isinstance(answer, dict):
        return answer
    raise TryAgain(f"Alpaca's {what} is no object.")


def rows_of(answer: object, what: str) -> list[dict[str, Any]]:
    """A list of objects. An object with a message, an empty answer or null is none."""
    if not isinstance(answer, list) or not all(isinstance(row, dict) for row in answer):
        raise TryAgain(f"Alpaca's {what} are no list of objects.")
    return answer


def text_of(row: Row, key: str, what: str) -> str:
    """A text that can be printed and stored: no control characters, no half of a surrogate pair, not too long."""
    told = row.get(key)
    if isinstance(told, str) and 0 < len(told) <= LONGEST_TEXT and told.isprintable():
        return told
    raise TryAgain(f"Alpaca's {what} has no {key}.", key=key)


def shown(told: object) -> str:
    """What can be printed of a text, in one line; of anything else only what it is."""
    if not isinstance(told, str):
        return "nothing" if told is None else f"a {type(told).__name__}"
    return "".join(filter(str.isprintable, " ".join(told.split())))[:LONGEST_TEXT]


def number_of(row: Row, key: str, what: str) -> Decimal:
    """A number from its text, or from a JSON number; finite, and of a size that money and shares can have."""
    told = row.get(key)
    if isinstance(told, str | int | float) and not isinstance(told, bool) and NUMBER.fullmatch(str(told)):
        number = Decimal(str(told))
        if abs(number) < LARGEST:
            return number
    raise TryAgain(f"Alpaca's {what} has no number as its {key}.", key=key)


def number_or_zero(row: Row, key: str, what: str) -> Decimal:
    """A number that Alpaca leaves out where there is none."""
    return Decimal(0) if row.get(key) is None else number_of(row, key, what)


def sign_of(row: Row, what: str) -> int:
    """Plus for what buys, minus for what sells."""
    side = text_of(row, "side", what)
    if side in SIGNS:
        return SIGNS[side]
    raise TryAgain(f"Alpaca's {what} has the side {side[:20]!r}.", side=side)


def instant_of(row: Row, key: str, what: str) -> datetime:
    """An instant with its zone, UTC; nanoseconds are cut."""
    told = text_of(row, key, what)
    try:
        instant = datetime.fromisoformat(told)
    except ValueError:
        instant = datetime.min
    if instant.tzinfo is None or not date(1970, 1, 2) <= instant.date() < date(9000, 1, 1):
        raise TryAgain(f"Alpaca's {what} has no instant as its {key}.", key=key)
    return instant.astimezone(UTC)


def day_of(row: Row, key: str, what: str) -> date:
    """A day, also where midnight stands behind it."""
    told = text_of(row, key, what)
    try:
        return datetime.fromisoformat(told).date()
    except ValueError:
        pass
    raise TryAgain(f"Alpaca's {what} has no day as its {key}.", key=key)


def uuid_of(row: Row, key: str) -> str:
    """An id of Alpaca's own, which may stand in a path: nothing but a UUID is let through."""
    told = text_of(row, key, "answer")
    try:
        return str(UUID(told))
    except ValueError:
        pass
    raise TryAgain(f"Alpaca's {key} is no UUID but {told[:40]!r}.")
