"""From a strategy's model section to an unfitted pipeline."""

import importlib
import inspect
import re
from typing import Any

from sklearn.base import BaseEstimator, is_classifier
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import RobustScaler, StandardScaler
from sklearn.utils._param_validation import InvalidParameterError

from nightdesk.errors import Misconfigured
from schemas.learnt import ESTIMATOR_PACKAGES, Model

SCALERS: dict[str, type[Any]] = {"standard": StandardScaler, "robust": RobustScaler}
RANDOM_STATE = 0


def new_estimator(model: Model) -> Pipeline:
    """An unfitted pipeline: step "scale" where the strategy names a scaler, then step "model".

    `random_state` is 0 where the estimator has one and the strategy names none.

    Raises
    ------
    Misconfigured
        The path names no classifier of the allowed packages, or a parameter is unknown or out of its range.
    """
    scale = [("scale", SCALERS[model.scaler]())] if model.scaler != "none" else []
    return Pipeline([*scale, ("model", _classifier(model.estimator, dict(model.params)))])


def _classifier(path: str, params: dict[str, Any]) -> BaseEstimator:
    kind = _class_at(path)
    allowed = sorted(inspect.signature(kind).parameters)
    for name in params:
        if name not in allowed:
            raise Misconfigured.value(f"model.params.{name}", params[name], f"one of {', '.join(allowed)} for {path}")
    if "random_state" in allowed:
        params = {"random_state": RANDOM_STATE} | params
    try:
        estimator = kind(**params)
        estimator._validate_params()
    except InvalidParameterError as error:
        raise _out_of_range(str(error), params) from None
    except TypeError as error:  # it needs an object, as VotingClassifier its estimators
        raise Misconfigured.value("model.estimator", path, f"classifiers without required objects ({error})") from None
    if not is_classifier(estimator):
        raise Misconfigured.value("model.estimator", path, "classifiers only")
    return estimator


def _class_at(path: str) -> type[BaseEstimator]:
    module, _, name = path.rpartition(".")
    allowed = f"the import path of a classifier from {', '.join(ESTIMATOR_PACKAGES)}"
    if module.split(".")[0] not in ESTIMATOR_PACKAGES:
        raise Misconfigured.value("model.estimator", path, allowed)
    try:
        found = getattr(importlib.import_module(module), name, None)
    except ImportError:
        found = None
    if not (isinstance(found, type) and issubclass(found, BaseEstimator)):
        raise Misconfigured.value("model.estimator", path, allowed)
    return found


def _out_of_range(sentence: str, params: dict[str, Any]) -> Misconfigured:
    """scikit-learn's own sentence about a parameter, in ours."""
    match = re.match(r"The '(\w+)' parameter of \w+ must be (.*)\. Got .* instead\.$", sentence, re.DOTALL)
    if match is None:
        return Misconfigured(f"model.params: {sentence}", params=params)
    name, allowed = match.groups()
    return Misconfigured.value(f"model.params.{name}", params.get(name), allowed)
