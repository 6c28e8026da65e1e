"""Fits: known answers, the gate, what is degenerate, and which estimators are refused."""

import gzip
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score

import nightdesk.market
from nightdesk.errors import Misconfigured
from nightdesk.learning.estimator import new_estimator
from nightdesk.learning.fit import KEYS, Fit, feature_names, fit, fit_of
from nightdesk.learning.labels import labels
from nightdesk.learning.predictions import predictions
from schemas.bars import Bars
from schemas.features import Features
from schemas.labels import Labels
from schemas.learnt import Gate, Model, Target

BUNDLED = Path(nightdesk.market.__path__[0]) / "data" / "sp500.csv.gz"
SVC = "sklearn.svm.SVC"
LOGISTIC = "sklearn.linear_model.LogisticRegression"


@pytest.fixture(scope="module")
def sp500() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Features and labels of the bundled series: 5,030 labelled rows."""
    with gzip.open(BUNDLED) as file:
        table = pd.read_csv(file)
    keys = {Features.session: pd.to_datetime(table["Date"], format="%m/%d/%Y").astype("datetime64[ns]"), Features.symbol: "^GSPC"}
    features = pd.DataFrame({**keys, "body": table["Open"] - table["Close"], "range": table["High"] - table["Low"]})
    bars = pd.DataFrame({**keys, Bars.open: table["Open"], Bars.close: table["Close"]})
    return features, labels(bars, Target(name="close_up"))


def planted(n: int, noise: float = 0.0, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """`n` sessions whose label is the sign of the first of two features, but for a share of `noise`."""
    random = np.random.default_rng(seed)
    sessions = pd.date_range("2015-01-01", periods=n + 1, freq="D").as_unit("ns")
    signal, other = random.normal(size=(2, n))
    up = (signal > 0) ^ (random.uniform(size=n) < noise)
    keys = {Features.session: sessions[:-1], Features.symbol: "AAA"}
    features = pd.DataFrame({**keys, "signal": signal, "other": other})
    return features, pd.DataFrame({**keys, Labels.label: up.astype("int64"), Labels.label_end: sessions[1:]})


def model(estimator: str = LOGISTIC, **values: object) -> Model:
    return Model.model_validate({"estimator": estimator, "min_train_sessions": 20, **values})


@pytest.mark.parametrize(("scaler", "train", "test"), [("none", 0.5425, 0.5189), ("standard", 0.5440, 0.5328)])
def test_the_seed_gives_the_published_accuracies_on_the_bundled_series(
    sp500: tuple[pd.DataFrame, pd.DataFrame], scaler: str, train: float, test: float
) -> None:
    features, labelled = sp500
    assert len(labelled) == 5030
    unpurged = labelled.assign(**{Labels.label_end: labelled[Labels.session]})
    found = fit(features, unpurged, model(SVC, scaler=scaler), Gate())
    assert (found.metrics["n_train"], found.metrics["n_test"]) == (4024, 1006)
    assert round(found.metrics["train_accuracy"], 4) == train
    assert round(found.metrics["test_accuracy"], 4) == test
    assert round(found.metrics["test_baseline"], 4) == 0.5219


def test_the_purge_takes_one_row_of_the_bundled_series(sp500: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    found = fit(*sp500, model("sklearn.naive_bayes.GaussianNB"), Gate())
    assert (found.metrics["n_train"], found.metrics["n_test"]) == (4023, 1006)
    assert found.train_last is not None and found.test_first is not None
    assert found.train_last.isoformat() == "2014-12-29" and found.test_first.isoformat() == "2014-12-31"


def test_metrics_confusion_and_predictions_tell_one_story() -> None:
    found = fit(*planted(400, noise=0.2), model(), Gate())
    table = found.test_predictions
    (down_down, down_up), (up_down, up_up) = found.confusion
    assert len(table) == found.metrics["n_test"] == down_down + down_up + up_down + up_up == 80
    assert found.metrics["test_accuracy"] == (down_down + up_up) / 80 == accuracy_score(table["label"], table["predicted"])
    assert found.metrics["share_up_test"] == (up_down + up_up) / 80
    assert found.metrics["share_predicted_up_test"] == (down_up + up_up) / 80
    assert found.confusion[0][1] == ((table["label"] == 0) & (table["predicted"] == 1)).sum()
    assert 0.7 < found.metrics["test_accuracy"] < 0.9


def test_the_gate_passes_only_above_its_bound() -> None:
    frames = planted(100)
    perfect = fit(*frames, model("sklearn.tree.DecisionTreeClassifier"), Gate(min_test_accuracy=0.999))
    assert (perfect.status, perfect.reason) == ("passed", "test accuracy 1.000 is above 0.999")
    equal = fit(*frames, model("sklearn.tree.DecisionTreeClassifier"), Gate(min_test_accuracy=1.0))
    assert (equal.status, equal.reason) == ("failed", "test accuracy 1.000 is not above 1.000")
    assert equal.estimator is not None


def test_rows_with_a_nan_feature_are_dropped_and_counted() -> None:
    features, labelled = planted(100)
    features.loc[:9, "other"] = np.nan
    found = fit(features, labelled, model(), Gate())
    assert (found.metrics["n_dropped"], found.metrics["n_train"], found.metrics["n_test"]) == (10, 71, 18)
    assert found.train_first is not None and found.train_first.isoformat() == "2015-01-11"


def test_the_order_of_rows_does_not_change_the_fit() -> None:
    features, labelled = planted(200, noise=0.3)
    order = np.random.default_rng(1).permutation(200)
    shuffled = fit(features.iloc[order], labelled.iloc[order[::-1]], model("sklearn.ensemble.RandomForestClassifier"), Gate())
    straight = fit(features, labelled, model("sklearn.ensemble.RandomForestClassifier"), Gate())
    assert shuffled.metrics == straight.metrics
    pd.testing.assert_frame_equal(shuffled.test_predictions, straight.test_predictions)


def test_what_comes_after_the_cut_does_not_reach_the_tested_fit() -> None:
    features, labelled = planted(200, noise=0.2)
    changed = labelled.copy()
    changed.loc[159:, Labels.label] = 1 - changed.loc[159:, Labels.label]  # row 159 is purged, the test starts at 160
    features_later = features.copy()
    features_later.loc[159:, "signal"] *= 1000
    before, after = fit(features, labelled, model(), Gate()), fit(features_later, changed, model(), Gate())
    assert learned(before) == learned(after)


def learned(found: Fit) -> tuple[list[float], list[float]]:
    assert found.estimator is not None
    return found.estimator["model"].coef_.ravel().tolist(), found.estimator["scale"].mean_.tolist()


def test_refit_all_deploys_another_fit_but_scores_the_tested_one() -> None:
    frames = planted(200, noise=0.2)
    tested, refitted = fit(*frames, model(), Gate()), fit(*frames, model(deploy="refit_all"), Gate())
    assert (tested.deployed, refitted.deployed) == ("as_tested", "refit_all")
    assert tested.metrics == refitted.metrics
    assert refitted.estimator is not None and refitted.estimator["scale"].n_samples_seen_ == 200
    assert tested.estimator is not None and tested.estimator["scale"].n_samples_seen_ == 159


@pytest.mark.parametrize(
    ("change", "settings", "reason"),
    [
        ({}, {"min_train_sessions": 160}, "159 training sessions are fewer than 160"),
        ({Labels.label: 1}, {}, "the training labels are all 1"),
        ({}, {"estimator": "sklearn.dummy.DummyClassifier"}, "the model says 1 on every session"),
        ({"signal": np.inf}, {}, "the fit failed: Input X contains infinity"),
    ],
)
def test_a_degenerate_fit_has_no_estimator_and_says_why(
    change: dict[str, float], settings: dict[str, object], reason: str
) -> None:
    features, labelled = planted(200, seed=6)
    if Labels.label in change:
        labelled = labelled.assign(**change)
    else:
        features = features.assign(**change)
    found = fit(features, labelled, model(**settings), Gate())
    assert (found.estimator, found.status) == (None, "degenerate")
    assert found.reason.startswith(reason)
    assert found.metrics["n_test"] == 40


@pytest.mark.filterwarnings("ignore:.*(overflow|invalid|divide).*:RuntimeWarning")
def test_scores_that_are_nan_are_degenerate() -> None:
    features, labelled = planted(200)
    far = features.assign(signal=features["signal"] * 1e200)
    found = fit(far, labelled, model("sklearn.naive_bayes.GaussianNB", scaler="none"), Gate())
    assert (found.estimator, found.status, found.reason) == (None, "degenerate", "200 of 200 scores are NaN")


def test_no_usable_row_is_degenerate_too() -> None:
    features, labelled = planted(50)
    found = fit(features.assign(other=np.nan), labelled, model(), Gate())
    assert (found.status, found.test_first) == ("degenerate", None)


@pytest.mark.parametrize(
    ("estimator", "kind"),
    [
        (SVC, "margin"),
        ("sklearn.ensemble.RandomForestClassifier", "probability"),
        ("sklearn.naive_bayes.GaussianNB", "probability"),
    ],
)
def test_a_higher_score_means_up(estimator: str, kind: str) -> None:
    features, labelled = planted(200)
    found = fit(features, labelled, model(estimator), Gate())
    x = features[feature_names(features)]
    said, scores, score_kind = predictions(found.estimator, x)
    assert score_kind == kind
    assert (said == (scores > (0.5 if kind == "probability" else 0.0))).all()
    assert scores[x["signal"] > 1].mean() > scores[x["signal"] < -1].mean()


def test_a_pipeline_refuses_features_in_another_order() -> None:
    found = fit(*planted(200), model(), Gate())
    with pytest.raises(ValueError, match="feature names"):
        predictions(found.estimator, pd.DataFrame({"other": [0.0], "signal": [1.0]}))


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        ({"estimator": "sklearn.svm.SVX"}, "model.estimator was 'sklearn.svm.SVX', allowed: the import path of a classifier"),
        ({"estimator": "sklearn.nowhere.SVC"}, "model.estimator was 'sklearn.nowhere.SVC', allowed: the import path"),
        ({"estimator": "sklearn.svm.SVR"}, "model.estimator was 'sklearn.svm.SVR', allowed: classifiers only"),
        ({"estimator": "sklearn.ensemble.VotingClassifier"}, "allowed: classifiers without required objects"),
        ({"estimator": SVC, "params": {"gama": 1}}, "model.params.gama was 1, allowed: one of C, break_ties, cache_size"),
        ({"estimator": SVC, "params": {"C": -1.0}}, "model.params.C was -1.0, allowed: a float in the range (0.0, inf]"),
        ({"estimator": SVC, "params": {"kernel": "rfb"}}, "model.params.kernel was 'rfb', allowed: a str among"),
    ],
)
def test_an_estimator_that_can_not_be_is_refused_by_name(settings: dict[str, object], sentence: str) -> None:
    with pytest.raises(Misconfigured) as refused:
        new_estimator(model(**settings))
    assert sentence in refused.value.message


def test_nothing_outside_the_allowed_packages_is_imported() -> None:
    smuggled = Model.model_construct(estimator="subprocess.Popen", params={}, scaler="none")
    with pytest.raises(Misconfigured, match="from sklearn"):
        new_estimator(smuggled)


def test_random_state_is_zero_unless_the_strategy_names_one() -> None:
    forest = "sklearn.ensemble.RandomForestClassifier"
    assert new_estimator(model(forest))["model"].random_state == 0
    assert new_estimator(model(forest, params={"random_state": 7}))["model"].random_state == 7


@pytest.mark.parametrize(
    ("scaler", "steps"),
    [
        ("none", ["LogisticRegression"]),
        ("standard", ["StandardScaler", "LogisticRegression"]),
        ("robust", ["RobustScaler", "LogisticRegression"]),
    ],
)
def test_the_scaler_is_a_step_before_the_model(scaler: str, steps: list[str]) -> None:
    assert [type(step).__name__ for _, step in new_estimator(model(scaler=scaler)).steps] == steps


def with_and_without_train_score(features: pd.DataFrame, labelled: pd.DataFrame) -> list[Fit]:
    joined, names = labelled.merge(features, on=KEYS), feature_names(features)
    return [fit_of(joined, names, model(), Gate(), score_train) for score_train in (True, False)]


@pytest.mark.parametrize("noise", [0.0, 0.3])
def test_a_fit_that_is_not_asked_about_its_training_rows_differs_in_that_figure_alone(noise: float) -> None:
    asked, other = with_and_without_train_score(*planted(200, noise))
    assert asked.metrics.pop("train_accuracy") > 0.5
    assert (other.status, other.reason, other.metrics, other.confusion) == (
        asked.status,
        asked.reason,
        asked.metrics,
        asked.confusion,
    )
    pd.testing.assert_frame_equal(other.test_predictions, asked.test_predictions)


@pytest.mark.parametrize("trained", ["alike", "otherwise"])
def test_one_answer_on_every_test_row_is_degenerate_only_where_the_training_rows_have_it_too(trained: str) -> None:
    features, labelled = planted(200)
    features.loc[160:, "signal"] = 3.0  # all test rows on one side
    features.loc[:159, "signal"] += 0.0 if trained == "otherwise" else 100.0
    labelled.loc[160:, Labels.label] = 1
    labelled.loc[:159, Labels.label] = 1 if trained == "alike" else labelled[Labels.label]
    labelled.loc[0, Labels.label] = 0
    asked, other = with_and_without_train_score(features, labelled)
    assert other.status == asked.status == ("degenerate" if trained == "alike" else "passed")
    assert other.reason == asked.reason
