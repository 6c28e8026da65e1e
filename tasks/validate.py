"""2. Refuse a bad day before it costs money."""

from pandera.typing import DataFrame
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from nightdesk.day import validate
from nightdesk.day.desk import Day
from schemas.bars import Bars


@task(task_run_name="2 validate_bars", cache_policy=NO_CACHE)
def validate_bars(day: Day) -> DataFrame[Bars]:
    """The bars that may be used today, checked.

    Reads: the bar store. Writes: nothing.
    """
    bars = Bars.validate(validate.validate_bars(day))
    get_run_logger().info("%d bars, %s", len(bars), validate.summary(day))
    return bars
