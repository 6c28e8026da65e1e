"""The alarm of a day that nobody ran."""

from typing import Literal

from prefect import flow
from prefect.client.schemas.objects import State

from flows.forms import StrategyName
from tasks.heartbeat import find_missing_reports
from tasks.opening import ended


@flow(
    name="heartbeat",
    flow_run_name="heartbeat {strategy}, {mode}",
    description="An alarm where a session that is over has no report.",
    version="1",
)
def heartbeat(strategy: StrategyName = "sp500_svc", mode: Literal["paper", "live"] = "paper") -> State:
    """Fail where a session that is due has no report, and send one notice of it.

    Prefect's form shows what stands under Args.

    Args:
        strategy: Name of a strategy file, or a path to one.
        mode: Which book.
    """
    return ended(find_missing_reports(strategy, mode))
