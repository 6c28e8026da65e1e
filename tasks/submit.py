"""Between two days: what waits is sent, once the broker takes it."""

from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run

from nightdesk.day import submit
from nightdesk.day.submit import Submitted
from nightdesk.errors import TryAgain
from nightdesk.settings import settings
from schemas.records import Mode

RETRIES = 2


def _outside_failed(_task: Any, _run: Any, state: Any) -> bool:
    return isinstance(state.result(raise_on_failure=False), TryAgain)


@task(cache_policy=NO_CACHE, retries=RETRIES, retry_delay_seconds=[20, 60], retry_condition_fn=_outside_failed)
def submit_orders(strategy: str, mode: Mode) -> Submitted:
    """Start the process that orders, for what waits.

    Reads: the ledger, through that process the broker. Writes: a table artifact in Prefect; that process writes the ledger, then
    the broker. Tried again only where something outside failed: an order that may have left is looked up first, whoever asks.
    """
    made = submit.submit_orders(strategy, mode, settings())
    if task_run.run_count <= RETRIES:
        submit.require_answered(made)
    if made.orders:
        create_table_artifact(list(made.orders), key="orders", description=f"{made.outcome}: {made.reason}")
    get_run_logger().info("%s: %s", made.outcome, made.reason)
    return made
