"""A model's identity: equal for equal fits anywhere, different when anything learned differs."""

import copy
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.ensemble import AdaBoostClassifier, HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.naive_bayes import GaussianNB
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from sklearn.svm import SVC
from sklearn.tree import DecisionTreeClassifier

from nightdesk.errors import Misconfigured
from nightdesk.learning.digest import model_sha256
from nightdesk.learning.model_file import load_model, save_model

ESTIMATORS: dict[str, Callable[[], Any]] = {
    "svc": SVC,
    "logistic": LogisticRegression,
    "forest": lambda: RandomForestClassifier(n_estimators=5, random_state=0),
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=5, random_state=0),
    "neighbours": KNeighborsClassifier,
    "bayes": GaussianNB,
    "network": lambda: MLPClassifier((3,), solver="lbfgs", alpha=1.0, max_iter=500, tol=1e-2, random_state=0),
    "tree": lambda: DecisionTreeClassifier(random_state=0),
    "ada": lambda: AdaBoostClassifier(n_estimators=5, random_state=0),
}


def made_data() -> tuple[pd.DataFrame, np.ndarray]:
    random = np.random.default_rng(0)
    x = pd.DataFrame(random.normal(size=(120, 2)), columns=["a", "b"])
    return x, (x["a"] + random.normal(size=120) > 0).astype(int).to_numpy()


def fitted(name: str) -> Any:
    return make_pipeline(StandardScaler(), ESTIMATORS[name]()).fit(*made_data())


def test_another_process_with_another_hash_seed_finds_the_same_identities() -> None:
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    child = subprocess.run(
        [sys.executable, __file__], capture_output=True, text=True, check=True, env=os.environ | {"PYTHONHASHSEED": seed}
    )
    assert json.loads(child.stdout) == {name: model_sha256(fitted(name)) for name in ESTIMATORS}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_predicting_saving_and_loading_leave_the_identity_alone(name: str, tmp_path: Path) -> None:
    estimator = fitted(name)
    before = model_sha256(estimator)
    estimator.predict(made_data()[0])
    assert model_sha256(estimator) == before
    assert model_sha256(load_model(*save_model(estimator, tmp_path))) == before


def test_estimators_differ_from_one_another_and_from_themselves_unfitted() -> None:
    identities = [model_sha256(fitted(name)) for name in ESTIMATORS] + [model_sha256(make()) for make in ESTIMATORS.values()]
    assert len(set(identities)) == len(identities)


def nudge_margin(pipeline: Any) -> None:
    values = pipeline[-1]._dual_coef_
    values[0, 0] = np.nextafter(values[0, 0], 9)


def nudge_threshold(pipeline: Any) -> None:
    tree = pipeline[-1].tree_
    state = tree.__getstate__()
    state["nodes"]["threshold"][0] = np.nextafter(state["nodes"]["threshold"][0], 9)
    tree.__setstate__(state)


def nudge_leaf(pipeline: Any) -> None:
    nodes = pipeline[-1]._predictors[0][0].nodes
    nodes["value"][-1] = np.nextafter(nodes["value"][-1], 9)


def nudge_weight(pipeline: Any) -> None:
    pipeline[-1].coefs_[0][0, 0] += 1e-12


def nudge_mean(pipeline: Any) -> None:
    pipeline[0].mean_[1] += 1e-12


def nudge_neighbour(pipeline: Any) -> None:
    pipeline[-1]._fit_X[3, 0] += 1e-12


NUDGES = [
    ("svc", nudge_margin),
    ("tree", nudge_threshold),
    ("boosting", nudge_leaf),
    ("network", nudge_weight),
    ("bayes", nudge_mean),
    ("neighbours", nudge_neighbour),
]


@pytest.mark.parametrize(("name", "nudge"), NUDGES)
def test_one_learned_number_changes_the_identity(name: str, nudge: Callable[[Any], None]) -> None:
    estimator = fitted(name)
    before = model_sha256(estimator)
    nudge(estimator)
    assert model_sha256(estimator) != before


def test_a_parameter_changes_the_identity() -> None:
    assert model_sha256(SVC(C=1.0)) != model_sha256(SVC(C=2.0))
    assert model_sha256(SVC(C=1)) != model_sha256(SVC(C=True))


def test_the_order_in_which_attributes_were_set_does_not_count() -> None:
    one, other = GaussianNB(), GaussianNB()
    one.theta_, one.var_ = 1.0, {"a": 1, "b": 2}
    other.var_, other.theta_ = {"b": 2, "a": 1}, 1.0
    assert list(vars(one)) != list(vars(other)) and model_sha256(one) == model_sha256(other)


def test_padding_and_memory_order_do_not_count() -> None:
    padded = np.dtype({"names": ["flag", "value"], "formats": ["u1", "f8"], "offsets": [0, 8], "itemsize": 16})
    clean, dirty = np.zeros(3, padded), np.frombuffer(bytearray(b"\xff" * 48), padded).copy()
    dirty["flag"], dirty["value"] = 0, 0.0
    holders = [DecisionTreeClassifier(), DecisionTreeClassifier()]
    holders[0].nodes_, holders[1].nodes_ = clean, dirty
    assert clean.tobytes() != dirty.tobytes() and model_sha256(holders[0]) == model_sha256(holders[1])
    table = np.arange(6.0).reshape(2, 3)
    variants = [table, np.asfortranarray(table), table.astype(">f8")]
    found = set()
    for variant in variants:
        holder = GaussianNB()
        holder.theta_ = variant
        found.add(model_sha256(holder))
    assert len(found) == 1


@pytest.mark.parametrize("held", [object(), lambda row: row, Path("x"), {1, 2}])
def test_an_object_of_unknown_state_is_refused_by_its_type(held: object) -> None:
    with pytest.raises(Misconfigured, match="may not be canonical") as refused:
        model_sha256(FunctionTransformer(func=held))
    assert type(held).__qualname__ in refused.value.message


def test_a_deep_copy_has_the_same_identity() -> None:
    estimator = fitted("forest")
    assert model_sha256(copy.deepcopy(estimator)) == model_sha256(estimator)


if __name__ == "__main__":
    print(json.dumps({name: model_sha256(fitted(name)) for name in ESTIMATORS}))
