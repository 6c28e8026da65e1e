"""What waits for the broker or for a person's consent, sent when the broker takes it."""

from typing import Literal

from prefect import flow
from prefect.client.schemas.objects import State

from flows.forms import StrategyName
from tasks.opening import ended
from tasks.submit import submit_orders


@flow(
    name="submit",
    flow_run_name="submit {strategy}, {mode}",
    description="Between two days: sends the orders that wait, once.",
    version="1",
)
def submit(strategy: StrategyName = "sp500_svc", mode: Literal["paper", "live"] = "paper") -> State:
    """Send what the newest decision intends and has not been sent; most often that is nothing.

    Prefect's form shows what stands under Args.

    Args:
        strategy: Name of a strategy file, or a path to one.
        mode: Which book.
    """
    return ended(submit_orders(strategy, mode))
