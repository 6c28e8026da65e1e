"""What limits and states leave of a day's orders: once for the whole decision, once more for each request before it leaves."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal

import numpy as np
import pandas as pd

from nightdesk.clock import WallClock
from nightdesk.day.desk import Day
from nightdesk.ledger.controls import DESK, strictest
from nightdesk.portfolio.limits import VOLUME_SESSIONS, Request, Standing, breaches, reduces
from nightdesk.portfolio.losses import course_of, restriction
from nightdesk.portfolio.rebalance import PROCEEDS_SHARE
from schemas.bars import Bars
from schemas.records import BookState, Control, Order


def standing_control(day: Day) -> Control | None:
    """What restricts the decision of the day: the ledger's word when the bars were read, or a breached limit's. None: ACTIVE."""
    known_until = datetime.fromisoformat(str(day.detail["known_until"]))
    said = day.desk.ledger.control(day.desk.book.book_id, known_until)
    return strictest([row for row in (said, _breached(day, known_until)) if row is not None])


def save_breach(day: Day) -> None:
    """Keep the state that a breached limit calls for, where nothing as strict stands: it lasts until a person releases it."""
    ledger, book_id = day.desk.ledger, day.desk.book.book_id
    stands, breach = ledger.control(book_id), _breached(day, WallClock().now())
    if breach is not None and strictest([row for row in (stands, breach) if row is not None]) is breach:
        ledger.append_control(breach)


def _breached(day: Day, until: datetime) -> Control | None:
    desk, book_id = day.desk, day.desk.book.book_id
    marks = [mark for mark in desk.ledger.marks(book_id) if mark.session <= day.session]
    last = desk.ledger.last_decision(book_id, before=day.session, ordered=True)
    course = course_of(marks, last.session if last else None, desk.ledger.released_at(book_id, until), day.execution_session)
    found = restriction(course, desk.strategy.limits)
    return Control(book_id, found[0], day.session, DESK, WallClock().now(), found[1]) if found else None


@dataclass(frozen=True, slots=True)
class Quote:
    """An instrument's last bar: its close, its age in hours and the average volume up to it; NaN where there is no bar."""

    close: float
    age_h: float
    average_volume: float


def quotes(day: Day, bars: pd.DataFrame, now: datetime) -> dict[str, Quote]:
    """The quote of each instrument at an instant. Volumes are in shares of the last bar, whatever split came between."""
    sessions = day.desk.sessions
    first = pd.Timestamp(sessions.before(day.session, VOLUME_SESSIONS - 1))
    recent = bars[(bars[Bars.session] >= first) & (bars[Bars.session] <= pd.Timestamp(day.session))]
    found = {}
    for row in day.desk.strategy.market.instruments:
        own = recent[recent[Bars.symbol] == row.prices]
        if own.empty:
            found[row.instrument] = Quote(math.nan, math.nan, math.nan)
            continue
        split = own[Bars.split].to_numpy(dtype=float)
        later = np.cumprod(split[::-1])[::-1] / split
        closed = sessions.closes_at(own[Bars.session].iloc[-1].date())
        found[row.instrument] = Quote(
            close=float(own[Bars.close].iloc[-1]),
            age_h=(now - closed).total_seconds() / 3600,
            average_volume=float(np.mean(own[Bars.volume].to_numpy(dtype=float) * later)),
        )
    return found


@dataclass(slots=True)
class Checks:
    """The limits of a day's strategy, held against its book and the orders of its account.

    `orders` are those that were sent, or would have been before this one; the caller adds to them.
    """

    day: Day
    state: BookState
    quotes: dict[str, Quote]
    orders: list[Order] = field(default_factory=list)

    def breaches(self, instrument: str, quantity: float | Decimal, price: float | Decimal) -> tuple[str, ...]:
        """A sentence for each limit that an order for the day's open would breach."""
        request = Request(instrument, quantity, price)
        return breaches(request, self._standing(request), self.day.desk.strategy.limits)

    def open_quantity(self, instrument: str, buys: bool) -> Decimal:
        """The signed sum of an instrument's open orders on one side."""
        own = [order.quantity for order in self._open() if order.instrument == instrument]
        return sum((quantity for quantity in own if (float(quantity) > 0) == buys), Decimal(0))

    def _open(self) -> list[Order]:
        return [order for order in self.orders if order.status in ("accepted", "unknown")]

    def _standing(self, request: Request) -> Standing:
        strategy, buys = self.day.desk.strategy, float(request.quantity) > 0
        quote = self.quotes.get(request.instrument, Quote(math.nan, math.nan, math.nan))
        today = [order for order in self.orders if order.execution_session == self.day.execution_session]
        own = [order for order in today if order.instrument == request.instrument]
        same = [
            order for order in own if (float(order.quantity) > 0) == buys and order.status in ("accepted", "unknown", "filled")
        ]
        return Standing(
            instruments=tuple(row.instrument for row in strategy.market.instruments),
            close=quote.close,
            average_volume=quote.average_volume,
            data_age_h=quote.age_h,
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


def final_checks(day: Day, state: BookState, bars: pd.DataFrame) -> Checks:
    """The checks of requests that are about to leave, against every order of the account that was sent."""
    desk = day.desk
    books = [book.book_id for book in desk.ledger.books(desk.book.account)]
    sent = [order for book_id in books for order in desk.ledger.orders(book_id) if order.status != "intent"]
    return Checks(day, state, quotes(day, bars, desk.clock.now()), sent)


def held_back(checks: Checks, order: Order) -> tuple[str, str]:
    """Why an order may not leave now, as (outcome, sentence), both "" where it may. The book's state is read again here."""
    desk, name = checks.day.desk, order.instrument
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
