"""A book played session by session with the day's own functions: what the compiled simulation must repeat."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from nightdesk.portfolio.rebalance import affordable, carried_weights, order_quantities
from nightdesk.portfolio.simulate import open_fills
from nightdesk.portfolio.sizing import target_quantities, total
from schemas.trading import Costs, Sizing


@dataclass(eq=False)
class Case:
    """Panels, sizing, costs and capital, as `simulate` takes them."""

    weights: np.ndarray
    opens: np.ndarray
    closes: np.ndarray
    sizing: Sizing
    costs: Costs
    capital: float
    dividends: np.ndarray
    splits: np.ndarray
    volumes: np.ndarray
    sized_at: Any = "close"
    delisted_after_sessions: int = 3


@dataclass(eq=False)
class Played:
    """Rows by session; orders as (decided, symbol, ordered, filled, price, commission)."""

    equity: list[float] = field(default_factory=list)
    cash: list[float] = field(default_factory=list)
    holdings: list[np.ndarray] = field(default_factory=list)
    orders: list[list[float]] = field(default_factory=list)


class Book:
    def __init__(self, case: Case) -> None:
        self.case, self.cash = case, case.capital
        symbols = case.opens.shape[1]
        self.held, self.silent = np.zeros(symbols), np.zeros(symbols)
        self.last, self.previous = np.full(symbols, np.nan), np.full(symbols, np.nan)
        self.waiting: list[tuple[int, int, float]] = []
        self.played = Played()

    def act(self, t: int) -> None:
        held = self.held != 0
        split = held & (self.case.splits[t] != 1.0)
        self.held[split] = (self.held[split] * self.case.splits[t, split].round(9)).round(9)
        paid = (self.held[held] * self.case.dividends[t, held].round(9)).round(9)
        for amount in paid:
            self.cash += amount
        self.cash = float(np.round(self.cash, 9))

    def fill(self, t: int) -> None:
        case, orders = self.case, self.waiting
        symbols = np.array([symbol for _, symbol, _ in orders], dtype=int)
        opens = np.where(case.splits[t, symbols] != 1.0, np.nan, case.opens[t, symbols])
        wanted = np.array([quantity for *_, quantity in orders])
        filled = open_fills(wanted, opens, self.cash, case.costs, case.sizing.increment, case.volumes[t, symbols])
        for at, (decided, symbol, quantity) in enumerate(orders):
            price, commission, got = filled.prices[at], filled.commissions[at], filled.quantities[at]
            money = [price, commission] if got else [0.0, 0.0]
            self.played.orders.append([decided, symbol, quantity, got, *money])
            if not got:
                continue
            self.cash -= np.round(got * price, 9) + commission
            self.held[symbol] = np.round(self.held[symbol] + got, 9)
            if np.isnan(self.last[symbol]):
                self.last[symbol] = opens[at]
        self.cash, self.waiting = float(np.round(self.cash, 9)), []

    def close_delisted(self, t: int) -> None:
        gone = np.isnan(self.case.opens[t]) & np.isnan(self.case.closes[t])
        self.silent = np.where(gone, self.silent + 1, 0)
        for symbol in np.flatnonzero((self.silent >= self.case.delisted_after_sessions) & (self.held != 0)):
            self.cash = float(np.round(self.cash + np.round(self.held[symbol] * self.last[symbol], 9), 9))
            self.held[symbol], self.previous[symbol] = 0.0, np.nan

    def worth(self, prices: np.ndarray) -> float:
        at = np.where(np.isnan(prices), self.last, prices)
        owned = self.held != 0
        return float(np.round(self.cash + total(self.held[owned] * at[owned]), 9))

    def decide(self, decided: int, prices: np.ndarray, equity: float) -> None:
        sizing, weights = self.case.sizing, self.case.weights[decided]
        targets = target_quantities(weights, equity, prices, sizing)
        wanted = order_quantities(targets, self.held, weights, self.previous, prices, equity, sizing.rebalance_band)
        if self.case.sized_at == "close":
            wanted = affordable(wanted, prices, self.cash, sizing.increment)
        self.previous = carried_weights(weights, self.previous, targets, self.held)
        self.waiting = [(decided, symbol, float(wanted[symbol])) for symbol in np.flatnonzero(wanted)]


def day_by_day(case: Case) -> Played:
    """The same as `simulate`, with the functions of the day."""
    book = Book(case)
    for t in range(len(case.weights)):
        book.act(t)
        if case.sized_at == "open" and t:
            book.decide(t - 1, case.opens[t], book.worth(case.opens[t]))
        book.fill(t)
        book.close_delisted(t)
        book.last = np.where(np.isnan(case.closes[t]), book.last, case.closes[t])
        book.played.equity.append(book.worth(case.closes[t]))
        book.played.cash.append(book.cash)
        book.played.holdings.append(book.held.copy())
        if case.sized_at == "close":
            book.decide(t, case.closes[t], book.played.equity[-1])
    book.played.orders += [[decided, symbol, quantity, 0.0, 0.0, 0.0] for decided, symbol, quantity in book.waiting]
    return book.played
