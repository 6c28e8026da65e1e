"""A fit and a day as they are logged to MLflow, and what MLflow then has."""

import base64
import math
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
import pandas as pd
from sklearn.ensemble import RandomForestClassifier

from nightdesk.learning.model_file import TRUSTED_TYPES, load_model, save_model
from nightdesk.tracking.tracker import DayLog, FitLog, Tracker

PNG = b"\x89PNG\r\n\x1a\n picture"
PIXEL = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
"""A picture of one pixel."""
PICTURES = {"plots/equity.png": PNG, "confusion_matrix.png": PIXEL}


def made_fit_log(home: Path, n_trees: int = 3) -> tuple[FitLog, Any]:
    random = np.random.default_rng(0)
    x = pd.DataFrame(random.normal(size=(60, 2)), columns=["a", "b"])
    y = (x["a"] > 0).astype(int)
    estimator = RandomForestClassifier(n_trees, random_state=0).fit(x, y)
    path, file_sha256 = save_model(estimator, home / "models")
    log = FitLog(
        experiment="spx",
        experiment_note="One run for each fit.",
        run_name="fit 2018-12-31",
        note="A **forest**.",
        registered_model="spx",
        params={"estimator": "forest"},
        metrics={"test_accuracy": 0.53, "n_test": 12.0},
        tags={"mode": "paper"},
        dataset=x.assign(label=y.astype(float)),
        dataset_name="sample ^GSPC",
        dataset_source="nightdesk:store/sample",
        model_file=path,
        model_file_sha256=file_sha256,
        input_example=x.tail(3),
        pictures=PICTURES,
        texts={"why.txt": "because"},
        alias="champion",
    )
    return log, estimator


def made_day_log(run_id: str = "", fit_key: str = "", step: int = 0, equity: float = 100.0) -> DayLog:
    metrics = {"live.equity": equity, "live.benchmark": math.nan}
    return DayLog(run_id, step, metrics, {f"days/{step}.json": "{}"}, {"days/equity.png": PNG}, {"book": "b"}, fit_key)


def uri_of(home: Path) -> str:
    return f"sqlite:///{home / 'mlflow' / 'mlflow.db'}"


def new_tracker(home: Path, uri: str = "") -> Tracker:
    return Tracker(
        uri or uri_of(home), home / "mlflow" / "artifacts", home / "spool", load_model, TRUSTED_TYPES, "http://127.0.0.1:5000"
    )


def client_of(home: Path) -> mlflow.MlflowClient:
    mlflow.set_tracking_uri(uri_of(home))
    mlflow.set_registry_uri(uri_of(home))
    return mlflow.MlflowClient(uri_of(home), uri_of(home))


def runs_of(home: Path) -> list[Any]:
    client = client_of(home)
    return list(client.search_runs([one.experiment_id for one in client.search_experiments()]))
