"""A Desk is what a day works with; a Day is one session at it, and where errors become outcomes."""

import functools
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from pathlib import Path
from time import perf_counter
from typing import Concatenate, ParamSpec, TypeVar, cast

from nightdesk.brokers.broker import Broker
from nightdesk.clock import Clock, WallClock
from nightdesk.errors import BadData, LimitBreached, NightdeskError
from nightdesk.ledger.book import holdings
from nightdesk.ledger.store import Ledger
from nightdesk.market.quarantine import Quarantine
from nightdesk.market.source import Source
from nightdesk.market.store import BarStore
from nightdesk.sessions import Sessions
from nightdesk.settings import Settings
from nightdesk.tracking.tracker import Tracker
from schemas.outcomes import ending
from schemas.records import Book, BookState, Finding, Run
from schemas.strategy import Strategy

ERROR_OUTCOMES: dict[type[NightdeskError], str] = {BadData: "no trade: data", LimitBreached: "no trade: limit"}
"""Errors that end a day in an outcome of their own; the others end it in "failed: <step>"."""

LAST_REQUEST_BEFORE_OPEN = timedelta(minutes=5)
"""No order leaves later than this before its open (09:25 in New York), and no decision is made for it."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that a day's steps reach, made by `nightdesk.wiring.open_desk`. `clock` is the source's clock."""

    settings: Settings
    strategy: Strategy
    book: Book
    clock: Clock
    sessions: Sessions
    source: Source
    store: BarStore
    quarantine: Quarantine
    broker: Broker
    ledger: Ledger
    tracker: Tracker

    def folder(self, kind: str) -> Path:
        """Where this book's files of a kind lie: var/<kind>/<mode>/<account>/<strategy>."""
        return self.settings.home / kind / self.book.mode / self.book.account / self.book.strategy

    def deadline(self, execution_session: date) -> datetime:
        """The instant after which nothing leaves for the open of a session."""
        return self.sessions.opens_at(execution_session) - LAST_REQUEST_BEFORE_OPEN


@dataclass(eq=False)
class Day:
    """One session at a desk. The steps fill it in; what must outlive the process is in the ledger."""

    desk: Desk
    session: date
    execution_session: date
    run: Run
    resumed: bool = False
    step: str = "open"
    as_of: datetime = field(init=False)
    seconds: dict[str, float] = field(default_factory=dict)
    detail: dict[str, object] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    notes: list[str] = field(default_factory=list)
    disputed: str = ""
    data: dict[str, object] = field(default_factory=dict)
    features_sha256: str = ""

    def __post_init__(self) -> None:
        self.as_of = self.desk.sessions.settled_at(self.session)

    @property
    def reconstructed(self) -> bool:
        """The open had come, or nearly, before this session was decided: its decision is for the record, without orders."""
        return self.run.origin == "reconstructed"

    def book_state(self) -> BookState:
        """The book after the close of the session, from its mark and its events up to there."""
        book_id, ledger = self.desk.book.book_id, self.desk.ledger
        mark = next(mark for mark in ledger.marks(book_id) if mark.session == self.session)
        held = holdings(event for event in ledger.position_events(book_id) if event.session <= self.session)
        return BookState(book_id, self.session, mark.cash, mark.equity, held)

    def end(self, outcome: str, reason: str, exit_code: int | None = None) -> None:
        """How the day ends, to be written by `finish`."""
        code = ending(outcome).exit_code if exit_code is None else exit_code
        self.run = replace(self.run, outcome=outcome, reason=reason, exit_code=code)

    def finish(self, decision_sha256: str = "") -> None:
        """Write the run's end."""
        detail = {**self.detail, "seconds": {name: round(value, 4) for name, value in self.seconds.items()}}
        self.run = replace(self.run, finished_at=WallClock().now(), decision_sha256=decision_sha256, detail=detail)
        self.desk.ledger.finish_run(self.run)

    @contextmanager
    def fence(self) -> Iterator[None]:
        """Errors become outcomes here, once: the day goes on to its report. A bug is recorded and passes."""
        expected = False
        try:
            yield
            expected = True
        except NightdeskError as error:
            expected = True
            self.end(ERROR_OUTCOMES.get(type(error), f"failed: {self.step}"), error.message, error.exit_code)
        finally:
            if not expected:
                self.end(f"failed: {self.step}", "interrupted, or a bug: the traceback says which")
                self.finish()


Rest = ParamSpec("Rest")
Result = TypeVar("Result")


def step(
    name: str,
) -> Callable[[Callable[Concatenate[Day, Rest], Result]], Callable[Concatenate[Day, Rest], Result]]:
    """Mark a function as a step of the day: the day knows where it is and how long each step took."""

    def decorate(function: Callable[Concatenate[Day, Rest], Result]) -> Callable[Concatenate[Day, Rest], Result]:
        @functools.wraps(function)
        def run(day: Day, *args: Rest.args, **kwargs: Rest.kwargs) -> Result:
            day.step = name
            started = perf_counter()
            try:
                return function(day, *args, **kwargs)
            finally:
                day.seconds[name] = perf_counter() - started

        return cast("Callable[Concatenate[Day, Rest], Result]", run)

    return decorate
