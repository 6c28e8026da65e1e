"""A fit is judged beside the training majority; what a required gate says stands in the reason."""

from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nightdesk.backtest.run import run_backtest
from nightdesk.day.gates import fit_gates, judged, required
from nightdesk.day.play import play_day
from nightdesk.learning.fit import Fit
from nightdesk.learning.predictions import DOWN, UP
from nightdesk.performance.report import facts
from schemas.learnt import Gate
from schemas.reports import DayReport
from tests.desks import settings_in
from tests.strategy_documents import NO_MLFLOW, saved, seed, with_key

REQUIRED = Gate.model_validate({"require": ["accuracy"]})


def a_fit(right: int, wrong: int, agreeing: int = 100, majority: int = UP, **changes: Any) -> Fit:
    """A fit that says the minority `right` + `wrong` times, with so many hits, and the majority, rightly, otherwise."""
    other = DOWN if majority == UP else UP
    label = np.array([other] * right + [majority] * (wrong + agreeing))
    said = np.array([other] * (right + wrong) + [majority] * agreeing)
    rows = pd.DataFrame({"session": pd.bdate_range("2018-01-02", periods=len(label)), "symbol": "A"})
    test = rows.assign(label=label, predicted=said)
    facts: dict[str, Any] = {"estimator": object(), "status": "passed", "reason": "fine", "deployed": "as_tested", **changes}
    days = dict.fromkeys(("train_first", "train_last", "test_first", "test_last"))
    return Fit(**days, metrics={}, confusion=((0, 0), (0, 0)), test_predictions=test, majority=majority, **facts)


@pytest.mark.parametrize("majority", [UP, DOWN])
@pytest.mark.parametrize(("right", "wrong", "p_value", "passed"), [(15, 5, 0.0206947, True), (14, 6, 0.0576591, False)])
def test_the_accuracy_gate_is_the_sign_test_on_the_rows_where_the_two_disagree(
    right: int, wrong: int, p_value: float, passed: bool, majority: int
) -> None:
    """P(X >= 15) and P(X >= 14) of 20 fair coins, by any table of the binomial distribution."""
    (gate,) = fit_gates(a_fit(right, wrong, majority=majority), 1)
    assert gate.figures["p_value"] == pytest.approx(p_value, abs=1e-7)
    assert gate.passed == passed


def test_labels_that_overlap_are_judged_by_blocks() -> None:
    (gate,) = fit_gates(a_fit(30, 10), 5)
    assert "block bootstrap" in gate.method and gate.figures["block_sessions"] >= 10


def test_a_required_gate_that_fails_fails_the_fit_with_its_numbers() -> None:
    made = required(a_fit(14, 6), REQUIRED, 1)
    assert made.status == "failed"
    assert made.reason.startswith("fine, but the gate accuracy not passed: ")
    assert "right on 14 of 20 rows" in made.reason and "more sessions" in made.reason


def test_a_required_gate_that_passes_and_one_that_is_not_required_change_nothing() -> None:
    good, poor = a_fit(15, 5), a_fit(6, 14)
    assert required(good, REQUIRED, 1) is good
    assert required(poor, Gate(), 1) is poor  # type: ignore[call-arg]  # pydantic fills in the defaults
    assert judged(poor, fit_gates(poor, 1), Gate()) is poor  # type: ignore[call-arg]  # as above


def test_a_fit_that_failed_already_keeps_its_own_reason() -> None:
    poor = a_fit(6, 14, status="failed", reason="test accuracy 0.4")
    assert required(poor, REQUIRED, 1) is poor


def test_a_degenerate_fit_is_shown_to_no_gate() -> None:
    nothing = a_fit(0, 0, estimator=None, status="degenerate", reason="too few")
    assert fit_gates(nothing, 1) == () and required(nothing, REQUIRED, 1) is nothing


def test_a_required_gate_keeps_day_and_backtest_from_trading_for_the_same_reason(tmp_path: Path) -> None:
    path = saved(with_key(seed(), "gate.require", ["accuracy"]), tmp_path)
    here = settings_in(tmp_path / "home", mlflow_uri=NO_MLFLOW)
    day = play_day(path, date(2018, 12, 3), "paper", "manual", here)
    made = run_backtest(path, date(2018, 12, 3), date(2018, 12, 6), None, here, lambda done, of: None)
    assert isinstance(day, DayReport) and day.outcome == "no trade: gate"
    assert day.reason == made.walk.fits[0].reason and "the gate accuracy not passed" in day.reason
    assert len(made.fills) == 0 and "not passed" in dict(facts(day))["Evidence"]
