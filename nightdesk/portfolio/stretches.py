"""A simulation that is played in stretches, so that what a limit does in a session changes those after it only."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from nightdesk.portfolio import loop
from nightdesk.portfolio.sizing import Floats


@dataclass(eq=False)
class Simulation:
    """A book on its way through history: `played` sessions so far, whose last decided the orders from `waiting` up to `count`.

    It is played in stretches, and can be taken back to where it was kept; `weights` of sessions to come may change in between.
    Orders that are sized at the open need it in one stretch.
    """

    weights: Floats
    panels: loop.Panels
    terms: loop.Terms
    cash: float
    book: loop.Book
    marks: loop.Marks
    orders: loop.Orders
    run: Callable[..., int]
    played: int = 0
    waiting: int = 0
    count: int = 0

    def play_to(self, session: int) -> None:
        """Play the sessions up to, not including, one."""
        stretch = slice(self.played, session)
        if self.played >= session:
            return
        panels = loop.Panels(*(panel[stretch] for panel in self.panels))
        marks = loop.Marks(*(mark[stretch] for mark in self.marks))
        for added in (marks.traded, marks.commission, marks.slippage):
            added[:] = 0.0  # a stretch may be played again
        before = self.count
        self.count = self.run(
            self.weights[stretch], panels, self.cash, self.terms, self.book, self.orders, marks, self.waiting, before
        )
        decided = self.orders.session[before : self.count]
        decided += self.played
        self.waiting = before + int(np.searchsorted(decided, decided.dtype.type(session - 1)))  # of its type: not copied
        self.played, self.cash = session, float(marks.cash[-1])

    def kept(self) -> "Kept":
        """Where it is now."""
        book = self.book
        copied = loop.Book(book.held.copy(), book.last.copy(), book.previous.copy(), book.silent.copy(), book.wanted.copy())
        return Kept(self.played, self.waiting, self.count, self.cash, copied)

    def go_back(self, kept: "Kept") -> None:
        """Be where it was."""
        self.played, self.waiting, self.count, self.cash = kept.played, kept.waiting, kept.count, kept.cash
        for part, was in zip(self.book, kept.book, strict=True):
            part[:] = was

    def keep_back(self) -> None:
        """Take back the orders that wait, and what they wanted."""
        self.count = self.waiting
        self.book.previous[:] = np.nan


@dataclass(frozen=True, slots=True, eq=False)
class Kept:
    """A simulation's book at a session."""

    played: int
    waiting: int
    count: int
    cash: float
    book: loop.Book
