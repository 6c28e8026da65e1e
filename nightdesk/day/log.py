"""Step 6: params, metrics, model, data version -> MLflow. A sink: the day goes on without it."""

import math

import pandas as pd

from nightdesk.day.desk import Day, step
from nightdesk.day.fit_words import experiment_words, fit_words
from nightdesk.day.retrain import Trained
from nightdesk.learning.fit import Fit
from nightdesk.performance.plots import confusion_matrix_plot, equity_plot
from nightdesk.performance.window import window_equity
from nightdesk.tracking.tracker import FitLog
from schemas.evidence import gate_of
from schemas.records import ModelRef


@step("log")
def log_experiment(day: Day, trained: Trained, bars: pd.DataFrame) -> str:
    """Log today's fit to MLflow, or spool it where MLflow is away. Returns the MLflow run of the newest fit, "" while
    spooled and where the strategy has no model: without a fit there is no run."""
    desk = day.desk
    for model_id, run_id in desk.tracker.flush().items():
        desk.ledger.set_mlflow_run(model_id, run_id)
    if trained.attempt is None:
        return ""
    if trained.fit is None or trained.fit.estimator is None or trained.dataset is None:
        return trained.attempt.mlflow_run_id
    run_id = desk.tracker.log_fit(
        _fit_log(day, trained.attempt, trained.fit, trained.dataset, bars), key=trained.attempt.model_id
    )
    if run_id:
        desk.ledger.set_mlflow_run(trained.attempt.model_id, run_id)
    return run_id


def _fit_log(day: Day, model: ModelRef, made: Fit, dataset: pd.DataFrame, bars: pd.DataFrame) -> FitLog:
    desk, strategy = day.desk, day.desk.strategy
    columns = list(strategy.features.columns)
    title = f"{strategy.name}, fitted {model.cutoff}"
    passed = model.status == "passed"
    return FitLog(
        experiment=strategy.name,
        experiment_note=experiment_words(strategy, desk.settings),
        run_name=f"fit {model.cutoff} ({desk.book.mode})",
        note=fit_words(strategy, model, desk.book.book_id, day.page, desk.settings),
        registered_model=strategy.name if desk.book.mode != "backfill" else f"{strategy.name}-backfill",
        params=_params(day, model),
        metrics=dict(model.metrics) | _gate_metrics(model),
        tags={
            "strategy": strategy.name,
            "book": desk.book.book_id,
            "mode": desk.book.mode,
            "cutoff": model.cutoff.isoformat(),
            "gate": f"{model.status}: {model.reason}",
            "model_sha256": model.sha256,
            "strategy_sha256": strategy.sha256,
            "data_sha256": model.data_sha256,
        },
        dataset=dataset[[*columns, "label"]].astype({"label": "float64"}),
        dataset_name=f"{desk.source.name} {' '.join(strategy.data_symbols)}",
        dataset_source=f"nightdesk:store/{desk.source.name}",
        model_file=desk.settings.home / model.file,
        model_file_sha256=model.file_sha256,
        input_example=dataset[columns].tail(3).reset_index(drop=True),
        pictures={
            "confusion_matrix.png": confusion_matrix_plot(made.confusion, f"{title}: test sessions"),
            "equity.png": equity_plot(
                window_equity(made.test_predictions, bars), f"{title}: test sessions, before costs", strategy.market.currency
            ),
        },
        texts={},
        alias="champion" if passed else "challenger",
    )


def _gate_metrics(model: ModelRef) -> dict[str, float]:
    """The figures of the honest gates that are numbers, and whether each passed, as `gate.<name>.<figure>`."""
    gates = [gate_of(document) for document in model.gates]
    named = {
        f"gate.{gate.name.replace(' ', '_')}.{name}": float(value)
        for gate in gates
        for name, value in {**gate.figures, "bound": gate.bound, "passed": gate.passed}.items()
    }
    return {name: value for name, value in named.items() if math.isfinite(value)}


def _params(day: Day, model: ModelRef) -> dict[str, str]:
    strategy = day.desk.strategy
    described = {
        "estimator": model.estimator,
        **{f"model.{name}": str(value) for name, value in strategy.model.params.items()},
        "scaler": strategy.model.scaler,
        "features": ", ".join(strategy.features.columns),
        "target": f"{strategy.target.name} over {strategy.target.horizon_sessions} session(s)",
        "train_fraction": str(strategy.model.train_fraction),
        "deploy": strategy.model.deploy,
        "cutoff": model.cutoff.isoformat(),
        "train": f"{model.train_first} to {model.train_last}",
        "test": f"{model.test_first} to {model.test_last}",
        "gate.min_test_accuracy": str(strategy.gate.min_test_accuracy),
    }
    return described
