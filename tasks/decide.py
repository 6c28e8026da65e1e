"""7. Action, weight and score for each symbol, from the champion."""

import json

from pandera.typing import DataFrame
from prefect import get_run_logger, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE

from nightdesk.day import decide
from nightdesk.day.desk import Day
from nightdesk.day.retrain import Trained
from schemas.features import Features
from schemas.signals import Signals


@task(task_run_name="7 generate_signal", cache_policy=NO_CACHE)
def generate_signal(day: Day, features: DataFrame[Features], trained: Trained) -> DataFrame[Signals]:
    """What to hold from the next open on.

    Reads: features, the champion, the ledger. Writes: a table artifact in Prefect.
    """
    signals = Signals.validate(decide.generate_signal(day, features, trained))
    rows = json.loads(signals.to_json(orient="records"))
    get_run_logger().info("%s", rows)
    create_table_artifact(
        rows, key="decision", description=f"What {day.desk.strategy.name} wants after {day.session}. {trained.reason}"
    )
    return signals
