"""What comes next for a book: from its newest decision, its exchange's sessions and the clock that was handed in."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

from nightdesk.consent.evidence import deadline
from nightdesk.errors import Misconfigured
from nightdesk.sessions import Sessions, exchange_sessions
from schemas.records import Decision, Order

PLAYED_WITHIN = timedelta(hours=2)
"""So long after its bar is final a session should have been played."""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that is going to happen; `at` is None where no clock says when."""

    at: datetime | None
    what: str


def clock_stands(decision: Decision) -> bool:
    """Whether the decision's market has a clock that only moves as its sessions are played."""
    envelope: Any = decision.envelope
    return bool(envelope.get("clock_stands", False))


def next_events(decision: Decision, orders: Sequence[Order], asks: bool, now: datetime) -> tuple[Event, ...]:
    """What comes next for a book, soonest first. `orders` are its open ones; `asks`: whether a person's answer is missing."""
    sessions = sessions_of(decision)
    if sessions is None:
        return ()
    if clock_stands(decision):
        following = sessions.after(decision.session)
        return (Event(None, f"the session of {following} can be played: `nightdesk day`"),)
    found = [*_of_orders(decision, orders, asks, sessions), *_of_exchange(sessions, now)]
    return tuple(sorted((event for event in found if event.at and event.at > now), key=lambda event: str(event.at)))


def missing_session(decision: Decision, last: date | None, now: datetime) -> date | None:
    """The newest session that should have been played and was not; None where there is none."""
    sessions = sessions_of(decision)
    if sessions is None or clock_stands(decision) or last is None:
        return None
    try:
        settled = sessions.latest_settled(now - PLAYED_WITHIN)
    except Misconfigured:  # beyond the calendar's reach
        return None
    return settled if settled > last else None


def sessions_of(decision: Decision) -> Sessions | None:
    """The sessions of the strategy's exchange, as the decision has it; None where that is not known."""
    envelope: Any = decision.envelope
    try:
        return exchange_sessions(str(envelope["strategy"]["market"]["calendar"]))
    except (KeyError, Misconfigured):
        return None


def _of_orders(decision: Decision, orders: Sequence[Order], asks: bool, sessions: Sessions) -> list[Event]:
    if not orders:
        return []
    until = deadline(decision)
    answer = [Event(until, "your answer is due; without one no order leaves")] if asks and until else []
    waits = "1 order waits" if len(orders) == 1 else f"{len(orders)} orders wait"
    return [*answer, Event(sessions.opens_at(decision.execution_session), f"the open for which {waits}")]


def _of_exchange(sessions: Sessions, now: datetime) -> list[Event]:
    """The next open and the next close."""
    try:
        session = sessions.after(now.date() - timedelta(days=2))
        while sessions.closes_at(session) <= now:
            session = sessions.after(session)
        opens = session if sessions.opens_at(session) > now else sessions.after(session)
        played = "then its bar becomes final and the day is played"
        return [
            Event(sessions.opens_at(opens), f"the exchange opens ({opens:%A})"),
            Event(sessions.closes_at(session), f"the exchange closes ({session:%A}); {played}"),
        ]
    except Misconfigured:  # beyond the calendar's reach
        return []
