"""Between the days: whether every session that is due has its report."""

from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from prefect.utilities.urls import url_for

from nightdesk.day import heartbeat
from nightdesk.day.heartbeat import Beat
from nightdesk.settings import settings
from schemas.records import Mode


@task(cache_policy=NO_CACHE)
def find_missing_reports(strategy: str, mode: Mode) -> Beat:
    """Look for sessions without a report; a person is told once of each.

    Reads: the ledger. Writes: a row in the ledger for each session that a person was told of.
    """
    page = url_for("flow-run", flow_run.id, url_type="ui") or ""
    found = heartbeat.beat(strategy, mode, True, settings(), page)
    get_run_logger().info("%s: %s", found.outcome, found.reason)
    return found
