"""What losses and the end date make of a book's state: just below, at and just above each limit, and each guard taken away."""

import math
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import pytest

from nightdesk.portfolio import losses
from nightdesk.portfolio.losses import GUARDS, course_of, restriction
from schemas.records import Mark
from schemas.trading import Limits

FIRST = date(2018, 12, 3)
WIDE = {"max_order_notional": 1.0, "max_daily_loss": 1.0, "max_drawdown": 1.0, "max_losing_sessions": 1000}


def days(count: int) -> date:
    return FIRST + timedelta(days=count)


def mark(place: int, equity: Any, flow: Any = 0) -> Mark:
    money = Decimal(str(equity))
    return Mark("paper/a/b", days(place), money, Decimal(0), money, Decimal(str(flow)), None)


def found(
    equities: Sequence[Any],
    limits: Mapping[str, Any],
    decided: date | None = None,
    released: date | None = None,
    flows: Mapping[int, float] = {},
) -> tuple[str, str] | None:
    """The restriction after these equities, one a day from the first; decided up to the day before the last."""
    marks = [mark(place, equity, flows.get(place, 0)) for place, equity in enumerate(equities)]
    course = course_of(marks, decided or days(len(equities) - 2), released, days(len(equities)))
    return restriction(course, Limits.model_validate({**WIDE, **limits}))


CASES: dict[str, tuple[Mapping[str, Any], list[Sequence[Any]], Sequence[Any], tuple[str, str]]] = {
    "max_daily_loss": (
        {"max_daily_loss": 0.05},
        [[100_000, 95_001], [100_000, 95_000]],
        [100_000, 94_999],
        ("HALTED", "the loss of 2018-12-04, 5.00% of equity, is above limits.max_daily_loss 5.00%"),
    ),
    "max_drawdown": (
        {"max_drawdown": 0.2},
        [[100_000, 110_000, 100_000, 88_001], [100_000, 110_000, 100_000, 88_000]],
        [100_000, 110_000, 100_000, 87_980],
        ("REDUCING", "the drawdown at 2018-12-06, 20.02%, is above limits.max_drawdown 20.00%"),
    ),
    "max_losing_sessions": (
        {"max_losing_sessions": 2},
        [[100, 99, 99, 98, 97.9], [100, 99, 100, 99, 98]],
        [100, 101, 100, 99, 98],
        ("HALTED", "3 sessions of loss in a row are above limits.max_losing_sessions 2"),
    ),
    "end_date": (
        {"end_date": days(4)},
        [[100, 100, 100], [100, 100, 100, 100]],
        [100, 100, 100, 100, 100],
        ("REDUCING", "the open of 2018-12-08 is after limits.end_date 2018-12-07"),
    ),
}


def is_kept(name: str) -> bool:
    limits, within, beyond, said = CASES[name]
    return [found(equities, limits) for equities in [*within, beyond]] == [None, None, said]


@pytest.mark.parametrize("name", GUARDS)
def test_each_limit_on_the_book_may_be_reached_and_not_passed(name: str) -> None:
    assert is_kept(name)


@pytest.mark.parametrize("removed", GUARDS)
def test_without_any_one_guard_a_case_fails(removed: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(losses, "GUARDS", {name: guard for name, guard in GUARDS.items() if name != removed})
    assert [name for name in CASES if not is_kept(name)] == [removed]


@pytest.mark.parametrize("equity", ["NaN", "Infinity", "-Infinity"])
def test_an_equity_that_is_no_number_breaches_even_the_widest_limits(equity: str) -> None:
    for equities in ([100_000, equity], [100_000, equity, 100_000]):
        assert found(equities, {}) is not None


@pytest.mark.parametrize("equity", ["0", "-5"])
def test_after_all_is_lost_the_next_session_breaches_too(equity: str) -> None:
    state = found([100_000, equity, 100_000], {})
    assert state is not None and state[0] == "HALTED"


def test_a_deposit_and_a_withdrawal_are_neither_gain_nor_loss() -> None:
    limits = {"max_daily_loss": 0.01, "max_drawdown": 0.01, "max_losing_sessions": 1}
    assert found([100_000, 50_000, 150_000], limits, FIRST, flows={1: -50_000, 2: 100_000}) is None


def test_a_loss_that_was_decided_upon_already_does_not_halt_again() -> None:
    equities = [100_000, 80_000, 80_000]
    assert found(equities, {"max_daily_loss": 0.1}, decided=days(1)) is None
    assert found(equities, {"max_daily_loss": 0.1}, decided=days(0)) is not None


def test_a_release_starts_the_drawdown_and_the_count_anew() -> None:
    equities = [100_000, 60_000, 59_000, 58_000]
    limits = {"max_drawdown": 0.2, "max_losing_sessions": 2}
    assert found(equities, limits) is not None
    assert found(equities, limits, released=days(1)) is None
    assert found([*equities, 40_000], limits, released=days(1)) is not None


def test_of_several_breaches_the_strictest_state_counts_and_all_are_named() -> None:
    state = found([100_000, 50_000], {"max_daily_loss": 0.1, "max_drawdown": 0.1, "end_date": FIRST})
    assert state is not None and state[0] == "HALTED"
    assert [word in state[1] for word in ("max_daily_loss", "max_drawdown", "end_date")] == [True] * 3


def test_a_book_without_a_mark_is_restricted_by_its_end_date_only() -> None:
    course = course_of([], None, None, FIRST)
    assert restriction(course, Limits.model_validate(WIDE)) is None
    assert restriction(course, Limits.model_validate(WIDE | {"end_date": date(2018, 1, 2)})) is not None


def test_a_course_is_finite_where_the_equities_are() -> None:
    course = course_of([mark(0, 100), mark(1, 110)], None, None, days(2))
    assert course.returns.tolist() == [0.0, 0.1] and course.fresh == 0 and math.isfinite(course.returns.sum())
