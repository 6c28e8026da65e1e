"""5. Refit on the purged past, when due."""

from pandera.typing import DataFrame
from prefect import get_run_logger, task
from prefect.cache_policies import NO_CACHE

from nightdesk.day import retrain
from nightdesk.day.desk import Day
from nightdesk.day.retrain import Trained
from schemas.bars import Bars
from schemas.features import Features


@task(task_run_name="5 retrain_model", cache_policy=NO_CACHE)
def retrain_model(day: Day, features: DataFrame[Features], bars: DataFrame[Bars]) -> Trained:
    """The model that may trade today; a new fit where one is due.

    Reads: features, bars, the ledger, the model file. Writes: the model file and the ledger.
    """
    trained = retrain.retrain_model(day, features, bars)
    made = f"{'fitted' if trained.fit else 'reused'} {trained.attempt.model_id}: " if trained.attempt else ""
    get_run_logger().info("%s%s", made, trained.reason)
    return trained
