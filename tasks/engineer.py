"""4. Features known at the close, nothing later."""

from pandera.typing import DataFrame
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from nightdesk.day import engineer
from nightdesk.day.desk import Day
from nightdesk.day.ruled import feature_columns
from schemas.bars import Bars
from schemas.features import Features


@task(task_run_name="4 engineer_features", cache_policy=NO_CACHE)
def engineer_features(day: Day, bars: DataFrame[Bars]) -> DataFrame[Features]:
    """The feature matrix of the symbols that the strategy reads.

    Reads: the bars. Writes: nothing.
    """
    features = Features.validate(engineer.engineer_features(day, bars))
    get_run_logger().info("%d rows of %s", len(features), ", ".join(feature_columns(day.desk.strategy)))
    return features
