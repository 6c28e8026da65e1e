"""What limits and states leave of a session's orders: on the whole decision, and on each request before it leaves."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from nightdesk.orders.desk import OrderDesk
from nightdesk.portfolio.limits import Request, Standing, breaches, reduces
from nightdesk.portfolio.rebalance import PROCEEDS_SHARE
from schemas.records import BookState, Control, Decision, Order


@dataclass(frozen=True, slots=True)
class Quote:
    """An instrument's last bar: its close, when that session closed (UTC) and the average volume up to it; NaN and None where
    there is no bar."""

    close: float
    closed_at: datetime | None
    average_volume: float

    def age_h(self, at: datetime) -> float:
        """Hours from the close of the bar's session; NaN without a bar."""
        return (at - self.closed_at).total_seconds() / 3600 if self.closed_at else math.nan


NO_QUOTE = Quote(math.nan, None, math.nan)


def quotes_document(quotes: Mapping[str, Quote]) -> dict[str, object]:
    """The quotes as JSON, for a decision's envelope: the process that orders reads no bars."""
    return {name: [row.close, row.closed_at.isoformat(), row.average_volume] for name, row in quotes.items() if row.closed_at}


def quotes_of(decision: Decision) -> dict[str, Quote]:
    """The quotes that a decision was made with."""
    told: Any = decision.envelope.get("quotes", {})
    return {
        name: Quote(float(close), datetime.fromisoformat(closed), float(volume)) for name, (close, closed, volume) in told.items()
    }


@dataclass(slots=True)
class Checks:
    """The limits of a strategy, held against its book and the orders of its account, at one instant.

    `orders` are those that were sent, or would have been before this one; the caller adds to them. Where a person `flattens` the
    book, the size of an order that closes is not limited.
    """

    desk: OrderDesk
    execution_session: date
    state: BookState
    quotes: Mapping[str, Quote]
    at: datetime
    orders: list[Order] = field(default_factory=list)
    flattens: bool = False

    def breaches(self, instrument: str, quantity: float | Decimal, price: float | Decimal) -> tuple[str, ...]:
        """A sentence for each limit that an order for the session's open would breach."""
        request = Request(instrument, quantity, price)
        return breaches(request, self._standing(request), self.desk.strategy.limits, self.flattens)

    def open_quantity(self, instrument: str, buys: bool) -> Decimal:
        """The signed sum of an instrument's open orders on one side."""
        own = [order.quantity for order in self._open() if order.instrument == instrument]
        return sum((quantity for quantity in own if (float(quantity) > 0) == buys), Decimal(0))

    def _open(self) -> list[Order]:
        return [order for order in self.orders if order.status in ("accepted", "unknown")]

    def _standing(self, request: Request) -> Standing:
        strategy, buys = self.desk.strategy, float(request.quantity) > 0
        quote = self.quotes.get(request.instrument, NO_QUOTE)
        today = [order for order in self.orders if order.execution_session == self.execution_session]
        own = [order for order in today if order.instrument == request.instrument]
        same = [
            order for order in own if (float(order.quantity) > 0) == buys and order.status in ("accepted", "unknown", "filled")
        ]
        return Standing(
            instruments=tuple(row.instrument for row in strategy.market.instruments),
            close=quote.close,
            average_volume=quote.average_volume,
            data_age_h=quote.age_h(self.at),
            held=self.state.holdings.get(request.instrument, Decimal(0)),
            open_quantity=self.open_quantity(request.instrument, buys),
            equity=self.state.equity,
            buying_power=self._buying_power(),
            instrument_orders=len(own),
            account_orders=len(today),
            same_orders=len(same),
        )

    def _buying_power(self) -> float:
        values = [float(order.quantity * order.reference_price) for order in self._open()]
        bought, sold = sum(value for value in values if value > 0), -sum(value for value in values if value < 0)
        return float(self.state.cash) + PROCEEDS_SHARE * sold - bought


def final_checks(desk: OrderDesk, decision: Decision) -> Checks:
    """The checks of requests that are about to leave, against every order of the account that was sent."""
    books = [book.book_id for book in desk.ledger.books(desk.book.account)]
    sent = [order for book_id in books for order in desk.ledger.orders(book_id) if order.status != "intent"]
    state = desk.book_state(decision.session)
    flattens = "flatten" in decision.body
    return Checks(desk, decision.execution_session, state, quotes_of(decision), desk.clock.now(), sent, flattens)


def held_back(checks: Checks, order: Order) -> tuple[str, str]:
    """Why an order may not leave now, as (outcome, sentence), both "" where it may. The book's state is read again here."""
    desk, name = checks.desk, order.instrument
    control = desk.ledger.control(desk.book.book_id)
    if control is not None:
        held = checks.state.holdings.get(name, Decimal(0))
        closing = reduces(order.quantity, held, checks.open_quantity(name, float(order.quantity) > 0))
        if control.state == "HALTED" or not closing:
            return "no trade: halted", f"{name}: {control_sentence(control)}"
    found = checks.breaches(name, order.quantity, order.reference_price)
    return ("no trade: limit", "; ".join(found)) if found else ("", "")


def sells_first(orders: Sequence[Order]) -> list[Order]:
    """Sells before buys, which may spend what the sells bring; else the order stays."""
    return sorted(orders, key=lambda order: float(order.quantity) > 0)


def control_sentence(control: Control) -> str:
    """Who restricts a book and why. Without the instant: a decision's document holds none."""
    return f"{control.state} by {control.who}: {control.reason}"
