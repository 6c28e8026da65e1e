"""What a trial earns, by hand: long, short and out, after costs, in the folds that were judged."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nightdesk.backtest.fits import FitCache, FitFacts, Made
from nightdesk.backtest.rows import Rows
from nightdesk.learning.cross_validation import Fold
from nightdesk.search.folds import Judged, fold_fits, fold_majorities, judged
from nightdesk.search.ground import Ground
from nightdesk.search.study import step_scores
from nightdesk.search.trials import Draw, DrawFacts, State, trials_of
from schemas.search import Search
from schemas.strategy import Strategy
from tests.strategy_documents import seed, with_key

SESSIONS = pd.bdate_range("2018-01-02", periods=6)
ROWS = SESSIONS.to_numpy().astype("datetime64[D]")
OPENS = [100.0, 100.0, 90.0, 99.0, 110.0, 120.0]
CLOSES = [100.0, 90.0, 99.0, 110.0, 120.0, 132.0]
SAID = [-1.0, 0.1, 1.0, 0.1, -1.0, 1.0]
"""Scores: at 0.5 they mean short, out, long, out, short, long."""
HALVED = [1.0] * 4 + [2.0, 1.0]
FREE = {"commission_bps": 0.0, "slippage_bps": 0.0}


def a_strategy(kind: str = "long_short", costs: dict[str, float] = FREE) -> Strategy:
    document = with_key(with_key(seed(), "limits.allow_short", True), "signal.kind", kind)
    document |= {"capital": 1000, "sizing": {"buffer": 0.0, "rebalance_band": 0.0, "increment": 0.001}, "costs": costs}
    return Strategy.model_validate(document)


def a_ground(**prices: list[float]) -> Ground:
    """Six sessions in two folds, a row each."""
    rows = Rows(("x",), ROWS, np.array(["^GSPC"] * 6), np.zeros((6, 1)), np.array([0, 1, 1, 0, 1, 0]), ROWS)
    parts = np.array([0, 1, 2]), np.array([3, 4, 5])
    folds = tuple(Fold(parts[1 - number], (parts[number],), (number,), (0,)) for number in range(2))
    known = {"opens": OPENS, "closes": CLOSES, "dividends": [0.0] * 6, "splits": [1.0] * 6, "volumes": [1e9] * 6, **prices}
    panels = {name: np.array(values)[:, None] for name, values in known.items()}
    return Ground(rows, folds, pd.DatetimeIndex(SESSIONS), np.array([0, 0, 0, 1, 1, 1]), panels, np.zeros(6), "")


def fits_of(scores: list[float], kind: str = "margin") -> list[Made]:
    facts = FitFacts("passed", "", {}, "", "", "", "", 1, kind)
    halves = np.array(scores[:3]), np.array(scores[3:])
    return [Made(facts, ROWS[:3], np.array([]), np.zeros((3, 1)), (half > 0).astype("int64"), half) for half in halves]


def judged_at(threshold: float | None, scores: list[float] = SAID, kind: str = "long_short", **also: Any) -> Judged:
    ground, costs = a_ground(**also.get("prices", {})), also.get("costs", FREE)
    fits = fits_of(scores, also.get("score_kind", "margin"))[: also.get("fits", 2)]
    return judged(a_strategy(kind, costs), ground, fits, (threshold,))


def test_a_search_for_long_and_short_earns_on_both_sides() -> None:
    """1,000: 10 sold short at 100, bought back at 90; 11.11 bought at 99, sold at 110; 10.19 sold short at 120, which rises."""
    found = judged_at(0.5)
    np.testing.assert_allclose(found.returns[0], [0, 0.1, 0, 1 / 9, 0, -0.1], atol=1e-4)
    np.testing.assert_array_equal(found.up[0], [0, 0, 1, 0, 0, 1])


SIGNS = [0, 0.1, 0, 1 / 9, 1 / 11, 0]
"""Without a threshold 0.1 is up: the short is closed at 90, long from 99 to 120, closed there; what turns waits a session."""


@pytest.mark.parametrize(
    ("threshold", "also", "returns"),
    [
        (0.5, {"kind": "long_flat"}, [0, 0, 0, 1 / 9, 0, 0]),
        (None, {}, SIGNS),
        (None, {"scores": [0.4, 0.6, 0.6, 0.6, 0.4, 0.6], "score_kind": "probability"}, SIGNS),
        (0.7, {"scores": [0.2, 0.5, 0.8, 0.5, 0.2, 0.5], "score_kind": "probability"}, [0, 0.1, 0, 1 / 9, 0, -0.1]),
        (0.5, {"fits": 1}, [0, 0.1, 0, np.nan, np.nan, np.nan]),
        (0.5, {"costs": {**FREE, "commission_bps": 100.0}}, [0, 0.09, -9 / 1090]),
        (0.5, {"costs": {**FREE, "max_bar_volume_share": 0.1}, "prices": {"volumes": [50.0] * 6}}, [0, 0.05]),
        (0.5, {"prices": {"dividends": [0.0] * 4 + [11.0, 0.0]}}, [0, 0.1, 0, 1 / 9, 0.1, -0.1]),
        (None, {"prices": {"opens": [*OPENS[:4], 55.0, 60.0], "closes": [*CLOSES[:4], 60.0, 66.0], "splits": HALVED}}, SIGNS),
    ],
)
def test_what_a_trial_earns_follows_threshold_costs_dividends_splits_and_volumes(
    threshold: float | None, also: dict[str, Any], returns: list[float]
) -> None:
    found = judged_at(threshold, **also).returns[0]
    np.testing.assert_allclose(found[: len(returns)], returns, atol=2e-4)


def test_what_is_right_is_counted_fold_by_fold_at_the_threshold() -> None:
    """The labels are 0, 1, 1 and 0, 1, 0."""
    assert judged_at(0.5).accuracy[0].tolist() == pytest.approx([2 / 3, 1 / 3])
    assert judged_at(None).accuracy[0].tolist() == [1, 0]
    one_fold = judged_at(None, fits=1)
    assert one_fold.accuracy[0, 0] == 1 and np.isnan(one_fold.accuracy[0, 1]) and np.isnan(one_fold.up[0, 3:]).all()


def test_the_majority_of_a_row_is_that_of_the_labels_which_its_fold_trained_on() -> None:
    """Fold 0 trains on 0, 1, 0 and fold 1 on 0, 1, 1; in a tie it is up."""
    ground = a_ground()
    assert fold_majorities(ground).tolist() == [0, 0, 0, 1, 1, 1]
    even = replace(ground.folds[0], train=np.array([3, 4]))
    assert fold_majorities(replace(ground, folds=(even, ground.folds[1]))).tolist() == [1] * 6


@pytest.mark.parametrize(
    ("estimator", "kind", "boundary"),
    [("sklearn.linear_model.LogisticRegression", "margin", 0.0), ("sklearn.naive_bayes.GaussianNB", "probability", 0.5)],
)
def test_the_scores_of_a_fold_are_those_for_up_and_are_kept(tmp_path: Path, estimator: str, kind: str, boundary: float) -> None:
    """The one feature is the label."""
    document = with_key(with_key(seed(), "features.columns", ["x"]), "model.estimator", estimator)
    strategy, ground = Strategy.model_validate(document), a_ground()
    ground = replace(ground, rows=replace(ground.rows, x=ground.rows.label[:, None].astype(float)))
    made = list(fold_fits(strategy, ground, FitCache(tmp_path), 2, 1))
    for number, fit in enumerate(made):
        assert (fit.facts.status, fit.facts.score_kind) == ("passed", kind)
        assert ((fit.scores > boundary) == ground.rows.label[ground.folds[number].tests[0]]).all()
        np.testing.assert_array_equal(fit.predicted, fit.scores > boundary)
    assert [fit.facts.majority for fit in made] == [0, 1]
    again = list(fold_fits(strategy, ground, FitCache(tmp_path), 1, 1))
    np.testing.assert_array_equal([fit.scores for fit in again], [fit.scores for fit in made])


def test_a_fold_whose_training_labels_are_all_one_has_said_nothing(tmp_path: Path) -> None:
    ground = a_ground()
    ground = replace(ground, rows=replace(ground.rows, label=np.array([0, 1, 1, 1, 1, 1])))
    strategy = Strategy.model_validate(with_key(seed(), "features.columns", ["x"]))
    facts = next(fold_fits(strategy, ground, FitCache(tmp_path), 1, 1)).facts
    assert (facts.status, facts.reason) == ("degenerate", "the training labels are all 1")


def a_draw(state: State, returns: list[list[float]], accuracy: list[list[float]]) -> Draw:
    return Draw(DrawFacts(0, {}, state, "", (0.0, 0.1)), np.array(returns), np.array(accuracy))


NAN = math.nan
RETURNS = [[0, 0.02, 0.01, 0.03, -0.01, 0.02], [0, -0.01, 0.02, 0, 0, 0]]


def sharpe(returns: list[float]) -> float:
    return float(np.mean(returns) / np.std(returns, ddof=1) * 252**0.5)


def test_a_draw_is_scored_by_its_best_threshold_on_the_folds_up_to_each() -> None:
    draw, ground = a_draw("complete", RETURNS, [[0.4, 0.7], [0.5, 0.5]]), a_ground()
    assert step_scores(draw, Search(), ground) == pytest.approx([sharpe(RETURNS[0][:3]), sharpe(RETURNS[0])])
    assert step_scores(draw, Search(score="accuracy"), ground) == pytest.approx([0.5, 0.55])
    pruned = a_draw("pruned", [[*row[:3], NAN, NAN, NAN] for row in RETURNS], [[0.4, NAN], [0.5, NAN]])
    assert step_scores(pruned, Search(), ground) == pytest.approx([sharpe(RETURNS[0][:3])])


def test_the_trials_of_a_draw_have_the_figures_of_the_folds_that_were_judged() -> None:
    fold_of = a_ground().fold_of
    pruned = a_draw("pruned", [[*row[:3], NAN, NAN, NAN] for row in RETURNS], [[0.4, NAN], [0.5, NAN]])
    first, second = trials_of(pruned, Search(), fold_of)
    assert (first.number, second.number, first.threshold, second.threshold) == (0, 1, 0.0, 0.1)
    assert first.score == first.sharpe == pytest.approx(sharpe(RETURNS[0][:3])) == first.fold_scores[0]
    assert math.isnan(first.fold_scores[1]) and second.accuracy == 0.5
    failed = trials_of(a_draw("failed", [[0.0] * 6] * 2, [[NAN, NAN]] * 2), Search(), fold_of)
    assert all(math.isnan(trial.score) and math.isnan(trial.accuracy) for trial in failed)
