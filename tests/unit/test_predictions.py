"""What a fitted estimator says: classes, scores, and the quicker way for many rows."""

import numpy as np
import pandas as pd
import pytest
from sklearn import svm
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

from nightdesk.learning import predictions as room
from nightdesk.learning.predictions import predictions, predictions_of_many


@pytest.mark.parametrize(
    "machine",
    [svm.SVC(), svm.SVC(kernel="linear"), svm.SVC(kernel="poly"), svm.SVC(class_weight="balanced"), svm.NuSVC(nu=0.3)],
    ids=["rbf", "linear", "poly", "balanced", "nu"],
)
def test_a_support_vector_machine_says_by_its_score_what_it_predicts(machine: svm.SVC) -> None:
    draw = np.random.default_rng(1)
    x = pd.DataFrame(draw.normal(size=(300, 2)), columns=["a", "b"])
    trained = Pipeline([("scale", StandardScaler()), ("model", machine)]).fit(
        x, (x["a"] + draw.normal(size=300) > 0).astype("int64")
    )
    asked = pd.DataFrame(draw.normal(size=(2_000, 2)), columns=["a", "b"])
    said, scores, kind = predictions(trained, asked)
    assert kind == "margin"
    assert (said == trained.predict(asked)).all() and set(said) == {0, 1}
    assert (scores == trained.decision_function(asked)).all()


def test_a_support_vector_machine_says_up_where_its_score_is_exactly_zero() -> None:
    trained = svm.SVC(kernel="linear").fit(pd.DataFrame({"a": [-1.0, 1.0]}), [0, 1])
    between = pd.DataFrame({"a": [0.0]})
    said, scores, _ = predictions(trained, between)
    assert scores.tolist() == [0.0]
    assert said.tolist() == trained.predict(between).tolist() == [1]


def test_an_estimator_without_scores_gives_its_class() -> None:
    class Coin:
        def predict(self, x: pd.DataFrame) -> list[int]:
            return [1, 0]

    said, scores, kind = predictions(Coin(), pd.DataFrame({"a": [1.0, 2.0]}))
    assert (said.tolist(), scores.tolist(), kind) == ([1, 0], [1.0, 0.0], "class")


def noise(n: int, seed: int) -> tuple[pd.DataFrame, pd.Series]:
    draw = np.random.default_rng(seed)
    x = pd.DataFrame(draw.normal(50.0, 5.0, size=(n, 3)), columns=["a", "b", "c"])
    return x, (x["a"] + draw.normal(0.0, 10.0, size=n) > 50.0).astype("int64")


@pytest.mark.parametrize(
    "steps",
    [
        [("scale", StandardScaler()), ("model", svm.SVC())],
        [("model", svm.SVC(C=100.0, gamma=0.5, class_weight="balanced"))],
        [("scale", StandardScaler()), ("model", svm.NuSVC(nu=0.4, gamma="auto"))],
        [("scale", StandardScaler()), ("model", svm.SVC(kernel="poly"))],
        [("scale", StandardScaler()), ("model", LogisticRegression())],
    ],
    ids=["scaled", "plain", "nu", "poly", "logistic"],
)
def test_of_many_rows_the_classes_are_the_estimators_and_the_scores_too_but_for_rounding(
    steps: list[tuple[str, object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MOST_KERNEL_VALUES", 40_000)  # several parts
    trained = Pipeline(steps).fit(*noise(400, seed=1))
    asked, _ = noise(500, seed=2)
    said, scores = predictions_of_many(trained, asked)
    assert (said == trained.predict(asked)).all() and set(said) == {0, 1}
    np.testing.assert_allclose(scores, trained.decision_function(asked), rtol=0, atol=1e-9)


def test_of_many_rows_one_exactly_between_the_classes_is_what_the_estimator_says_it_is() -> None:
    x = pd.DataFrame({"a": [-1.0, 1.0, -2.0, 2.0]})
    trained = Pipeline([("model", svm.SVC(gamma=0.3))]).fit(x, [0, 1, 0, 1])
    asked = pd.DataFrame({"a": np.r_[np.linspace(-1e-13, 1e-13, 401), 0.0]})
    said, scores = predictions_of_many(trained, asked)
    assert (said == trained.predict(asked)).all() and set(said) == {0, 1}
    assert (scores == trained.decision_function(asked)).all(), "each of them was in doubt, and asked"


def test_of_many_rows_one_without_end_is_refused_as_the_estimator_refuses_it() -> None:
    trained = Pipeline([("model", svm.SVC())]).fit(*noise(100, seed=3))
    asked, _ = noise(5, seed=4)
    asked.iloc[2, 1] = np.inf
    for ask in (trained.predict, lambda x: predictions_of_many(trained, x)):
        with pytest.raises(ValueError, match="infinity"):
            ask(asked)
