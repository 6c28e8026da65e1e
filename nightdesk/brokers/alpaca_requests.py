"""What may be sent to Alpaca, and where."""

import re
from datetime import time
from typing import Final
from urllib.parse import urlsplit

from nightdesk.brokers.alpaca_fields import LARGEST
from nightdesk.brokers.broker import Capabilities, OrderRequest
from nightdesk.errors import Misconfigured
from schemas.money import decimal
from schemas.records import Mode
from schemas.strategy import ORDER_SYMBOL

PAPER_URL: Final = "https://paper-api.alpaca.markets"
LIVE_URL: Final = "https://api.alpaca.markets"
ORDER_ID: Final = r"[A-Za-z0-9_-]{1,128}"
CAPABILITIES: Final = Capabilities(
    times_in_force=frozenset({"opg", "day"}),
    fractional=frozenset({"day"}),
    shorting=True,
    opg_from=time(19, 0),
    opg_until=time(9, 28),
)


def body_of(request: OrderRequest) -> dict[str, str]:
    """A request as Alpaca wants it; the quantity as a text, to its last place."""
    return {
        "symbol": request.instrument,
        "qty": f"{abs(request.quantity):f}",
        "side": "buy" if request.quantity > 0 else "sell",
        "type": "market",
        "time_in_force": request.time_in_force,
        "client_order_id": request.order_id,
    }


def refusal(request: OrderRequest) -> str:
    """Why a request cannot be sent as it is, "" where it can."""
    if re.fullmatch(ORDER_SYMBOL, request.instrument) is None:
        return f"instrument was {request.instrument[:40]!r}, allowed: a match of {ORDER_SYMBOL}"
    if re.fullmatch(ORDER_ID, request.order_id) is None:
        return f"order_id was {request.order_id[:40]!r}, allowed: up to 128 of A-Z, a-z, 0-9, _ and -"
    if request.time_in_force not in CAPABILITIES.times_in_force:
        return f"time_in_force was {request.time_in_force!r}, allowed: {', '.join(sorted(CAPABILITIES.times_in_force))}"
    quantity = request.quantity
    if not quantity.is_finite() or not 0 < abs(quantity) < LARGEST:
        return f"quantity was {quantity}, allowed: finite, not 0, below {LARGEST:f}"
    if quantity != decimal(quantity):
        return f"quantity was {quantity}, allowed: nine places"
    if quantity != quantity.to_integral_value() and request.time_in_force not in CAPABILITIES.fractional:
        return f"quantity was {quantity:f}, allowed with {request.time_in_force}: whole shares"
    return ""


def require_address(url: str, mode: Mode) -> None:
    """The live service is for the mode live, and the mode live for no paper service; keys go unencrypted to this machine only.

    Raises `Misconfigured`.
    """
    parts = urlsplit(url)
    other = urlsplit(PAPER_URL if mode == "live" else LIVE_URL).hostname
    if parts.hostname == other:
        raise Misconfigured.value("Alpaca's address", url, f"another in the mode {mode}")
    if parts.scheme != "https" and parts.hostname not in ("127.0.0.1", "localhost", "::1"):
        raise Misconfigured.value("Alpaca's address", url, "https, or this machine")
