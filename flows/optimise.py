"""A search: configurations of a strategy on the past before a locked hold-out."""

from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.forms import StrategyName
from tasks.optimise import ended_search, search_strategy


@flow(
    name="optimise",
    flow_run_name="optimise {strategy}, {trials} trials",
    description="A search; each trial a child run in MLflow, the best one a challenger.",
    version="1",
)
def optimise(
    strategy: StrategyName = "sp500_search", trials: Annotated[int, Field(ge=1)] = 100, open_holdout: bool = False
) -> State:
    """Try configurations of a strategy that has a section [search]. It can be interrupted and started again.

    Prefect's form shows what stands under Args.

    Args:
        strategy: Name of a strategy file, or a path to one.
        trials: How many trials in all; those that were made before count.
        open_holdout: Play the winner over the locked hold-out. A search can do so once.
    """
    return ended_search(search_strategy(strategy, trials, open_holdout))
