"""3. What happened since; broker = ledger, or stop."""

from pandera.typing import DataFrame
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from nightdesk.day import settle
from nightdesk.day.desk import Day
from schemas.bars import Bars
from schemas.records import BookState


@task(task_run_name="3 settle_books", cache_policy=NO_CACHE)
def settle_books(day: Day, bars: DataFrame[Bars]) -> BookState:
    """Corporate actions, fills, cash events and marks up to the session's close.

    Reads: the broker, the ledger. Writes: the ledger.
    """
    state = settle.settle_books(day, bars)
    get_run_logger().info("equity %s, cash %s, holdings %s", state.equity, state.cash, dict(state.holdings))
    return state
