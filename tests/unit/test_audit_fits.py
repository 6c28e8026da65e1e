"""Labels, fits, signals and fills that use what is not known yet are found and named, honest ones are not."""

from dataclasses import replace
from datetime import date

import pandas as pd
import pytest
from sklearn.neighbors import KNeighborsClassifier

from nightdesk.audit.audited import Audited
from nightdesk.audit.report import audit
from nightdesk.errors import Misconfigured
from schemas.bars import Bars
from tests.auditing import HONEST, found, known_labels, split_fit, two_symbols

BARS = two_symbols(280)


def scores(features: pd.DataFrame, estimator: object, session: date) -> pd.DataFrame:
    rows = features[features["session"] == pd.Timestamp(session)].dropna()
    if rows.empty:
        return pd.DataFrame({"symbol": pd.Series(dtype=str), "weight": pd.Series(dtype=float)})
    weights = estimator.predict(rows[["range_", "momentum"]])  # type: ignore[attr-defined]  # any classifier of scikit-learn
    return pd.DataFrame({"symbol": rows["symbol"].to_numpy(), "weight": weights.astype(float)})


def opens_of_the_next(bars: pd.DataFrame, session: date) -> pd.DataFrame:
    later = bars[bars[Bars.session] > pd.Timestamp(session)]
    rows = later[later[Bars.session] == later[Bars.session].min()]
    return pd.DataFrame({"session": rows[Bars.session], "instrument": rows[Bars.symbol], "price": rows[Bars.open] * 1.0001})


CLEAN = Audited(name="planted", features=HONEST, labels=known_labels(1), fit=split_fit(), signal=scores, fills=opens_of_the_next)


def test_honest_steps_are_clean_and_none_is_left_out() -> None:
    made = audit(CLEAN, BARS, 3)
    assert {one.check: one.result for one in made.checks if one.result != "OK"} == {}
    assert all(one.tried for one in made.checks)


def test_labels_of_five_sessions_with_a_purge_of_five_are_clean() -> None:
    assert found(audit(replace(CLEAN, labels=known_labels(5), fit=split_fit(purge=5)), BARS, 3)) == {}


def test_labels_of_five_sessions_with_a_purge_of_one_are_found_in_the_fit() -> None:
    made = audit(replace(CLEAN, labels=known_labels(5)), BARS, 3)
    assert set(found(made)) == {"fit on train only"}
    assert "purges too little" in made.leaks[0].meaning


def test_labels_of_five_sessions_that_say_they_end_after_one_are_found() -> None:
    made = audit(replace(CLEAN, labels=known_labels(5, said=1)), BARS, 3)
    assert "label" in found(made)["training labels"]
    assert "ends later than its label_end says" in made.leaks[0].meaning


def test_a_label_that_is_used_before_it_ends_is_found() -> None:
    made = audit(replace(CLEAN, labels=known_labels(1, early=1)), BARS, 3)
    assert found(made)["label horizon"] == {"label_end"}


def test_a_label_that_ends_with_its_own_session_is_found() -> None:
    made = audit(replace(CLEAN, labels=known_labels(1, said=0)), BARS, 3)
    assert "label_end of the past" in found(made)["label horizon"]


def test_a_scaler_fitted_on_all_labelled_rows_is_named_with_what_it_learned() -> None:
    made = audit(replace(CLEAN, fit=split_fit(scaled_on="labelled")), BARS, 3)
    assert found(made) == {"fit on train only": {"scale (StandardScaler).mean_"}}
    assert made.leaks[0].was != made.leaks[0].now and "fitted on everything" in made.leaks[0].meaning


def test_a_scaler_fitted_on_every_bar_there_is_depends_on_later_sessions() -> None:
    made = audit(replace(CLEAN, fit=split_fit(scaled_on="everything")), BARS, 3)
    assert found(made)["model"] == {"scale (StandardScaler).mean_"}


def test_a_model_that_was_fitted_on_its_test_is_found_by_two_checks() -> None:
    fit = split_fit(fitted_on="labelled", model=lambda: KNeighborsClassifier(1))
    made = audit(replace(CLEAN, fit=fit), BARS, 3)
    assert found(made)["shuffled labels"] == {"test accuracy"}
    assert "fit on train only" in found(made)


def test_a_weight_that_is_ranked_over_all_sessions_is_found() -> None:
    def ranked(features: pd.DataFrame, estimator: object, session: date) -> pd.DataFrame:
        made = features.assign(weight=features["momentum"].rank(pct=True))
        return made[made["session"] == pd.Timestamp(session)][["symbol", "weight"]]

    assert found(audit(replace(CLEAN, signal=ranked), BARS, 3)) == {"signal": {"weight"}}


def test_a_rule_without_a_model_is_audited_as_well() -> None:
    def rule(features: pd.DataFrame, estimator: object, session: date) -> pd.DataFrame:
        rows = features[features["session"] == pd.Timestamp(session)]
        return pd.DataFrame({"symbol": rows["symbol"], "weight": (rows["momentum"] > 0) / 2.0})

    made = audit(Audited(name="rule", features=HONEST, signal=rule), BARS, 3)
    results = {one.check: one.result for one in made.checks}
    assert results["signal"] == "OK" and results["model"] == results["training labels"] == "left out"
    assert all(one.left_out for one in made.checks if one.result == "left out")


@pytest.mark.parametrize("kind", ["same session", "close under a later date"])
def test_a_fill_at_the_close_that_decided_it_is_found(kind: str) -> None:
    def fills(bars: pd.DataFrame, session: date) -> pd.DataFrame:
        rows = bars[bars[Bars.session] == pd.Timestamp(session)]
        made = pd.DataFrame({"session": rows[Bars.session], "instrument": rows[Bars.symbol], "price": rows[Bars.close]})
        return made if kind == "same session" else made.assign(session=made["session"] + pd.Timedelta(days=1))

    what = "session" if kind == "same session" else "price"
    assert found(audit(replace(CLEAN, fills=fills), BARS, 3)) == {"execution lag": {what}}


def test_a_history_too_short_for_a_fit_is_left_out_and_says_why() -> None:
    def unusable(features: pd.DataFrame, labels: pd.DataFrame) -> object:
        made = split_fit()(features, labels)
        return replace(made, estimator=None, reason="too few sessions", test_predictions=made.test_predictions[:0])

    made = audit(replace(CLEAN, fit=unusable), BARS, 3)  # type: ignore[arg-type]  # a fit without a model, as the protocol allows
    left_out = {one.check: one.left_out for one in made.checks if one.result == "left out"}
    assert set(left_out) == {"model", "fit on train only", "shuffled labels", "signal"}
    assert all("too few sessions" in why for why in left_out.values())


@pytest.mark.parametrize("count", [0, -3, 280])
def test_a_number_of_sessions_that_there_are_not_is_refused(count: int) -> None:
    with pytest.raises(Misconfigured, match=f"sessions was {count}, allowed: 1 to 279"):
        audit(CLEAN, BARS, count)
