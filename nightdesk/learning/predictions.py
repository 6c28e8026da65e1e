"""What a fitted estimator says: classes and scores."""

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.pipeline import Pipeline
from sklearn.svm import SVC, NuSVC
from sklearn.utils import check_array

UP, DOWN = 1, 0
ScoreKind = Literal["margin", "probability", "class"]
MOST_KERNEL_VALUES = 2**22
"""How many values of a kernel are held at once: 32 MB."""
SURE = 1e-12
"""Below this share of the sum of its terms' weights a margin's sign is in doubt; rounding was seen to be 1e-15 of it."""


def predictions(estimator: Any, x: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.float64], ScoreKind]:
    """Class, score and the score's unit, one per row of `x`; a score that is higher says "up" more strongly.

    "margin" is the decision function, "probability" that of class 1, "class" the class itself. The class is `predict`'s own.
    """
    if _class_is_sign(estimator):
        margin = np.asarray(estimator.decision_function(x), dtype="float64")
        return np.where(margin < 0, *estimator.classes_).astype("int64"), margin, "margin"
    said = np.asarray(estimator.predict(x), dtype="int64")
    if hasattr(estimator, "decision_function"):
        return said, np.asarray(estimator.decision_function(x), dtype="float64"), "margin"
    if hasattr(estimator, "predict_proba"):
        column = list(estimator.classes_).index(UP)
        return said, np.asarray(estimator.predict_proba(x)[:, column], dtype="float64"), "probability"
    return said, said.astype("float64"), "class"


def _class_is_sign(estimator: Any) -> bool:
    """Whether `predict` says the first class where the decision function is below 0, and the second elsewhere.

    So does libsvm (`svm_predict_values`) with two classes, by the very sum that is the decision function; to ask it for both
    takes twice as long.
    """
    last = estimator[-1] if isinstance(estimator, Pipeline) else estimator
    return type(last) in (SVC, NuSVC) and len(last.classes_) == 2


def predictions_of_many(estimator: Any, x: pd.DataFrame) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Class and score of many rows, as `predictions`, a radial basis function's several times as fast as libsvm.

    The classes are the same: where a margin is too near 0 to be sure of its sign, the estimator itself is asked. The scores
    differ by rounding, and with how many rows are asked at once: for judging a fit, not for a decision.
    """
    if not (_class_is_sign(estimator) and estimator[-1].kernel == "rbf"):
        said, scores, _ = predictions(estimator, x)
        return said, scores
    machine, scaled = estimator[-1], check_array(estimator[:-1].transform(x) if len(estimator) > 1 else x)
    n_parts = len(x) * len(machine.support_vectors_) // MOST_KERNEL_VALUES + 1
    margin = np.concatenate([_rbf_margins(machine, part) for part in np.array_split(scaled, n_parts)])
    near = np.abs(margin) < SURE * np.abs(machine.dual_coef_).sum()
    if near.any():
        margin[near] = estimator.decision_function(x[near])
    return np.where(margin < 0, *machine.classes_).astype("int64"), margin


def _rbf_margins(machine: SVC | NuSVC, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """The sum over support vectors s of dual_coef * exp(-gamma * |x - s|^2), and the intercept (libsvm, section 4)."""
    kernel = cdist(x, machine.support_vectors_, "sqeuclidean")
    kernel *= -machine._gamma
    np.exp(kernel, out=kernel)
    return np.asarray(kernel @ machine.dual_coef_[0] + machine.intercept_[0], dtype="float64")
