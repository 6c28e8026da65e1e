"""The paper broker: an exchange in a SQLite file of its own, independent of the ledger.

Orders that were accepted before an open fill at that open, through the simulation kernel. It catches up with its clock at
every call, so it never matters when or how often it is asked.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from nightdesk.brokers.broker import (
    Account,
    Activity,
    Answer,
    BrokerClock,
    BrokerOrder,
    BrokerSession,
    Capabilities,
    OrderRequest,
    answer_again,
)
from nightdesk.brokers.paper_tables import activities as _activities
from nightdesk.brokers.paper_tables import metadata
from nightdesk.brokers.paper_tables import orders as _orders
from nightdesk.brokers.paper_tables import played as _played
from nightdesk.database import insert_new, sqlite_engine
from nightdesk.portfolio.simulate import open_fills
from schemas.money import decimal
from schemas.trading import Costs


@dataclass(frozen=True, slots=True)
class Print:
    """What the exchange shows at an open: the price (NaN without a bar), the dividend a share, the split effective there and the
    volume of the whole session (NaN where it is not known)."""

    open: float
    dividend: float
    split: float
    volume: float = math.nan


@dataclass(frozen=True, slots=True)
class Exchange:
    """The market that the paper broker fills against, as functions of its clock.

    `now()` is its clock, UTC; `opened_since(session)` lists the sessions after it whose open has passed; `next_open()` is the
    next session to open; `prints(first, last)` gives the opens of those sessions by instrument.
    """

    now: Callable[[], datetime]
    opened_since: Callable[[date], Sequence[date]]
    next_open: Callable[[], date]
    prints: Callable[[date, date], Mapping[date, Mapping[str, Print]]]


class PaperBroker:
    """One paper account: its book's cash and positions, filled by simulation. Short sales where they are switched on; no margin,
    no fee for what is borrowed."""

    name = "paper"

    def __init__(
        self,
        path: Path,
        account: str,
        currency: str,
        costs: Costs,
        increment: float,
        exchange: Exchange,
        shorting: bool = False,
    ) -> None:
        self._account, self._currency = account, currency
        self._costs, self._increment, self._exchange, self._shorting = costs, increment, exchange, shorting
        self._engine = sqlite_engine(path)
        metadata.create_all(self._engine)

    def close(self) -> None:
        self._engine.dispose()

    def capabilities(self) -> Capabilities:
        """Both times in force fill at the next open, in steps of any size."""
        known = frozenset({"opg", "day"})
        return Capabilities(times_in_force=known, fractional=known, shorting=self._shorting)

    def clock(self) -> BrokerClock:
        return BrokerClock(self._exchange.now(), self._exchange.next_open())

    def calendar(self, first: date, last: date) -> list[BrokerSession] | None:
        """None: its sessions are those of the desk."""
        return None

    def account(self) -> Account:
        cash = sum((row.amount - row.commission for row in self.activities()), Decimal(0))
        return Account(self._account, self._currency, cash, buying_power=cash)

    def positions(self) -> Mapping[str, Decimal]:
        return _positions(self.activities())

    def submit_order(self, request: OrderRequest) -> Answer:
        """Accepted for the next open; rejected where the open has passed, or more would be sold than is held and short sales are
        not switched on."""
        self._catch_up()
        with self._engine.begin() as connection:
            used = connection.execute(sa.select(_orders).where(_orders.c.order_id == request.order_id)).mappings().first()
            if used:
                return answer_again(_order(used), request)
            reason = self._refusal(connection, request)
            row = {
                **asdict(request),
                "filled_quantity": Decimal(0),
                "status": "rejected" if reason else "accepted",
                "reason": reason,
            }
            connection.execute(sa.insert(_orders), row)
        return Answer("rejected", reason) if reason else Answer("accepted")

    def submit_cancel(self, order_id: str) -> Answer:
        """At once, where the order still waits for its open."""
        self._catch_up()
        waiting = sa.and_(_orders.c.order_id == order_id, _orders.c.status == "accepted")
        change = sa.update(_orders).where(waiting).values(status="canceled", reason="canceled")
        with self._engine.begin() as connection:
            if connection.execute(change).rowcount:
                return Answer("accepted")
        return Answer("rejected", f"order {order_id} does not wait for an open")

    def find_order(self, order_id: str) -> BrokerOrder | None:
        found = self._found(_orders.c.order_id == order_id)
        return found[0] if found else None

    def open_orders(self) -> list[BrokerOrder]:
        return self._found(_orders.c.status == "accepted")

    def orders_since(self, day: date) -> list[BrokerOrder]:
        return self._found(_orders.c.execution_session >= day)

    def activities(self, since: date | None = None) -> list[Activity]:
        self._catch_up()
        with self._engine.connect().execution_options(reading=True) as connection:
            return [row for row in _recorded(connection) if since is None or row.session >= since]

    def submit_deposit(self, amount: Decimal, session: date, reference: str) -> None:
        activity = _activity(f"deposit-{reference}", session, "deposit", amount=amount, reference=reference)
        with self._engine.begin() as connection:
            connection.execute(insert_new(_activities, [asdict(activity)]))
            if connection.execute(sa.select(_played.c.until)).first() is None:
                connection.execute(sa.insert(_played), {"until": session})

    def _found(self, which: sa.ColumnElement[bool]) -> list[BrokerOrder]:
        self._catch_up()
        query = sa.select(_orders).where(which).order_by(_orders.c.execution_session, _orders.c.order_id)
        with self._engine.connect().execution_options(reading=True) as connection:
            return [_order(row) for row in connection.execute(query).mappings()]

    def _refusal(self, connection: sa.Connection, request: OrderRequest) -> str:
        expected = self._exchange.next_open()
        if request.execution_session != expected:
            return f"the next open is that of {expected}, the order is for {request.execution_session}"
        if not request.quantity:
            return "quantity must not be 0"
        if request.quantity < 0 and not self._shorting:
            pending = connection.execute(
                sa.select(_orders.c.quantity).where(_orders.c.instrument == request.instrument, _orders.c.status == "accepted")
            ).scalars()
            held = _positions(_recorded(connection)).get(request.instrument, Decimal(0))
            available = held + sum((quantity for quantity in pending if quantity < 0), Decimal(0))
            if -request.quantity > available:
                return f"insufficient quantity: {-request.quantity:f} to sell, {available:f} available"
        return ""

    def _catch_up(self) -> None:
        """Play every open that has passed since the last call: splits, dividends, then the orders for it; one transaction."""
        with self._engine.begin() as connection:
            until = connection.execute(sa.select(_played.c.until)).scalar_one_or_none()
            if until is None:
                return
            sessions = self._exchange.opened_since(until)
            if not sessions:
                return
            prints = self._exchange.prints(sessions[0], sessions[-1])
            for session in sessions:
                self._play(connection, session, prints.get(session, {}))
            connection.execute(sa.update(_played).values(until=sessions[-1]))

    def _play(self, connection: sa.Connection, session: date, prints: Mapping[str, Print]) -> None:
        _append(connection, _actions(_recorded(connection), session, prints))
        due = (
            connection.execute(
                sa.select(_orders)
                .where(_orders.c.status == "accepted", _orders.c.execution_session <= session)
                .order_by(_orders.c.order_id)
            )
            .mappings()
            .all()
        )
        if due:
            self._fill(connection, session, due, prints)

    def _fill(self, connection: sa.Connection, session: date, due: Sequence[Any], prints: Mapping[str, Print]) -> None:
        recorded = _recorded(connection)
        cash = float(sum((row.amount - row.commission for row in recorded), Decimal(0)))
        missing = [_no_fill(row, session, prints) for row in due]
        opens = np.array([np.nan if why else prints[row["instrument"]].open for row, why in zip(due, missing, strict=True)])
        wanted = np.array([float(row["quantity"]) for row in due])
        volumes = np.array([np.nan if why else prints[row["instrument"]].volume for row, why in zip(due, missing, strict=True)])
        filled = open_fills(wanted, opens, cash, self._costs, self._increment, volumes)
        for place, row in enumerate(due):
            quantity = decimal(filled.quantities[place])
            clipped_by = "cash" if quantity != decimal(filled.offered[place]) else "volume"
            reason = missing[place] or (f"clipped: {clipped_by}" if quantity != row["quantity"] else "")
            if quantity:
                price = decimal(filled.prices[place])
                fill = _activity(
                    f"{row['order_id']}-1",
                    session,
                    "fill",
                    instrument=row["instrument"],
                    quantity=quantity,
                    amount=decimal(-quantity * price),
                    price=price,
                    commission=decimal(filled.commissions[place]),
                    slippage=decimal(filled.slippages[place]),
                    reference=row["order_id"],
                    note=reason,
                )
                _append(connection, [fill])
            change = {"status": "filled" if quantity else "expired", "filled_quantity": quantity, "reason": reason}
            connection.execute(sa.update(_orders).where(_orders.c.order_id == row["order_id"]).values(change))


def _order(row: Any) -> BrokerOrder:
    """An order from its row."""
    names = ("order_id", "instrument", "quantity", "filled_quantity", "status", "reason")
    return BrokerOrder(**{name: row[name] for name in names})


def _no_fill(order: Any, session: date, prints: Mapping[str, Print]) -> str:
    """Why an order does not fill at an open, "" where it does. One that was sized before a split would sell too much."""
    shown = prints.get(order["instrument"])
    if shown is None or np.isnan(shown.open) or order["execution_session"] != session:
        return "no open"
    return "split" if shown.split != 1.0 else ""


def _activity(
    activity_id: str,
    session: date,
    kind: Any,
    instrument: str = "",
    quantity: Decimal = Decimal(0),
    amount: Decimal = Decimal(0),
    price: Decimal = Decimal(0),
    commission: Decimal = Decimal(0),
    slippage: Decimal = Decimal(0),
    reference: str = "",
    note: str = "",
) -> Activity:
    return Activity(activity_id, session, kind, instrument, quantity, amount, price, commission, slippage, reference, note)


def _append(connection: sa.Connection, activities: Sequence[Activity]) -> None:
    if activities:
        connection.execute(sa.insert(_activities), [asdict(activity) for activity in activities])


def _recorded(connection: sa.Connection) -> list[Activity]:
    rows = connection.execute(sa.select(_activities).order_by(_activities.c.number)).mappings().all()
    return [Activity(**{key: value for key, value in row.items() if key != "number"}) for row in rows]


def _positions(activities: Sequence[Activity]) -> dict[str, Decimal]:
    total: dict[str, Decimal] = {}
    for row in activities:
        if row.quantity:
            total[row.instrument] = total.get(row.instrument, Decimal(0)) + row.quantity
    return {instrument: quantity for instrument, quantity in sorted(total.items()) if quantity}


def _actions(recorded: Sequence[Activity], session: date, prints: Mapping[str, Print]) -> list[Activity]:
    """Splits, then dividends on the shares that they leave, for what was held at the previous close."""
    made = []
    for instrument, held in _positions(recorded).items():
        shown = prints.get(instrument)
        if shown is None:
            continue
        after = decimal(held * decimal(shown.split))
        if after != held:
            made.append(_activity(f"split-{instrument}-{session}", session, "split", instrument, quantity=after - held))
        if shown.dividend:
            paid = decimal(after * decimal(shown.dividend))
            made.append(_activity(f"dividend-{instrument}-{session}", session, "dividend", instrument, amount=paid))
    return made
