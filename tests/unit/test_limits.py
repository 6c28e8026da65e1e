"""Limits on the final order: just below, at, just above, and what is no number."""

import math

import numpy as np
import pytest

from nightdesk.portfolio.limits import breaches
from schemas.strategy import Limits

LIMITS = Limits(max_order_notional=1000.0, max_position_share=0.5)
WIDE = Limits(max_order_notional=1e12, max_position_share=10.0)
NAN, INF = math.nan, math.inf


def broken(
    quantity: float, held: float = 0.0, close: float = 100.0, equity: float = 1e6, limits: Limits = LIMITS
) -> tuple[str, ...]:
    return breaches(["SPY"], np.array([quantity]), np.array([held]), np.array([close]), equity, limits)


@pytest.mark.parametrize("sign", [1, -1])
def test_order_value_may_reach_the_limit_and_not_pass_it(sign: int) -> None:
    held = 0.0 if sign > 0 else 1000.0
    assert broken(sign * 9.99, held) == ()
    assert broken(sign * 10.0, held) == ()
    (sentence,) = broken(sign * 10.01, held)
    assert sentence == "SPY: the order's value 1,001.00 is above limits.max_order_notional 1,000.00"


def test_position_may_reach_its_share_and_not_pass_it() -> None:
    # half of 10,000 at 100: fifty shares
    assert broken(4.99, held=45.0, equity=10_000.0) == ()
    assert broken(5.0, held=45.0, equity=10_000.0) == ()
    (sentence,) = broken(5.01, held=45.0, equity=10_000.0)
    assert sentence == "SPY: the position after the fill, 50.0% of equity, is above limits.max_position_share 50.0%"


def test_order_that_reduces_a_position_passes_although_the_rest_is_above_its_share() -> None:
    assert broken(-1.0, held=80.0, equity=10_000.0) == ()
    assert len(broken(1.0, held=80.0, equity=10_000.0)) == 1


def test_short_position_is_measured_like_a_long_one() -> None:
    assert broken(-1.0, held=-49.0, equity=10_000.0) == ()
    assert len(broken(-1.01, held=-49.0, equity=10_000.0)) == 1


@pytest.mark.parametrize(
    ("quantity", "held", "close", "equity"),
    [
        (NAN, 0.0, 100.0, 1e4),
        (INF, 0.0, 100.0, 1e4),
        (-INF, 0.0, 100.0, 1e4),
        (1.0, NAN, 100.0, 1e4),
        (1.0, -INF, 100.0, 1e4),
        (1.0, 0.0, NAN, 1e4),
        (1.0, 0.0, INF, 1e4),
        (1.0, 0.0, 100.0, NAN),
        (1.0, 0.0, 100.0, INF),
    ],
)
def test_what_is_no_number_breaches_even_the_widest_limit(quantity: float, held: float, close: float, equity: float) -> None:
    (sentence,) = broken(quantity, held, close, equity, WIDE)
    assert sentence.startswith("SPY: ") and sentence.endswith("is not finite")


@pytest.mark.parametrize("equity", [0.0, -1.0])
def test_any_new_position_breaches_where_there_is_no_equity(equity: float) -> None:
    (sentence,) = broken(1.0, equity=equity)
    assert "limits.max_position_share" in sentence


def test_no_order_is_no_breach_also_without_a_price() -> None:
    assert broken(0.0, held=1000.0, close=NAN, equity=10_000.0) == ()


def test_every_breach_of_every_order_is_named() -> None:
    names, quantities = ["AAA", "BBB", "CCC"], np.array([60.0, 1.0, NAN])
    found = breaches(names, quantities, np.zeros(3), np.full(3, 100.0), 10_000.0, LIMITS)
    assert [sentence[:3] for sentence in found] == ["AAA", "AAA", "CCC"]
