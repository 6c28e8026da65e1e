"""Text from the command line into values, or a sentence."""

import re
from datetime import date

from nightdesk.errors import Misconfigured
from schemas.records import Mode
from schemas.strategy import ORDER_SYMBOL


def parsed_session(text: str | None, name: str = "session") -> date | None:
    """A date as 2018-12-31, None where there is none. Raises `Misconfigured`, which names it."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Misconfigured.value(name, text, "a date as 2018-12-31") from None


def is_session(text: str) -> bool:
    """Whether a text looks like a date; an order's id does not."""
    return re.fullmatch(r"\d{4}-\d{1,2}-\d{1,2}", text) is not None


def parsed_mode(text: str) -> Mode:
    """Whose book. Raises `Misconfigured`."""
    modes: dict[str, Mode] = {"paper": "paper", "backfill": "backfill", "live": "live"}
    if text not in modes:
        raise Misconfigured.value("book", text, ", ".join(modes))
    return modes[text]


def parsed_renames(texts: list[str]) -> dict[str, str]:
    """Symbols that have changed, each as OLD=NEW. Raises `Misconfigured`."""
    renames = {}
    for text in texts:
        old, _, new = text.partition("=")
        if not all(re.fullmatch(ORDER_SYMBOL, name) for name in (old, new)) or old == new:
            raise Misconfigured.value("rename", text, "two order symbols as FB=META")
        renames[old] = new
    return renames
