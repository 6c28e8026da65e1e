"""A Desk is what a day works with; a Day is one session at it, and where errors become outcomes."""

import functools
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from pathlib import Path
from time import perf_counter
from typing import Concatenate, ParamSpec, TypeVar, cast

import pandas as pd

from nightdesk.clock import WallClock
from nightdesk.day.notice import submit_day_notice
from nightdesk.errors import BadData, LimitBreached, NightdeskError
from nightdesk.market.quarantine import Quarantine
from nightdesk.market.source import Source
from nightdesk.market.store import BarStore
from nightdesk.orders.desk import OrderDesk
from nightdesk.secrecy import redacted
from nightdesk.settings import Settings
from nightdesk.tracking.tracker import Tracker
from schemas.findings import Finding
from schemas.outcomes import ending
from schemas.records import BookState, Run

ERROR_OUTCOMES: dict[type[NightdeskError], str] = {BadData: "no trade: data", LimitBreached: "no trade: limit"}
"""Errors that end a day in an outcome of their own; the others end it in "failed: <step>"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk(OrderDesk):
    """Everything that a day's steps reach, made by `nightdesk.wiring.desk.open_desk`."""

    settings: Settings
    source: Source
    store: BarStore
    quarantine: Quarantine
    tracker: Tracker

    def folder(self, kind: str) -> Path:
        """Where this book's files of a kind lie: var/<kind>/<mode>/<account>/<strategy>."""
        return self.settings.home / kind / self.book.mode / self.book.account / self.book.strategy


@dataclass(eq=False)
class Day:
    """One session at a desk. The steps fill it in; what must outlive the process is in the ledger.

    `strategy_name` is what the strategy was asked for by; `lock` the descriptor of the account's lock, None where nothing is
    written. Only a person raises `attempt`: `flatten` says who had everything closed in it, and why. `page` is the day's run in
    Prefect, "" where there is none; `unsaid` why a rule or a table of weights wants nothing anew, `outliers` why the
    model was not asked about a symbol. `bars` are those that were checked, None before that.
    """

    desk: Desk
    session: date
    execution_session: date
    run: Run
    strategy_name: str = ""
    lock: int | None = None
    attempt: int = 1
    flatten: Mapping[str, object] = field(default_factory=dict)
    resumed: bool = False
    step: str = "open"
    as_of: datetime = field(init=False)
    seconds: dict[str, float] = field(default_factory=dict)
    detail: dict[str, object] = field(default_factory=dict)
    findings: tuple[Finding, ...] = ()
    notes: list[str] = field(default_factory=list)
    page: str = ""
    disputed: str = ""
    data: dict[str, object] = field(default_factory=dict)
    features_sha256: str = ""
    unsaid: str = ""
    outliers: str = ""
    bars: pd.DataFrame | None = None

    def __post_init__(self) -> None:
        self.as_of = self.desk.sessions.settled_at(self.session)

    @property
    def asked_for(self) -> str:
        """The name or the path by which the strategy's file is found."""
        return self.strategy_name or self.desk.strategy.name

    @property
    def reconstructed(self) -> bool:
        """The open had come, or nearly, before this session was decided: its decision is for the record, without orders."""
        return self.run.origin == "reconstructed"

    def book_state(self) -> BookState:
        """The book after the close of the session."""
        return self.desk.book_state(self.session)

    def end(self, outcome: str, reason: str, exit_code: int | None = None) -> None:
        """How the day ends, to be written by `finish`."""
        code = ending(outcome).exit_code if exit_code is None else exit_code
        self.run = replace(self.run, outcome=outcome, reason=redacted(reason), exit_code=code)

    def finish(self, decision_sha256: str = "") -> None:
        """Tell a person where one is needed, and write the run's end."""
        submit_day_notice(self)
        detail = {**self.run.detail, **self.detail, "seconds": {name: round(value, 4) for name, value in self.seconds.items()}}
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
