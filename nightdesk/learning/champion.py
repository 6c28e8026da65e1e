"""When a fit is due, and which fit may trade: the one rule of the day and of the backtest."""

from collections.abc import Callable, Sequence
from datetime import date
from typing import Protocol, TypeVar

from schemas.learnt import Gate, Model, period_key


class Attempt(Protocol):
    """A fit that was made and judged."""

    @property
    def cutoff(self) -> date: ...
    @property
    def status(self) -> str: ...
    @property
    def reason(self) -> str: ...


Fitted = TypeVar("Fitted", bound=Attempt)


def is_due(newest: date | None, retrain: str, session: date) -> bool:
    """Whether no fit was attempted with its cut-off in the session's period. `newest` is the newest cut-off, None for none."""
    return newest is None or period_key(retrain, newest) != period_key(retrain, session)


def champion_of(
    attempts: Sequence[Fitted], model: Model, gate: Gate, age_sessions: Callable[[date], int]
) -> tuple[Fitted | None, str]:
    """Which fit may trade, and why: the newest if it passed; after a failed gate none, or the last that passed if the strategy
    keeps it; after a degenerate fit the last that passed. A kept champion must be young enough.

    `attempts` are those up to the session, oldest first, at least one; `age_sessions` says how many sessions ago a cut-off was.
    """
    newest = attempts[-1]
    if newest.status == "failed" and gate.on_fail == "no_trade":
        return None, newest.reason
    champion = next((attempt for attempt in reversed(attempts) if attempt.status == "passed"), None)
    if champion is None:
        return None, newest.reason
    age, limit = age_sessions(champion.cutoff), model.max_age_sessions
    if age > limit:
        return None, f"the champion of {champion.cutoff} is {age} sessions old, allowed: up to {limit}"
    if champion is not newest:
        return champion, f"{newest.reason}; the champion of {champion.cutoff} stays"
    return champion, champion.reason
