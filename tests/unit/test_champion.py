"""When a fit is due, and which fit may trade."""

from dataclasses import dataclass
from datetime import date

import pytest

from nightdesk.learning.champion import champion_of, is_due
from schemas.learnt import Gate, Model


@dataclass(frozen=True)
class Judged:
    cutoff: date
    status: str
    reason: str = "as it was judged"


MODEL = Model(estimator="sklearn.svm.SVC", max_age_sessions=5)
DAYS = [date(2018, 3, day) for day in (1, 2, 5)]
STATUSES = [
    (["passed"], "no_trade", 0),
    (["passed", "passed"], "no_trade", 1),
    (["passed", "failed"], "no_trade", None),
    (["passed", "failed"], "keep_champion", 0),
    (["passed", "degenerate"], "no_trade", 0),
    (["passed", "failed", "degenerate"], "no_trade", 0),
    (["failed", "degenerate"], "keep_champion", None),
    (["degenerate"], "no_trade", None),
]


@pytest.mark.parametrize(("statuses", "on_fail", "chosen"), STATUSES)
def test_what_may_trade_follows_from_how_the_fits_were_judged(statuses: list[str], on_fail: str, chosen: int | None) -> None:
    attempts = [Judged(day, status) for day, status in zip(DAYS, statuses, strict=False)]
    found, _ = champion_of(attempts, MODEL, Gate.model_validate({"on_fail": on_fail}), lambda cutoff: 5)
    assert found is (None if chosen is None else attempts[chosen])


def test_a_champion_may_be_as_old_as_the_limit_and_no_older() -> None:
    attempts = [Judged(DAYS[0], "passed"), Judged(DAYS[1], "degenerate")]
    assert champion_of(attempts, MODEL, Gate(), lambda cutoff: 5)[0] is attempts[0]
    assert champion_of(attempts, MODEL, Gate(), lambda cutoff: 6) == (
        None,
        "the champion of 2018-03-01 is 6 sessions old, allowed: up to 5",
    )


def test_a_fit_is_due_once_in_each_period() -> None:
    assert is_due(None, "monthly", date(2018, 3, 5))
    assert not is_due(date(2018, 3, 1), "monthly", date(2018, 3, 30))
    assert is_due(date(2018, 3, 1), "monthly", date(2018, 4, 2))
    assert is_due(date(2018, 3, 30), "daily", date(2018, 4, 2))
