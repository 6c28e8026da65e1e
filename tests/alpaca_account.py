"""An account at Alpaca on a made-up exchange: what its orders become, and how the wire writes it.

The clock stands where a test puts it. Orders for the next open fill there at the shown price; what is not shown has no open.
Rules and sentences of refusals are those of Alpaca's reference and of recordings of its paper service.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5
from zoneinfo import ZoneInfo

from nightdesk.sessions import exchange_sessions

NEW_YORK = ZoneInfo("America/New_York")
NYSE = exchange_sessions("XNYS")
CENT = Decimal("0.01")
OPEN_STATES = ("accepted", "new", "pending_new", "partially_filled", "pending_cancel", "held")
NULLS = (
    "filled_at expired_at canceled_at failed_at replaced_at replaced_by replaces notional filled_avg_price limit_price "
    "stop_price legs trail_percent trail_price hwm source subtag"
)


@dataclass(frozen=True)
class Shown:
    """An open: the price (None without one), the dividend a share and the split effective there."""

    price: Decimal | None
    dividend: Decimal = Decimal(0)
    split: Decimal = Decimal(1)


@dataclass
class RefusedError(Exception):
    """What Alpaca answers where it says no."""

    status: int
    code: int
    message: str
    extra: Mapping[str, object] = field(default_factory=dict)


def wire(instant: datetime) -> str:
    """As Alpaca writes an instant: UTC, with nanoseconds."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "596Z"


@cache
def ident(*parts: object) -> str:
    return str(uuid5(NAMESPACE_URL, "/".join(map(str, parts))))


@dataclass
class AlpacaAccount:
    """`parts` are the quantities in which an order fills, by client order id, the rest dies at the close; `rejected_later` are
    ids that fail at the open, `filled_anyhow` those that fill though a cancel was asked for, `never_filled` those that die at the
    close; `renames` are symbols, old and new, by the session at whose open they change. `pays_after` is how many sessions after
    its ex-date a dividend arrives; None: never, as at the real paper service."""

    now: datetime
    cash: Decimal = Decimal(0)
    multiplier: int = 4
    number: str = "PA3TESTACCT1"
    flags: dict[str, bool] = field(default_factory=dict)
    whole_only: set[str] = field(default_factory=set)
    untradable: set[str] = field(default_factory=set)
    unlisted: set[str] = field(default_factory=set)
    parts: dict[str, list[Decimal]] = field(default_factory=dict)
    rejected_later: set[str] = field(default_factory=set)
    filled_anyhow: set[str] = field(default_factory=set)
    never_filled: set[str] = field(default_factory=set)
    renames: dict[date, tuple[str, str]] = field(default_factory=dict)
    pays_after: int | None = 0
    orders: list[dict[str, Any]] = field(default_factory=list)
    activities: list[dict[str, Any]] = field(default_factory=list)
    positions: dict[str, Decimal] = field(default_factory=dict)
    prices: dict[str, Decimal] = field(default_factory=dict)
    shown: dict[date, dict[str, Shown]] = field(default_factory=dict)
    _due: list[tuple[date, str, Decimal]] = field(default_factory=list)

    # the market

    def show_open(self, session: date, symbol: str, price: object, dividend: object = 0, split: object = 1) -> None:
        shown = None if price is None else Decimal(str(price))
        self.shown.setdefault(session, {})[symbol] = Shown(shown, Decimal(str(dividend)), Decimal(str(split)))

    def rename(self, old: str, new: str) -> None:
        """A symbol changes overnight: the position goes by its new name, and so do the orders that wait."""
        for held in (self.positions, self.prices):
            if old in held:
                held[new] = held.pop(old)
        for row in self.open_orders():
            if row["symbol"] == old:
                row["symbol"] = new

    def next_open(self) -> datetime:
        return NYSE.opens_at(self.next_session())

    def next_session(self) -> date:
        day = self.now.astimezone(NEW_YORK).date()
        return day if NYSE.is_session(day) and self.now < NYSE.opens_at(day) else NYSE.after(day)

    def is_open(self) -> bool:
        day = self.now.astimezone(NEW_YORK).date()
        return NYSE.is_session(day) and NYSE.opens_at(day) <= self.now < NYSE.closes_at(day)

    def move_to(self, instant: datetime) -> None:
        """Let the time pass, with every open and close on the way."""
        assert instant >= self.now, "time went back"
        day = self.now.astimezone(NEW_YORK).date()
        for stamp in NYSE.between(day, instant.astimezone(NEW_YORK).date()):
            session = stamp.date()
            for moment, play in ((NYSE.opens_at(session), self._open), (NYSE.closes_at(session), self._close)):
                if self.now < moment <= instant:
                    self.now = moment
                    play(session)
        self.now = instant

    # money

    def book(self, kind: str, name: str, amount: Decimal = Decimal(0), **more: object) -> None:
        """An activity without a trade, as a deposit (CSD), a fee (FEE) or a dividend (DIV); the cash follows."""
        stamp = self.now.astimezone(NEW_YORK)
        row = {
            "id": f"{stamp:%Y%m%d%H%M%S}000::{ident(kind, name, len(self.activities))}",
            "activity_type": kind,
            "date": f"{stamp:%Y-%m-%d}",
            "created_at": wire(self.now),
            "net_amount": f"{amount:f}",
            "description": name,
            "status": "executed",
            **more,
        }
        self.cash += amount
        self.activities.append(row)

    def buying_power(self) -> Decimal:
        held = sum((quantity * self.price(symbol) for symbol, quantity in self.positions.items()), Decimal(0))
        waiting = sum((self._cost(row) for row in self.open_orders() if row["side"] == "buy"), Decimal(0))
        return max(self.multiplier * (self.cash + held) - held - waiting, Decimal(0))

    def price(self, symbol: str) -> Decimal:
        """The last shown open; before one was shown, the first that will be."""
        if symbol not in self.prices:
            later = (row[symbol].price for _, row in sorted(self.shown.items()) if symbol in row)
            return next((price for price in later if price is not None), Decimal(1))
        return self.prices[symbol]

    # orders

    def open_orders(self) -> list[dict[str, Any]]:
        return [row for row in self.orders if row["status"] in OPEN_STATES]

    def submit(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The order that a request becomes. Raises `RefusedError`."""
        self._check_form(body)
        symbol, side = str(body["symbol"]), str(body["side"])
        notional = body.get("notional")
        quantity = None if notional is not None else Decimal(str(body["qty"]))
        self._check_account(symbol, side, quantity, notional)
        number = len(self.orders)
        row: dict[str, Any] = dict.fromkeys(NULLS.split())
        row |= {
            "id": ident(self.number, "order", number),
            "client_order_id": str(body.get("client_order_id") or ident(self.number, "invented", number)),
            **dict.fromkeys(("created_at", "updated_at", "submitted_at"), wire(self.now + timedelta(microseconds=number))),
            "expires_at": wire(NYSE.closes_at(self._session_of(str(body["time_in_force"])))),
            "asset_id": ident("asset", symbol),
            "symbol": symbol,
            "asset_class": "us_equity",
            "notional": None if notional is None else str(notional),
            "qty": None if quantity is None else f"{quantity.normalize():f}",
            "filled_qty": "0",
            "order_class": "",
            **dict.fromkeys(("order_type", "type"), "market"),
            "side": side,
            "time_in_force": body["time_in_force"],
            "status": "pending_new" if self.is_open() else "accepted",
            "extended_hours": False,
            "position_intent": "buy_to_open" if side == "buy" else "sell_to_close",
        }
        self.orders.append(row)
        answer = dict(row)
        if self.is_open():
            self._fill(row, self.price(symbol))
        return answer

    def cancel(self, order: str) -> None:
        """Raises `RefusedError` where there is nothing to cancel."""
        row = self.by(id=order)
        if row is None:
            raise RefusedError(404, 40410000, f"order not found for {order}")
        if row["status"] not in OPEN_STATES:
            raise RefusedError(422, 42210000, f'order is already in "{row["status"]}" state')
        if row["client_order_id"] in self.filled_anyhow:
            row["status"] = "pending_cancel"
        else:
            self._end(row, "canceled")

    def by(self, **wanted: str) -> dict[str, Any] | None:
        ((key, value),) = wanted.items()
        return next((row for row in self.orders if row[key] == value), None)

    def _check_form(self, body: Mapping[str, Any]) -> None:
        """What is wrong with a request as such."""
        client_id, force = str(body.get("client_order_id", "")), body.get("time_in_force")
        quantity, notional = body.get("qty"), body.get("notional")
        if len(client_id) > 128:
            raise RefusedError(422, 40010001, "client_order_id must be no more than 128 characters")
        if client_id and self.by(client_order_id=client_id):
            raise RefusedError(422, 40010001, "client_order_id must be unique")
        if quantity is not None and notional is not None:
            raise RefusedError(422, 40010001, "only one of qty or notional is accepted")
        if quantity is None and notional is None:
            raise RefusedError(422, 40010001, "qty or notional is required")
        amount = Decimal(str(quantity if notional is None else notional))
        if not amount.is_finite() or amount <= 0:
            raise RefusedError(422, 40010001, "qty must be > 0" if notional is None else "notional must be > 0")
        fractional = notional is not None or amount != amount.to_integral_value()
        if fractional and force != "day":
            raise RefusedError(422, 42210000, "fractional orders must be DAY orders")
        if str(body["symbol"]) in self.whole_only and fractional:
            raise RefusedError(403, 40310000, f'asset "{body["symbol"]}" is not fractionable')
        here = self.now.astimezone(NEW_YORK).time()
        if force == "opg" and time(9, 28) <= here < time(19):
            raise RefusedError(403, 40310000, "opg orders must be submitted after 7:00pm and before 9:28am")
        if force == "cls" and time(15, 50) <= here < time(19):
            raise RefusedError(403, 40310000, "cls orders must be submitted after 7:00pm and before 3:55pm")

    def _check_account(self, symbol: str, side: str, quantity: Decimal | None, notional: object) -> None:
        """What is wrong with a request at this account, now."""
        if symbol in self.unlisted:
            raise RefusedError(422, 42210000, f'asset "{symbol}" not found')
        if symbol in self.untradable:
            raise RefusedError(422, 42210000, f'asset "{symbol}" is not tradable')
        if self.flags.get("trade_suspended_by_user"):
            raise RefusedError(403, 40310000, "new orders are rejected by user request")
        if self.flags.get("account_blocked") or self.flags.get("trading_blocked"):
            raise RefusedError(403, 40310000, "account is not authorized to trade")
        if any(row["symbol"] == symbol and row["side"] != side for row in self.open_orders()):
            rejected = {"reject_reason": "opposite side market/stop order exists"}
            raise RefusedError(403, 40310000, "potential wash trade detected. use complex orders", rejected)
        price = self.price(symbol)
        wanted = quantity if quantity is not None else Decimal(str(notional)) / price
        if side == "buy" and wanted * price > self.buying_power():
            extra = {"buying_power": f"{self.buying_power():f}", "cost_basis": f"{wanted * price:f}"}
            raise RefusedError(403, 40310000, "insufficient buying power", extra)
        if side == "sell":
            self._check_sale(symbol, wanted)

    def _check_sale(self, symbol: str, wanted: Decimal) -> None:
        held = self.positions.get(symbol, Decimal(0))
        waiting = sum((Decimal(row["qty"] or 0) for row in self.open_orders() if row["symbol"] == symbol), Decimal(0))
        if held > 0 and wanted > held - waiting:
            left = f"{held - waiting:f}"
            said = f"insufficient qty available for order (requested: {wanted:f}, available: {left})"
            more = {"available": left, "existing_qty": f"{held:f}", "held_for_orders": f"{waiting:f}", "symbol": symbol}
            raise RefusedError(403, 40310000, said, more)
        if held <= 0 and not self.flags.get("shorting_enabled", True):
            raise RefusedError(403, 40310000, "account is not allowed to short")

    def _session_of(self, force: str) -> date:
        """The session at whose open, or inside which, an order trades."""
        return self.now.astimezone(NEW_YORK).date() if force == "day" and self.is_open() else self.next_session()

    def _cost(self, row: Mapping[str, Any]) -> Decimal:
        return Decimal(row["notional"]) if row["qty"] is None else Decimal(row["qty"]) * self.price(row["symbol"])

    # opens and closes

    def _open(self, session: date) -> None:
        if session in self.renames:
            self.rename(*self.renames[session])
        for symbol, shown in self.shown.get(session, {}).items():
            self._act(session, symbol, shown)
        for due, symbol, amount in [row for row in self._due if row[0] <= session]:
            self._due.remove((due, symbol, amount))
            self.book("DIV", f"dividend of {symbol}", amount, symbol=symbol)
        for row in self.open_orders():
            shown = self.shown.get(session, {}).get(row["symbol"])
            if row["client_order_id"] in self.rejected_later:
                self._end(row, "rejected", failed_at=wire(self.now))
            elif row["client_order_id"] in self.never_filled:
                continue
            elif shown is not None and shown.price is not None:
                self._fill(row, shown.price)
            elif row["time_in_force"] == "opg":
                self._end(row, "expired")

    def _close(self, session: date) -> None:
        for row in self.open_orders():
            self._end(row, "expired")

    def _act(self, session: date, symbol: str, shown: Shown) -> None:
        """Splits, then dividends on the shares that they leave. A split ends the orders that wait for the symbol."""
        if shown.price is not None:
            self.prices[symbol] = shown.price
        held = self.positions.get(symbol, Decimal(0))
        if shown.split != 1:
            for row in self.open_orders():
                if row["symbol"] == symbol:
                    self._end(row, "canceled")
            if held:
                self.positions[symbol] = held * shown.split
                self.book("SPLIT", f"split of {symbol}", symbol=symbol, qty=f"{held * shown.split - held:f}")
        if shown.dividend and held and self.pays_after is not None:
            paid = (held * shown.split * shown.dividend).quantize(CENT, ROUND_HALF_UP)
            self._due.append((NYSE.after(session, self.pays_after) if self.pays_after else session, symbol, paid))

    def _fill(self, row: dict[str, Any], price: Decimal) -> None:
        """One or more fills, each with its activity. What `parts` leaves open dies at the close."""
        sign = 1 if row["side"] == "buy" else -1
        whole = Decimal(row["qty"]) if row["qty"] else (Decimal(row["notional"]) / price).quantize(Decimal("1E-9"))
        done = Decimal(row["filled_qty"])
        for quantity in self.parts.get(row["client_order_id"], [whole - done]):
            done += quantity
            state = "filled" if done == whole else "partially_filled"
            row |= {"filled_qty": f"{done.normalize():f}", "filled_avg_price": f"{price:f}", "status": state}
            row |= {"updated_at": wire(self.now), "filled_at": wire(self.now)}
            symbol = row["symbol"]
            self.positions[symbol] = self.positions.get(symbol, Decimal(0)) + sign * quantity
            self.cash -= (sign * quantity * price).quantize(CENT, ROUND_HALF_UP)
            stamp = self.now.astimezone(NEW_YORK)
            self.activities.append(
                {
                    "id": f"{stamp:%Y%m%d%H%M%S}000::{ident(self.number, 'fill', len(self.activities))}",
                    "activity_type": "FILL",
                    "type": "fill" if state == "filled" else "partial_fill",
                    "transaction_time": wire(self.now),
                    "order_id": row["id"],
                    "order_status": state,
                    **{key: row[key] for key in ("symbol", "side")},
                    "qty": f"{quantity.normalize():f}",
                    "cum_qty": f"{done.normalize():f}",
                    "leaves_qty": f"{(whole - done).normalize():f}",
                    "price": f"{price:f}",
                }
            )
        self.positions = {name: held for name, held in self.positions.items() if held}

    def _end(self, row: dict[str, Any], state: str, **more: str) -> None:
        stamps = {f"{state}_at": wire(self.now)} if state in ("canceled", "expired") else {}
        row |= {"status": state, "updated_at": wire(self.now), **stamps, **more}
