"""1. New and changed bars into the store."""

from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from nightdesk.day import ingest
from nightdesk.day.desk import Day
from nightdesk.errors import TryAgain


def _outside_failed(_task: Any, _run: Any, state: Any) -> bool:
    return isinstance(state.result(raise_on_failure=False), TryAgain)


@task(
    task_run_name="1 ingest_bars",
    cache_policy=NO_CACHE,
    retries=3,
    retry_delay_seconds=[10, 30, 60],
    retry_jitter_factor=0.5,
    retry_condition_fn=_outside_failed,
)
def ingest_bars(day: Day) -> None:
    """Fetch the bars up to the session and append what is new.

    Reads: the strategy's source. Writes: the bar store, the quarantine, the ledger; a table artifact where the vendor changed
    the past. Tried again only where the source could not be reached.
    """
    appended = ingest.ingest_bars(day)
    restated: Any = day.detail["restated"]
    if restated["values"]:
        create_table_artifact(restated["first"], key="restated-bars", description=restated["sentence"] or "Late volume only.")
    get_run_logger().info("%d new bars, %d restated", appended.new, appended.restated)
