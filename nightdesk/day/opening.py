"""Before the first step: which session, at which desk, and alone."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import date

from nightdesk.clock import WallClock
from nightdesk.day.desk import Day
from nightdesk.day.notice import submit_failure_notice
from nightdesk.day.promotion import finish_replacement
from nightdesk.errors import Misconfigured, NightdeskError, TryAgain
from nightdesk.ledger.book import book_id
from nightdesk.ledger.lock import only_writer
from nightdesk.ledger.store import Ledger
from nightdesk.market.source import Source
from nightdesk.sessions import Sessions, exchange_sessions
from nightdesk.settings import Settings
from nightdesk.wiring.desk import open_desk
from nightdesk.wiring.markets import source_of
from nightdesk.wiring.orders import account_lock, open_ledger
from nightdesk.wiring.strategies import load_strategy
from schemas.records import Mode, Origin, Run
from schemas.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Closed:
    """No day today: why. Nothing runs and nothing is reported."""

    outcome: str
    reason: str


@contextmanager
def open_day(
    strategy_name: str, session: date | None, mode: Mode, origin: Origin, orchestrated: bool, here: Settings, page: str = ""
) -> Iterator[Day | Closed]:
    """The day of a session, with its account locked and its run begun, or the reason why there is none.

    Without a session: the next that this book has not decided on a simulated market, else the newest whose bar is final.
    Where a scheduled day cannot be opened, a notice is sent. `page` is its run in Prefect, "" where there is none.
    """
    try:
        with _opened(strategy_name, session, mode, origin, orchestrated, here, page) as day:
            yield day
    except NightdeskError as error:
        if origin == "scheduled":  # nobody watches
            submit_failure_notice(strategy_name, error, here)
        raise


@contextmanager
def _opened(
    strategy_name: str, session: date | None, mode: Mode, origin: Origin, orchestrated: bool, here: Settings, page: str
) -> Iterator[Day | Closed]:
    finish_replacement(strategy_name, here)
    strategy = load_strategy(strategy_name, here)
    sessions, source = exchange_sessions(strategy.market.calendar), source_of(strategy, here)
    book = book_id(mode, strategy.account, strategy.name)
    with only_writer(here.locks, account_lock(strategy, mode)) as lock:
        if lock is None:
            yield Closed("already running", f"Another process is writing to the account {strategy.account!r}.")
            return
        ledger = open_ledger(mode, here)
        try:
            chosen = _session(session, strategy, source, sessions, ledger, book)
            if isinstance(chosen, Closed):
                yield chosen
                return
            ledger.require_unbroken(book)
            desk, following = open_desk(strategy, mode, chosen, ledger, here), sessions.after(chosen)
            late = desk.clock.now() > desk.deadline(following)
            known: Origin = "reconstructed" if late else origin
            detail = {"page": page} if page else {}
            run = Run(str(uuid.uuid4()), book, chosen, known, orchestrated, WallClock().now(), detail=detail)
            ledger.append_run(run)
            _end_dead_runs(ledger, run, chosen)
            try:
                yield Day(desk, chosen, following, run, strategy_name, lock, page=page)
            finally:
                desk.broker.close()
        finally:
            ledger.close()


def _end_dead_runs(ledger: Ledger, run: Run, session: date) -> None:
    """End the runs of earlier sessions that were killed: the account is locked, so that none of them is still under way."""
    for dead in ledger.open_runs(run.book_id, before=session):
        decision = ledger.decision(run.book_id, dead.session) if dead.session else None
        stands = f"its decision of {decision.session} stands" if decision else f"{dead.session} was not decided"
        reason = f"The process of this run died: {stands}. The next run was for {session}."
        sha256 = decision.sha256 if decision else ""
        ended = replace(dead, finished_at=run.started_at, outcome="failed: died", reason=reason, decision_sha256=sha256)
        ledger.finish_run(replace(ended, exit_code=TryAgain.exit_code))


def _session(
    asked: date | None, strategy: Strategy, source: Source, sessions: Sessions, ledger: Ledger, book: str
) -> date | Closed:
    first, last = source.span or (sessions.first, sessions.latest_settled(WallClock().now()))
    decided = ledger.decided_sessions(book)
    if asked is not None:
        return _required(asked, first, last, sessions, decided)
    if source.span is None:
        return last
    following = sessions.after(max(decided)) if decided else source.opens or first
    if following > last:
        return Closed("not a session", f"The {source.name} market ends with {last}, and this book has played it to the end.")
    return following


def _required(asked: date, first: date, last: date, sessions: Sessions, decided: set[date]) -> date:
    if not first <= asked <= last:
        raise Misconfigured.value("session", asked.isoformat(), f"a session of {sessions.name} from {first} to {last}")
    if not sessions.is_session(asked):
        near = f"{sessions.before(asked)} and {sessions.after(asked)} are"
        raise Misconfigured.value("session", asked.isoformat(), f"a session of {sessions.name} ({near})")
    if decided and asked < max(decided) and asked not in decided:
        raise Misconfigured.value(
            "session", asked.isoformat(), f"a session after {max(decided)}, the last that this book decided, or one that it did"
        )
    return asked


def next_day(strategy_name: str, session: date | None, mode: Mode, here: Settings) -> date | Closed:
    """The session that `open_day` would open, found without opening it. Raises `Misconfigured` as it would."""
    strategy = load_strategy(strategy_name, here)
    sessions, source = exchange_sessions(strategy.market.calendar), source_of(strategy, here)
    ledger = open_ledger(mode, here)
    try:
        return _session(session, strategy, source, sessions, ledger, book_id(mode, strategy.account, strategy.name))
    finally:
        ledger.close()


def sessions_to_play(strategy_name: str, count: int, mode: Mode, here: Settings) -> list[date]:
    """The last `count` sessions of the strategy's market, oldest first, less those that the book has decided already."""
    strategy = load_strategy(strategy_name, here)
    sessions, source = exchange_sessions(strategy.market.calendar), source_of(strategy, here)
    last = source.span[1] if source.span else sessions.latest_settled(WallClock().now())
    first = source.span[0] if source.span else sessions.first
    reach = len(sessions.between(first, last))
    if not 1 <= count <= reach:
        raise Misconfigured.value("sessions", count, f"1 to {reach}, the sessions of {source.name}")
    wanted = [stamp.date() for stamp in sessions.between(first, last)[-count:]]
    ledger = open_ledger(mode, here)
    decided = ledger.decided_sessions(book_id(mode, strategy.account, strategy.name))
    ledger.close()
    return [session for session in wanted if session not in decided]


def last_session(strategy_name: str, mode: Mode, here: Settings) -> date:
    """The last session that a book has a run for. Raises `Misconfigured` where there is none."""
    strategy = load_strategy(strategy_name, here)
    ledger = open_ledger(mode, here)
    runs = ledger.runs(book_id(mode, strategy.account, strategy.name))
    ledger.close()
    played = [run.session for run in runs if run.session is not None]
    if not played:
        raise Misconfigured(f"The {mode} book of {strategy.name!r} has no day yet.", strategy=strategy.name, mode=mode)
    return max(played)
