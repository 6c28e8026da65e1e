"""One fit: split, train, score, judge."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.pipeline import Pipeline

from nightdesk.learning.estimator import new_estimator
from nightdesk.learning.predictions import DOWN, UP, predictions_of_many
from nightdesk.learning.split import Split, purged_split
from schemas.features import Features
from schemas.labels import Labels
from schemas.learnt import Gate, Model

KEYS = [Features.session, Features.symbol]
PREDICTED = "predicted"
TRAIN_ACCURACY = "train_accuracy"
Status = Literal["passed", "failed", "degenerate"]
Confusion = tuple[tuple[int, int], tuple[int, int]]


@dataclass(frozen=True)
class Fit:
    """A fit and how it was judged.

    `estimator` is the fitted pipeline to deploy, None where `status` is "degenerate"; it takes a frame of the features in
    their order. `metrics` are fractions and counts of rows (`n_dropped`: rows with a NaN feature; `test_baseline`: always
    saying the training majority); of a degenerate fit the counts alone. `confusion` has a row for what was (down, up) and a
    column for what was said. `test_predictions` has the columns session, symbol, label, predicted; `majority` is what most
    training rows were. The scores are those of
    the tested fit, also where `deployed` is "refit_all".
    """

    estimator: Pipeline | None
    train_first: date | None
    train_last: date | None
    test_first: date | None
    test_last: date | None
    metrics: dict[str, float]
    confusion: Confusion
    test_predictions: pd.DataFrame
    status: Status
    reason: str
    deployed: Literal["as_tested", "refit_all"]
    majority: int = UP


def fit(features: pd.DataFrame, labels: pd.DataFrame, model: Model, gate: Gate) -> Fit:
    """Train on the purged past, score on what follows, judge by the gate. Row order does not matter; NaN rows are dropped.

    Raises
    ------
    Misconfigured
        The strategy names no usable classifier.
    """
    joined = labels.merge(features, on=KEYS).sort_values(KEYS, ignore_index=True)
    return fit_of(joined, feature_names(features), model, gate)


def fit_of(joined: pd.DataFrame, names: list[str], model: Model, gate: Gate, score_train: bool = True) -> Fit:
    """The fit of labels and features that are joined and sorted already, as `fit`; `names` are the features' columns.

    Without `score_train` the metrics have no train_accuracy, and scores that are NaN on training rows alone are not found; all
    else is the same. To predict the rows that it has learnt takes a support vector machine longer than to learn them.
    """
    rows = joined.dropna(subset=names, ignore_index=True)
    split = purged_split(rows, model.train_fraction)
    counts = {"n_train": float(split.train.sum()), "n_test": float(split.test.sum()), "n_dropped": float(len(joined) - len(rows))}
    tested = new_estimator(model)
    reason = _untrainable(rows[split.train], model)
    if reason:
        return _degenerate(split, counts, model, reason)
    x, y = rows[names], rows[Labels.label].to_numpy()
    try:
        tested.fit(x[split.train], y[split.train])
        asked = np.full(len(rows), True) if score_train else split.test
        predicted, scores = _said(tested, x, asked)
        deployed = tested if model.deploy == "as_tested" else new_estimator(model).fit(x, y)
    except ValueError as error:
        return _degenerate(split, counts, model, f"the fit failed: {error}")
    reason = _useless(predicted[split.train | split.test], scores)
    if reason:
        return _degenerate(split, counts, model, reason)
    judged = rows[[*KEYS, Labels.label]].assign(**{PREDICTED: predicted})
    made = _judged(deployed, judged, split, counts, model, gate)
    return (
        made
        if score_train
        else replace(made, metrics={name: made.metrics[name] for name in made.metrics if name != TRAIN_ACCURACY})
    )


def _said(tested: Pipeline, x: pd.DataFrame, asked: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The class of each row, `DOWN` where it was not asked for, and the scores of the others.

    Where the model says the same of all that it was asked, it is asked the rest as well.
    """
    said, scores = predictions_of_many(tested, x[asked])
    if (said == said[0]).all() and not asked.all():
        return _said(tested, x, np.full(len(x), True))
    classes = np.full(len(x), DOWN)
    classes[asked] = said
    return classes, scores


def feature_names(features: pd.DataFrame) -> list[str]:
    """The columns of a Features frame beside its keys, in their order."""
    return [name for name in features.columns if name not in KEYS]


def scored(y: NDArray[np.int64], predicted: NDArray[np.int64], split: Split) -> dict[str, float]:
    """Accuracies of a prediction and of always saying the training majority ("up" in a tie), and shares of "up"."""
    train, test = y[split.train], y[split.test]
    majority = _majority(train)
    return {
        TRAIN_ACCURACY: _share_equal(train, predicted[split.train]),
        "test_accuracy": _share_equal(test, predicted[split.test]),
        "train_baseline": float((train == majority).mean()),
        "test_baseline": float((test == majority).mean()),
        "share_up_test": float(test.mean()),
        "share_predicted_up_test": float(predicted[split.test].mean()),
    }


def _share_equal(was: NDArray[np.int64], said: NDArray[np.int64]) -> float:
    return float((was == said).mean())


def _majority(train: NDArray[np.int64]) -> int:
    return UP if train.mean() >= 0.5 else DOWN


def _judged(deployed: Pipeline, rows: pd.DataFrame, split: Split, counts: dict[str, float], model: Model, gate: Gate) -> Fit:
    """The fit of `rows` (their label and what was said), by the gate."""
    metrics = scored(rows[Labels.label].to_numpy(), rows[PREDICTED].to_numpy(), split) | counts
    test = rows[split.test].reset_index(drop=True)
    confusion = _confusion(test[Labels.label].to_numpy(), test[PREDICTED].to_numpy())
    status, reason = _verdict(metrics["test_accuracy"], gate)
    majority = _majority(rows[split.train][Labels.label].to_numpy())
    return Fit(deployed, *_sessions(split), metrics, confusion, test, status, reason, model.deploy, majority)


def _untrainable(train: pd.DataFrame, model: Model) -> str:
    n_sessions = train[Labels.session].nunique()
    if n_sessions < model.min_train_sessions:
        return f"{n_sessions} training sessions are fewer than {model.min_train_sessions}"
    if train[Labels.label].nunique() < 2:
        return f"the training labels are all {train[Labels.label].iloc[0]}"
    return ""


def _useless(predicted: NDArray[np.int64], scores: NDArray[np.float64]) -> str:
    if np.isnan(scores).any():
        return f"{int(np.isnan(scores).sum())} of {len(scores)} scores are NaN"
    if (predicted == predicted[0]).all():
        return f"the model says {predicted[0]} on every session"
    return ""


def _verdict(test_accuracy: float, gate: Gate) -> tuple[Status, str]:
    passed = test_accuracy > gate.min_test_accuracy
    is_above = "is above" if passed else "is not above"
    return "passed" if passed else "failed", f"test accuracy {test_accuracy:.3f} {is_above} {gate.min_test_accuracy:.3f}"


def _degenerate(split: Split, counts: dict[str, float], model: Model, reason: str) -> Fit:
    nothing = pd.DataFrame({name: [] for name in [*KEYS, Labels.label, PREDICTED]})
    return Fit(None, *_sessions(split), counts, ((0, 0), (0, 0)), nothing, "degenerate", reason, model.deploy)


def _sessions(split: Split) -> tuple[date | None, date | None, date | None, date | None]:
    return split.train_first, split.train_last, split.test_first, split.test_last


def _confusion(was: NDArray[np.int64], said: NDArray[np.int64]) -> Confusion:
    down_down, down_up, up_down, up_up = np.bincount(2 * (was == UP) + (said == UP), minlength=4).tolist()
    return (down_down, down_up), (up_down, up_up)
