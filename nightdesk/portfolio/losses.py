"""Limits on the book: what its losses and its end date make of its state."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np

from nightdesk.portfolio.sizing import Floats
from schemas.records import Mark, State
from schemas.trading import Limits


@dataclass(frozen=True, slots=True)
class Course:
    """How a book fared since its start or its last release: time-weighted `returns` by session, the first 0.

    `fresh` is the first of them that no decision has seen.
    """

    sessions: tuple[date, ...]
    returns: Floats
    fresh: int
    execution_session: date


def course_of(marks: Sequence[Mark], decided: date | None, released: date | None, execution_session: date) -> Course:
    """The course up to the last mark. Returns are equity over (equity before + flow) - 1, and NaN where that is not defined."""
    counted = [mark for mark in marks if released is None or mark.session >= released]
    equity = np.array([float(mark.equity) for mark in counted])
    before = equity[:-1] + np.array([float(mark.flow) for mark in counted[1:]])
    gained = np.divide(equity[1:], before, out=np.full(len(before), np.nan), where=before > 0) - 1.0
    returns = np.concatenate([np.zeros(min(1, len(equity))), np.where(np.isfinite(gained), np.round(gained, 12), np.nan)])
    seen = sum(decided is not None and mark.session <= decided for mark in counted)
    return Course(tuple(mark.session for mark in counted), returns, seen, execution_session)


def restriction(course: Course, limits: Limits) -> tuple[State, str] | None:
    """The state that a breached limit calls for, and a sentence for each; None where none is breached.

    A loss halts the book; a drawdown or the end date closes what it holds. A return that is not a number breaches.
    """
    found = [(state, sentence) for state, guard in GUARDS.values() if (sentence := guard(course, limits))]
    if not found:
        return None
    states = [state for state, _ in found]
    return "HALTED" if "HALTED" in states else "REDUCING", "; ".join(sentence for _, sentence in found)


def _daily_loss(course: Course, limits: Limits) -> str:
    fresh = course.returns[course.fresh :]
    broken = np.flatnonzero(~(fresh >= -limits.max_daily_loss))
    if not len(broken):
        return ""
    session, lost = course.sessions[course.fresh + broken[0]], -fresh[broken[0]]
    return f"the loss of {session}, {lost:.2%} of equity, is above limits.max_daily_loss {limits.max_daily_loss:.2%}"


def drawdown(course: Course) -> float:
    """How far the time-weighted index has fallen from its peak, as a fraction of it; 0 before the first mark."""
    index = np.cumprod(1.0 + course.returns)
    return round(float(1.0 - index[-1] / index.max()), 12) if len(index) else 0.0


def _drawdown(course: Course, limits: Limits) -> str:
    depth = drawdown(course)
    if depth <= limits.max_drawdown:
        return ""
    return f"the drawdown at {course.sessions[-1]}, {depth:.2%}, is above limits.max_drawdown {limits.max_drawdown:.2%}"


def _losing_sessions(course: Course, limits: Limits) -> str:
    gained = np.flatnonzero(~(course.returns < 0))
    count = len(course.returns) - 1 - int(gained[-1]) if len(gained) else len(course.returns)
    if count <= limits.max_losing_sessions:
        return ""
    return f"{count} sessions of loss in a row are above limits.max_losing_sessions {limits.max_losing_sessions}"


def _end(course: Course, limits: Limits) -> str:
    if limits.end_date is None or course.execution_session <= limits.end_date:
        return ""
    return f"the open of {course.execution_session} is after limits.end_date {limits.end_date}"


GUARDS: dict[str, tuple[State, Callable[[Course, Limits], str]]] = {
    "max_daily_loss": ("HALTED", _daily_loss),
    "max_drawdown": ("REDUCING", _drawdown),
    "max_losing_sessions": ("HALTED", _losing_sessions),
    "end_date": ("REDUCING", _end),
}
"""Every limit on the book, by its key of `[limits]`, and the state that its breach sets."""
