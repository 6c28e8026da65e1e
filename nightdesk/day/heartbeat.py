"""Whether every session that is over has its report, and the alarm where one has none: nobody ran the day, or it died."""

import uuid
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta

from nightdesk.clock import WallClock
from nightdesk.ledger.book import book_id
from nightdesk.ledger.lock import only_writer
from nightdesk.ledger.store import Ledger
from nightdesk.notices import send_notice
from nightdesk.orders.desk import LAST_REQUEST_BEFORE_OPEN
from nightdesk.sessions import Sessions, exchange_sessions
from nightdesk.settings import Settings
from nightdesk.wiring.markets import is_simulated
from nightdesk.wiring.orders import open_ledger
from nightdesk.wiring.strategies import load_strategy
from schemas.outcomes import NO_REPORT_HEADING, ending
from schemas.records import Mode, Run

AFTER_OPEN = timedelta(hours=8, minutes=15)
"""From here on a session's report is due: 17:45 in New York, on half days too, since the day is run at the same hour on all."""
DAY_TAKES = timedelta(minutes=30)
"""A day takes no longer than this and what its strategy waits for a late bar."""
NO_DAYS = ("heartbeat", "submit")
"""Kinds of runs that report no session."""


@dataclass(frozen=True, slots=True)
class Beat:
    """What was found: `reported`, or `no report` with the sessions that have none, and whether a person was told of new ones."""

    outcome: str
    reason: str
    sessions: tuple[date, ...] = ()
    told: bool = False

    @property
    def exit_code(self) -> int:
        return ending(self.outcome).exit_code


def beat(strategy_name: str, mode: Mode, orchestrated: bool, here: Settings, page: str = "") -> Beat:
    """Look for sessions without a report since the book's first report, and send one notice of those that nobody was told of.

    That they were told is kept as a row of each session; where no address took the notice, the next call tries again. `page` is a
    link for the notice.
    """
    strategy = load_strategy(strategy_name, here)
    if is_simulated(strategy):
        return Beat("reported", f"The {strategy.market.source} market has a simulated clock: no session is ever due.")
    sessions, now = exchange_sessions(strategy.market.calendar), WallClock().now()
    book = book_id(mode, strategy.account, strategy.name)
    takes = DAY_TAKES + timedelta(minutes=strategy.market.late_bar_wait_min)
    with only_writer(here.locks, f"heartbeat/{mode}/{strategy.account}") as alone, closing(open_ledger(mode, here)) as ledger:
        if alone is None:
            return Beat("already running", "Another heartbeat of this book is looking.")
        runs = ledger.runs(book)
        missing = tuple(unreported(runs, sessions, now, takes))
        if not missing:
            return Beat("reported", _good(runs, book))
        reason = _sentence(missing, runs, sessions, now)
        untold = [session for session in missing if session not in {run.session for run in runs if _kind(run) == "heartbeat"}]
        told = bool(untold) and send_notice(here.notify, *_notice(strategy.name, mode, missing, reason, page))
        if told:
            _append_told(ledger, book, untold, reason, orchestrated, now)
        return Beat("no report", reason, missing, told)


def unreported(runs: Sequence[Run], sessions: Sessions, now: datetime, takes: timedelta) -> Iterator[date]:
    """The sessions whose report is due at `now` and that no run has ended for, oldest first.

    From the first session on that has a report; while there is none, from the first run's. A run that began less than `takes` ago
    may still report its session.
    """
    days = [(run.session, run) for run in runs if run.session is not None and _kind(run) not in NO_DAYS]
    ended = {session for session, run in days if run.finished_at is not None}
    under_way = {session for session, run in days if run.started_at > now - takes}
    last = sessions.latest_settled(now)
    while now < due_at(last, sessions, takes):
        last = sessions.before(last)
    first = min(ended or {session for session, _ in days}, default=None)
    if first is not None and first <= last:
        yield from (stamp.date() for stamp in sessions.between(first, last) if stamp.date() not in ended | under_way)


def due_at(session: date, sessions: Sessions, takes: timedelta) -> datetime:
    """From when on a session without a report is an alarm, UTC."""
    return max(sessions.opens_at(session) + AFTER_OPEN, sessions.settled_at(session) + takes)


def _kind(run: Run) -> object:
    return run.detail.get("kind")


def _good(runs: Sequence[Run], book: str) -> str:
    days = [run.session for run in runs if run.session is not None and _kind(run) not in NO_DAYS]
    if not days:
        return f"The book {book} has had no day yet: its sessions are watched from its first run on."
    return f"Every session that is due has its report; the newest is {max(days)}."


def _sentence(missing: Sequence[date], runs: Sequence[Run], sessions: Sessions, now: datetime) -> str:
    """What is missing, what became of it, and until when the newest can still be decided."""
    last = missing[-1]
    named = str(last) if len(missing) == 1 else f"{len(missing)} sessions, {missing[0]} to {last}"
    begun = [run.started_at for run in runs if run.session == last and run.finished_at is None and _kind(run) not in NO_DAYS]
    what = f"its run began at {begun[-1]:%Y-%m-%d %H:%M} UTC and did not end" if begun else f"no day was run for {last}"
    until = sessions.opens_at(sessions.after(last)) - LAST_REQUEST_BEFORE_OPEN
    late = now >= until
    hope = "It is too late to decide it: the next run records it as missed." if late else _still(last, until)
    return f"No report for {named}: {what}. {hope}"


def _still(session: date, until: datetime) -> str:
    return f"A run of {session} that begins before {until:%Y-%m-%d %H:%M} UTC still decides it."


def _notice(strategy: str, mode: Mode, missing: Sequence[date], reason: str, page: str) -> tuple[str, str]:
    lines = (reason, f"What to do: {NO_REPORT_HEADING} in docs/runbook.md.", page)
    return f"Nightdesk {strategy} ({mode}): no report for {missing[-1]}", "\n".join(line for line in lines if line)


def _append_told(ledger: Ledger, book: str, sessions: Sequence[date], reason: str, orchestrated: bool, now: datetime) -> None:
    code = ending("no report").exit_code
    for session in sessions:
        run = Run(str(uuid.uuid4()), book, session, "scheduled", orchestrated, now, now, "no report", reason, code)
        ledger.append_run(replace(run, detail={"kind": "heartbeat"}))
