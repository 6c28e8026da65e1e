"""A strategy over history at once: walk-forward, never orders."""

from datetime import date
from typing import Annotated

from prefect import flow
from prefect.client.schemas.objects import State
from pydantic import Field

from flows.forms import StrategyName
from tasks.backtest import played, show_backtest, walk_forward


@flow(
    name="backtest",
    flow_run_name="backtest {strategy}",
    description="A strategy over history at once, with its own retraining, gate, costs and limits. It never orders.",
    version="1",
)
def backtest(
    strategy: StrategyName = "sp500_svc",
    start: date | None = None,
    end: date | None = None,
    capital: Annotated[float, Field(gt=0)] | None = None,
) -> State:
    """Play a strategy over history and report what the evidence allows to say.

    Prefect's form shows what stands under Args.

    Args:
        strategy: Name of a strategy file, or a path to one.
        start: The first session. None: the first that has history enough for a fit.
        end: The last session. None: that of the last bar.
        capital: What the book starts with. None: the strategy's capital.
    """
    made = walk_forward(strategy, start, end, capital)
    show_backtest(made)
    return played(made)
