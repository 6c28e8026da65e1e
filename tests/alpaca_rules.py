"""Why Alpaca refuses an order. Codes and sentences are those of its reference, of recordings of its paper service, and of public
clients' lists of its messages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, time, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from nightdesk.sessions import exchange_sessions

if TYPE_CHECKING:
    from tests.alpaca_account import AlpacaAccount

NEW_YORK = ZoneInfo("America/New_York")
NYSE = exchange_sessions("XNYS")
SIMPLE = ("", "simple", None)
PLAIN_TYPES = ("market", "limit", "stop", "stop_limit")


@dataclass
class RefusedError(Exception):
    """What Alpaca answers where it says no."""

    status: int
    code: int
    message: str
    extra: Mapping[str, object] = field(default_factory=dict)


def require_form(account: "AlpacaAccount", body: Mapping[str, Any]) -> None:
    """What is wrong with a request as such. Raises `RefusedError`."""
    client_id = str(body.get("client_order_id", ""))
    if len(client_id) > 128:
        raise RefusedError(422, 40010001, "client_order_id must be no more than 128 characters")
    if client_id and client_id in account.by_client_id:
        raise RefusedError(422, 40010001, "client_order_id must be unique")
    amount = _amount(body.get("qty"), body.get("notional"))
    if body.get("notional") is not None or amount != amount.to_integral_value():
        _require_fractional(account, body)
    if body.get("extended_hours") and (body.get("type"), body.get("time_in_force")) != ("limit", "day"):
        raise RefusedError(422, 42210000, "extended hours order must be DAY limit orders")
    if body.get("limit_price") is not None and Decimal(str(body["limit_price"])) % Decimal("0.01"):
        said = f"invalid limit_price {body['limit_price']}. sub-penny increment does not fulfill minimum pricing criteria"
        raise RefusedError(422, 42210000, said)
    _require_window(account.now, body.get("time_in_force"))


def _amount(quantity: object, notional: object) -> Decimal:
    if quantity is not None and notional is not None:
        raise RefusedError(422, 40010001, "only one of qty or notional is accepted")
    if quantity is None and notional is None:
        raise RefusedError(422, 40010001, "qty or notional is required")
    amount = Decimal(str(quantity if notional is None else notional))
    if not amount.is_finite() or amount <= 0:
        raise RefusedError(422, 40010001, "qty must be > 0" if notional is None else "notional must be > 0")
    return amount


def _require_fractional(account: "AlpacaAccount", body: Mapping[str, Any]) -> None:
    if body.get("time_in_force") != "day":
        raise RefusedError(422, 42210000, "fractional orders must be DAY orders")
    if body.get("order_class") not in SIMPLE:
        raise RefusedError(422, 42210000, "fractional orders must be simple orders")
    if body.get("type") not in PLAIN_TYPES:
        raise RefusedError(422, 42210000, "fractional orders must be market, limit, stop, or stop_limit orders")
    if str(body["symbol"]) in account.whole_only:
        raise RefusedError(403, 40310000, f'asset "{body["symbol"]}" is not fractionable')


def _require_window(now: datetime, force: object) -> None:
    """The closing auction's window ends ten minutes before the close, also before an early one."""
    here = now.astimezone(NEW_YORK)
    if force == "opg" and time(9, 28) <= here.time() < time(19):
        raise RefusedError(403, 40310000, "opg orders must be submitted after 7:00pm and before 9:28am")
    last = datetime.combine(here.date(), time(15, 50), NEW_YORK)
    if NYSE.is_session(here.date()):
        last = NYSE.closes_at(here.date()) - timedelta(minutes=10)
    if force == "cls" and last <= now and here.time() < time(19):
        raise RefusedError(403, 40310000, "cls orders must be submitted after 7:00pm and before 3:55pm")


def require_account(account: "AlpacaAccount", symbol: str, side: str, quantity: Decimal | None, notional: object) -> None:
    """What is wrong with a request at this account, now. Raises `RefusedError`."""
    if symbol in account.unlisted:
        raise RefusedError(422, 42210000, f'asset "{symbol}" not found')
    if symbol in account.untradable:
        raise RefusedError(422, 42210000, f'asset "{symbol}" is not tradable')
    if account.flags.get("trade_suspended_by_user"):
        raise RefusedError(403, 40310000, "new orders are rejected by user request")
    if account.flags.get("account_blocked") or account.flags.get("trading_blocked"):
        raise RefusedError(403, 40310000, "account is not authorized to trade")
    if any(row["symbol"] == symbol and row["side"] != side for row in account.open_orders()):
        rejected = {"reject_reason": "opposite side market/stop order exists"}
        raise RefusedError(403, 40310000, "potential wash trade detected. use complex orders", rejected)
    price = account.price(symbol)
    wanted = quantity if quantity is not None else Decimal(str(notional)) / price
    power = account.buying_power()
    if side == "buy" and wanted * price > power:
        extra = {"buying_power": f"{power:f}", "cost_basis": f"{wanted * price:f}"}
        raise RefusedError(403, 40310000, "insufficient buying power", extra)
    if side == "sell":
        _require_sale(account, symbol, wanted)


def _require_sale(account: "AlpacaAccount", symbol: str, wanted: Decimal) -> None:
    held = account.positions.get(symbol, Decimal(0))
    waiting = sum((Decimal(row["qty"] or 0) for row in account.open_orders() if row["symbol"] == symbol), Decimal(0))
    if held > 0 and wanted > held - waiting:
        left = f"{held - waiting:f}"
        said = f"insufficient qty available for order (requested: {wanted:f}, available: {left})"
        more = {"available": left, "existing_qty": f"{held:f}", "held_for_orders": f"{waiting:f}", "symbol": symbol}
        raise RefusedError(403, 40310000, said, more)
    if held <= 0 and wanted != wanted.to_integral_value():
        raise RefusedError(403, 40310000, "fractional orders cannot be sold short")
    if held <= 0 and not account.flags.get("shorting_enabled", True):
        raise RefusedError(403, 40310000, "account is not allowed to short")
