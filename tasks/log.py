"""6. Params, metrics, model, data version to MLflow."""

from pandera.typing import DataFrame
from prefect import get_run_logger, task
from prefect.artifacts import create_link_artifact
from prefect.cache_policies import NO_CACHE

from nightdesk.day import log
from nightdesk.day.desk import Day
from nightdesk.day.retrain import Trained
from schemas.bars import Bars


@task(task_run_name="6 log_experiment", cache_policy=NO_CACHE)
def log_experiment(day: Day, trained: Trained, bars: DataFrame[Bars]) -> None:
    """Log today's fit; MLflow is a sink, and the day goes on without it.

    Reads: the fit. Writes: MLflow, or the spool in the home where MLflow is away; a link artifact in Prefect.
    """
    run_id = log.log_experiment(day, trained, bars)
    nothing = "spooled or nothing to log" if trained.attempt else f"{trained.reason}, so there is nothing to log"
    get_run_logger().info("MLflow run %s", run_id or f"none: {nothing}")
    if run_id:
        create_link_artifact(
            day.desk.tracker.run_url(run_id),
            link_text="the model's MLflow run",
            key="mlflow-run",
            description=f"The fit that decides for {day.desk.strategy.name} after {day.session}, in MLflow. {trained.reason}",
        )
