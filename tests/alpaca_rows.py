"""How Alpaca writes an account, a position, its clock, its calendar and an asset."""

from collections.abc import Mapping
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from tests.alpaca_account import AlpacaAccount, ident
from tests.alpaca_rules import NEW_YORK, NYSE, RefusedError


def account_row(account: AlpacaAccount) -> dict[str, Any]:
    held = sum((quantity * account.price(symbol) for symbol, quantity in account.positions.items()), Decimal(0))
    power, equity = account.buying_power(), account.cash + held
    zero = ("short_market_value", "initial_margin", "maintenance_margin", "last_maintenance_margin", "sma", "accrued_fees")
    flags = ("account_blocked", "trading_blocked", "transfers_blocked", "trade_suspended_by_user")
    return {
        "id": ident("account", account.number),
        "account_number": account.number,
        "status": "ACTIVE",
        "crypto_status": "ACTIVE",
        "currency": "USD",
        "cash": f"{account.cash:.2f}",
        **dict.fromkeys(("buying_power", "effective_buying_power", "regt_buying_power"), f"{power:f}"),
        **dict.fromkeys(("non_marginable_buying_power", "options_buying_power"), f"{max(account.cash, Decimal(0)):f}"),
        **dict.fromkeys(("equity", "portfolio_value"), f"{equity:f}"),
        "last_equity": f"{equity:f}00000000001",
        **dict.fromkeys(("long_market_value", "position_market_value"), f"{held:f}"),
        **dict.fromkeys((*zero, "pending_reg_taf_fees", "intraday_adjustments"), "0"),
        "multiplier": str(account.multiplier),
        **{name: account.flags.get(name, False) for name in flags},
        "shorting_enabled": account.flags.get("shorting_enabled", True),
        "created_at": "2018-01-02T15:00:00.123456789Z",
        "balance_asof": "2018-01-02",
        "admin_configurations": {},
        "user_configurations": {},
        "crypto_tier": 1,
    }


def position_row(account: AlpacaAccount, symbol: str) -> dict[str, Any]:
    quantity, price = account.positions[symbol], account.price(symbol)
    waiting = sum((Decimal(row["qty"] or 0) for row in account.open_orders() if row["symbol"] == symbol), Decimal(0))
    zeros = ("unrealized_pl", "unrealized_plpc", "unrealized_intraday_pl", "unrealized_intraday_plpc", "change_today")
    return {
        "asset_id": ident("asset", symbol),
        "symbol": symbol,
        "exchange": "ARCA",
        "asset_class": "us_equity",
        "asset_marginable": True,
        "qty": f"{quantity.normalize():f}",
        "qty_available": f"{(quantity - waiting).normalize():f}",
        **dict.fromkeys(("avg_entry_price", "current_price", "lastday_price"), f"{price:f}"),
        **dict.fromkeys(("market_value", "cost_basis"), f"{quantity * price:f}"),
        **dict.fromkeys(zeros, "0"),
        "side": "long" if quantity > 0 else "short",
    }


def clock_row(account: AlpacaAccount, skew: timedelta) -> dict[str, Any]:
    here = account.now.astimezone(NEW_YORK)
    today = here.date()
    close = NYSE.closes_at(today if account.is_open() else account.next_session()).astimezone(NEW_YORK)
    return {
        "timestamp": (here + skew).isoformat(),
        "is_open": account.is_open(),
        "next_open": account.next_open().astimezone(NEW_YORK).isoformat(),
        "next_close": close.isoformat(),
    }


def calendar(query: Mapping[str, str]) -> list[dict[str, str]]:
    first, last = (date.fromisoformat(query[key][:10]) for key in ("start", "end"))
    rows = []
    for stamp in NYSE.between(first, last):
        day = stamp.date()
        opened, closed = (at.astimezone(NEW_YORK).strftime("%H:%M") for at in (NYSE.opens_at(day), NYSE.closes_at(day)))
        extended = {"session_open": "0400", "session_close": "2000", "settlement_date": str(NYSE.after(day))}
        rows.append({"date": str(day), "open": opened, "close": closed, **extended})
    return rows


def asset_row(account: AlpacaAccount, symbol: str) -> dict[str, Any]:
    if symbol in account.unlisted:
        raise RefusedError(404, 40410000, f"asset not found for {symbol}")
    return {
        "id": ident("asset", symbol),
        "class": "us_equity",
        "exchange": "ARCA",
        "symbol": symbol,
        "name": f"{symbol} of the stub",
        "status": "active",
        "tradable": symbol not in account.untradable,
        **dict.fromkeys(("marginable", "shortable"), True),
        "fractionable": symbol not in account.whole_only,
        "borrow_status": "easy_to_borrow",
        "attributes": [],
        "maintenance_margin_requirement": 30,
        **dict.fromkeys(("margin_requirement_long", "margin_requirement_short"), "30"),
    }
