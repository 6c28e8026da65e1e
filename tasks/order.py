"""8. Wanted minus held, through the limits, once."""

from pandera.typing import DataFrame
from prefect import get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from nightdesk.day import order
from nightdesk.day.desk import Day
from nightdesk.day.retrain import Trained
from nightdesk.day.submit import order_rows
from schemas.bars import Bars
from schemas.records import BookState, Order
from schemas.signals import Signals


@task(task_run_name="8 place_orders", cache_policy=NO_CACHE)
def place_orders(day: Day, signals: DataFrame[Signals], trained: Trained, state: BookState, bars: DataFrame[Bars]) -> list[Order]:
    """Commit the decision, then send its orders; a decision that was committed before stands.

    Reads: signals, the book, the ledger. Writes: the ledger, then the broker; a table artifact in Prefect. Never retried.
    """
    orders = order.place_orders(day, signals, trained, state, bars)
    get_run_logger().info("%s", [f"{row.order_id}: {row.quantity} {row.status}" for row in orders] or day.run.reason)
    if orders:
        create_table_artifact(order_rows(orders), key="orders", description=f"What leaves after {day.session}: {day.run.reason}")
    return orders
