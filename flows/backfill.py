"""The same day over past sessions, on the simulated clock, in a book of its own."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.daily import daily
from flows.forms import StrategyName
from tasks.opening import list_sessions
from tasks.progress import played, shown_progress


@flow(
    name="backfill",
    flow_run_name="backfill {strategy}, last {sessions} sessions",
    description="Past sessions, one daily run each.",
    version="1",
)
def backfill(strategy: StrategyName = "sp500_svc", sessions: Annotated[int, Field(ge=1)] = 21) -> State:
    """Play the last sessions of a simulated market that the backfill book has not played, oldest first.

    It can be interrupted and started again: what is decided stays, and the next run goes on behind it.

    Prefect's form shows what stands under Args.

    Args:
        strategy: Name of a strategy file, or a path to one.
        sessions: How many of the market's last sessions.
    """
    state = None
    for session in shown_progress(list_sessions(strategy, sessions)):
        state = daily(strategy, session, mode="backfill", return_state=True)
        if state.is_failed():
            break
    return played(state)
