"""What a trial earns, by hand: long, short and out, after costs, in the folds that were judged."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nightdesk.backtest.fits import FitFacts, Made
from nightdesk.backtest.rows import Rows
from nightdesk.learning.cross_validation import Fold
from nightdesk.search.folds import Judged, fold_majorities, judged
from nightdesk.search.ground import Ground
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
