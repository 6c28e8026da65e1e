"""An account at Alpaca on a made-up exchange: what its orders become, and how the wire writes it.

The clock stands where a test puts it. Orders for the next open fill there at the shown price; what is not shown has no open.
What it refuses is in tests/alpaca_rules.py.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tests.alpaca_rules import NEW_YORK, NYSE, RefusedError, require_account, require_form

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
    half_booked: bool = False
    orders: list[dict[str, Any]] = field(default_factory=list)
    by_client_id: dict[str, dict[str, Any]] = field(default_factory=dict)
    activities: list[dict[str, Any]] = field(default_factory=list)
    positions: dict[str, Decimal] = field(default_factory=dict)
    prices: dict[str, Decimal] = field(default_factory=dict)
    shown: dict[date, dict[str, Shown]] = field(default_factory=dict)
    _due: list[tuple[date, Decimal, dict[str, str]]] = field(default_factory=list)

    # the market

    def show_open(self, session: date, symbol: str, price: object, dividend: object = 0, split: object = 1) -> None:
        shown = None if price is None else Decimal(str(price))
        self.shown.setdefault(session, {})[symbol] = Shown(shown, Decimal(str(dividend)), Decimal(str(split)))

    def rename(self, old: str, new: str) -> None:
        """A symbol changes overnight: the position goes by its new name, and so do the orders that wait."""
        if shares := self.positions.get(old, Decimal(0)):
            said = {"activity_sub_type": "SNC", "price": f"{self.price(old):f}"}
            for symbol, quantity in ((old, -shares), (new, shares)):
                self.book("NC", f"Name Change from {old} to {new}", symbol=symbol, qty=f"{quantity:f}", **said)
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
            "currency": "USD",
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
        require_form(self, body)
        symbol, side = str(body["symbol"]), str(body["side"])
        notional = body.get("notional")
        quantity = None if notional is not None else Decimal(str(body["qty"]))
        require_account(self, symbol, side, quantity, notional)
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
            **dict.fromkeys(("order_type", "type"), body.get("type", "market")),
            "limit_price": None if body.get("limit_price") is None else str(body["limit_price"]),
            "side": side,
            "time_in_force": body["time_in_force"],
            "status": "pending_new" if self.is_open() else "accepted",
            "extended_hours": False,
            "position_intent": "buy_to_open" if side == "buy" else "sell_to_close",
        }
        self.orders.append(row)
        self.by_client_id[row["client_order_id"]] = row
        answer = dict(row)
        if self.is_open() and body["time_in_force"] != "cls" and _reaches(row, self.price(symbol)):
            self._fill(row, self.price(symbol))
        return answer

    def cancel(self, order: str) -> None:
        """Raises `RefusedError` where there is nothing to cancel."""
        row = next((row for row in self.orders if row["id"] == order), None)
        if row is None:
            raise RefusedError(404, 40410000, f"order not found for {order}")
        if row["status"] not in OPEN_STATES:
            raise RefusedError(422, 42210000, f'order is already in "{row["status"]}" state')
        if row["client_order_id"] in self.filled_anyhow:
            row["status"] = "pending_cancel"
        else:
            self._end(row, "canceled")

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
        for due, amount, told in [row for row in self._due if row[0] <= session]:
            self._due.remove((due, amount, told))
            self.book("DIV", f"dividend of {told['symbol']}", amount, **told)
        for row in self.open_orders():
            shown = self.shown.get(session, {}).get(row["symbol"])
            if row["client_order_id"] in self.rejected_later:
                self._end(row, "rejected", failed_at=wire(self.now))
            elif row["client_order_id"] in self.never_filled:
                continue
            elif shown is not None and shown.price is not None and _reaches(row, shown.price):
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
                self._book_split(symbol, held, shown)
        if shown.dividend and held and self.pays_after is not None:
            paid = (held * shown.split * shown.dividend).quantize(CENT, ROUND_HALF_UP)
            shares, due = f"{held * shown.split:f}", NYSE.after(session, self.pays_after) if self.pays_after else session
            told = {"symbol": symbol, "qty": shares, "per_share_amount": f"{shown.dividend:f}", "activity_sub_type": "CDIV"}
            self._due.append((due, paid, told))

    def _book_split(self, symbol: str, held: Decimal, shown: Shown) -> None:
        """Two rows, as Alpaca books it: the old shares go, the new ones come. With `half_booked` the second is still to come."""
        worth = held * shown.split * (shown.price or self.price(symbol))
        said = f"From QTY:{-held:f}, To QTY:{held * shown.split:f}, Position Value:{worth:.2f}"
        kind = "FSPLIT" if shown.split > 1 else "RSPLIT"
        for word, quantity in (("REMOVE", -held), ("ADD", held * shown.split))[: 1 if self.half_booked else 2]:
            self.book("SPLIT", f"{word}, {said}", symbol=symbol, qty=f"{quantity:f}", activity_sub_type=kind)

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


def _reaches(row: Mapping[str, Any], price: Decimal) -> bool:
    """Whether an order trades at a price: a market order at any."""
    limit = row["limit_price"]
    return limit is None or (price <= Decimal(limit) if row["side"] == "buy" else price >= Decimal(limit))
