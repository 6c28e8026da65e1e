"""The limits of the days over history at once: simulate, find the first session that breaches one, apply it, go on from there.

Which sessions may breach is found for all orders at once; what a breach is, and its sentence, is the day's own function.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import pandas as pd

from nightdesk.day.settle import instrument_panel
from nightdesk.portfolio.history import History, history_of, simulation_of
from nightdesk.portfolio.limits import VOLUME_SESSIONS, Request, Standing, breaches
from nightdesk.portfolio.losses import Course, restriction
from nightdesk.portfolio.rebalance import PROCEEDS_SHARE
from nightdesk.portfolio.sizing import Floats
from nightdesk.portfolio.stretches import Simulation
from nightdesk.sessions import SETTLE_DELAY, Sessions
from schemas.bars import Bars
from schemas.records import Restriction
from schemas.strategy import Strategy
from schemas.trading import Limits

FIRST_STRETCH = 8
"""Sessions to play after a breach before looking again; without another one, twice as many."""
NEARLY = 1 - 1e-9
"""What comes so near to a limit is asked of the day's function."""
DATA_AGE_H = SETTLE_DELAY.total_seconds() / 3600
"""A decision sees bars that were final then and not before."""


def limited_history(
    strategy: Strategy, bars: pd.DataFrame, sessions: Sessions, days: pd.DatetimeIndex, weights: Floats, capital: float
) -> tuple[History, tuple[Restriction, ...]]:
    """What the book did under the strategy's limits, and what these did to it, in order.

    `weights` are sessions x instruments, as `simulate` takes them. An order limit keeps back the orders of its session; a state
    that a loss or the end date sets lasts to the end, since nobody releases it.
    """
    opens, closes, dividends, splits, volumes = (
        instrument_panel(strategy, bars, column).reindex(days).to_numpy(dtype=float)
        for column in (Bars.open, Bars.close, Bars.dividend, Bars.split, Bars.volume)
    )
    simulation = simulation_of(
        weights, opens, closes, strategy.sizing, strategy.costs, capital, dividends=dividends, splits=splits, volumes=volumes
    )
    dates = tuple(stamp.date() for stamp in days)
    guard = Guard(strategy, bars, days, dates, (*dates[1:], sessions.after(dates[-1])))
    found = tuple(_restricted(simulation, guard))
    return history_of(simulation), found


@dataclass(eq=False)
class Guard:
    """A strategy's limits, held against what a simulation did. `executions` are the sessions after `dates`."""

    strategy: Strategy
    bars: pd.DataFrame
    days: pd.DatetimeIndex
    dates: tuple[date, ...]
    executions: tuple[date, ...]

    @property
    def limits(self) -> Limits:
        return self.strategy.limits

    @cached_property
    def average_volumes(self) -> Floats:
        """Mean volume of the last sessions with a bar, in shares of the session; sessions x instruments."""
        volumes, splits = (instrument_panel(self.strategy, self.bars, column) for column in (Bars.volume, Bars.split))
        shares = splits.fillna(1.0).cumprod()
        mean = (volumes / shares).rolling(VOLUME_SESSIONS, min_periods=1).mean() * shares
        found: Floats = mean.reindex(self.days).to_numpy(dtype=float)
        return found

    @cached_property
    def _executed(self) -> np.ndarray:
        return np.array(self.executions, dtype="datetime64[D]")

    def book_restriction(self, simulation: Simulation, first: int, state: str) -> tuple[int, Restriction] | None:
        """The first session from `first` on whose close calls for a stricter state than the book's."""
        returns = _returns(simulation.marks.equity[: simulation.played])
        for at in np.flatnonzero(self._suspects(returns, state)[first:]) + first:
            course = Course(self.dates[: at + 1], returns[: at + 1], int(at), self.executions[at])
            found = restriction(course, self.limits)
            if found and (found[0] == "HALTED" or state != "REDUCING"):
                return int(at), Restriction(self.dates[at], *found)
        return None

    def _suspects(self, returns: Floats, state: str) -> np.ndarray:
        """The sessions at whose close a loss, or the end date where it still counts, may call for a state."""
        limits = self.limits
        places = np.arange(len(returns))
        in_a_row = places - np.maximum.accumulate(np.where(returns < 0, -1, places))
        suspects = ~(returns >= -limits.max_daily_loss) | (in_a_row > limits.max_losing_sessions)
        if state == "REDUCING":
            return np.asarray(suspects)
        index = np.cumprod(1.0 + returns)
        deep = ~(1.0 - index / np.maximum.accumulate(index) <= limits.max_drawdown * NEARLY)
        if limits.end_date is not None:
            deep |= self._executed[: len(returns)] > np.datetime64(limits.end_date)
        return np.asarray(suspects | deep)

    def order_restriction(self, simulation: Simulation, first: int, stop: int) -> tuple[int, Restriction] | None:
        """The first session in this range whose orders breach a limit, with a sentence for each."""
        decided = simulation.orders.session[: simulation.count]
        begin, end = np.searchsorted(decided, [first, stop])
        suspects = begin + np.flatnonzero(self._suspicious(simulation, int(begin), int(end)))
        for at in np.unique(decided[suspects]):
            lines = np.arange(*np.searchsorted(decided, [at, at + 1]))
            if sentences := self._breaches(simulation, int(at), lines, set(suspects.tolist())):
                return int(at), Restriction(self.dates[at], "", "; ".join(sentences))
        return None

    def _suspicious(self, simulation: Simulation, begin: int, end: int) -> np.ndarray:
        """Which of the orders come near to a limit."""
        limits, orders, marks = self.limits, simulation.orders, simulation.marks
        session, symbol = orders.session[begin:end], orders.symbol[begin:end]
        quantity, shares = orders.quantity[begin:end], np.abs(orders.quantity[begin:end])
        price, equity = simulation.panels.closes[session, symbol], marks.equity[session] * NEARLY
        value, after = shares * price, marks.holdings[session, symbol] + quantity
        return np.asarray(
            (shares > limits.max_order_quantity * NEARLY)
            | (value > limits.max_order_notional * NEARLY)
            | (value > limits.max_order_share * equity)
            | (np.abs(after) * price > limits.max_position_share * equity)
            | ~(shares <= limits.max_volume_share * self.average_volumes[session, symbol] * NEARLY)
            | ((quantity < 0) & (after < 0) & (not limits.allow_short))
            | (limits.max_data_age_h < DATA_AGE_H)
            | self._crowded(session)
            | self._overspent(session, quantity * price, marks.cash)
        )

    def _crowded(self, session: np.ndarray) -> np.ndarray:
        """Orders of sessions with more of them than the account may send."""
        return np.asarray(np.bincount(session)[session] > self.limits.max_orders_per_day)

    def _overspent(self, session: np.ndarray, value: Floats, cash: Floats) -> np.ndarray:
        """Buys that come near to the share of the buying power that is left to them, after the sells and the buys before."""
        bought = np.cumsum(np.maximum(value, 0.0))
        before = bought - np.maximum(value, 0.0)
        spent = before - before[np.searchsorted(session, session)]
        sold = np.bincount(session, weights=np.maximum(-value, 0.0))[session] if len(session) else value
        left = cash[session] + PROCEEDS_SHARE * sold - spent
        rounding = 1e-12 * bought[-1:].sum() + (1 - NEARLY) * np.abs(value)
        return np.asarray((value > 0) & (value + rounding > self.limits.max_buying_power_share * left))

    def _breaches(self, simulation: Simulation, at: int, lines: np.ndarray, suspects: set[int]) -> list[str]:
        """A sentence for each limit that a session's orders breach together: sells first, as if each before had been accepted."""
        orders, marks = simulation.orders, simulation.marks
        names = tuple(row.instrument for row in self.strategy.market.instruments)
        sold, bought = 0.0, 0.0
        found: list[str] = []
        for sent, line in enumerate(sorted(lines.tolist(), key=lambda line: bool(orders.quantity[line] > 0))):
            symbol, quantity = int(orders.symbol[line]), float(orders.quantity[line])
            close = float(simulation.panels.closes[at, symbol])
            if line in suspects:
                standing = Standing(
                    instruments=names,
                    close=close,
                    average_volume=float(self.average_volumes[at, symbol]),
                    data_age_h=DATA_AGE_H,
                    held=float(marks.holdings[at, symbol]),
                    open_quantity=0.0,
                    equity=float(marks.equity[at]),
                    buying_power=float(marks.cash[at]) + PROCEEDS_SHARE * sold - bought,
                    instrument_orders=0,
                    account_orders=sent,
                    same_orders=0,
                )
                found += breaches(Request(names[symbol], quantity, close), standing, self.limits)
            sold, bought = sold + max(-quantity * close, 0.0), bought + max(quantity * close, 0.0)
        return found


def _restricted(simulation: Simulation, guard: Guard) -> Iterator[Restriction]:
    """Play to the end under the limits; what they did, in order."""
    total, stretch, state = len(simulation.weights), len(simulation.weights), ""
    while simulation.played < total:
        first, kept = simulation.played, simulation.kept()
        stop = min(first + stretch, total)
        simulation.play_to(stop)
        book = guard.book_restriction(simulation, first, state) if state != "HALTED" else None
        orders = guard.order_restriction(simulation, first, book[0] if book else stop)
        if book is None and orders is None:
            stretch *= 2
            continue
        stretch = FIRST_STRETCH
        simulation.go_back(kept)
        if orders is not None:
            at, made = orders
            simulation.play_to(at + 1)
            simulation.keep_back()
        elif book is not None:
            at, made = book
            state = made.state
            simulation.play_to(at)
            simulation.weights = simulation.weights.copy()
            simulation.weights[at:] = np.nan if state == "HALTED" else 0.0
        yield made


def _returns(equity: Floats) -> Floats:
    """Time-weighted returns as `losses.course_of` has them: nothing comes in after the first session."""
    before = equity[:-1]
    gained = np.divide(equity[1:], before, out=np.full(len(before), np.nan), where=before > 0) - 1.0
    return np.concatenate([np.zeros(min(1, len(equity))), np.where(np.isfinite(gained), np.round(gained, 12), np.nan)])
