"""A wrong unit and a split that is in the prices not once are errors; news is a warning at most.

The kinds of error are those of real histories that the tests of ranaroussi/yfinance keep; the bars here are made up in their
manner, but for the rows that name their source.
"""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from nightdesk.market.checks import SET_ASIDE, findings
from nightdesk.market.histories import PRICES
from nightdesk.market.splits import unsplit
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars
from schemas.findings import Finding

SESSIONS = exchange_sessions("XNYS").between(date(2018, 1, 1), date(2018, 12, 31))
DAYS = list(SESSIONS.date)
Rows = list[tuple[str, float, float, float, float, float]]


def history(n: int = 60, daily: float = 0.01, seed: int = 0, level: float = 50.0) -> pd.DataFrame:
    """Bars of one symbol, without actions."""
    noise = np.random.default_rng(seed)
    moves = noise.normal(0, daily, n)
    close = level * np.exp(np.cumsum(moves))
    open_ = np.concatenate([[level], close[:-1]]) * np.exp(moves / 2)
    high = np.maximum(open_, close) * np.exp(noise.exponential(daily / 2, n))
    low = np.minimum(open_, close) * np.exp(-noise.exponential(daily / 2, n))
    numbers = {Bars.open: open_, Bars.high: high, Bars.low: low, Bars.close: close, Bars.volume: noise.lognormal(13, 0.3, n)}
    keys = {Bars.session: SESSIONS[:n].as_unit("ns"), Bars.symbol: pd.array(["ABC"] * n, dtype="str")}
    return pd.DataFrame({**keys, **numbers, Bars.dividend: 0.0, Bars.split: 1.0})


def times(bars: pd.DataFrame, rows: slice, factor: float) -> pd.DataFrame:
    """Prices of some rows (the last included) times a factor."""
    changed = bars.copy()
    changed.loc[rows, PRICES] *= factor
    return changed


def found_in(bars: pd.DataFrame, released: frozenset[tuple[date, str]] = frozenset()) -> dict[str, Finding]:
    found = findings(bars, ["ABC"], pd.DatetimeIndex(bars[Bars.session]), released)
    return {finding.code: finding for finding in found}


def errors_in(bars: pd.DataFrame) -> dict[str, tuple[date, ...]]:
    return {code: finding.sessions for code, finding in found_in(bars).items() if finding.severity == "error"}


@pytest.mark.parametrize("factor", [10.0, 100.0, 0.1, 0.01, 1000.0])
@pytest.mark.parametrize(("first", "last"), [(0, 0), (0, 20), (25, 25), (25, 40), (59, 59), (45, 59)])
def test_every_bar_of_a_block_in_a_wrong_unit_is_named(first: int, last: int, factor: float) -> None:
    bars = times(history(), slice(first, last), factor)
    assert errors_in(bars) == {"jump": tuple(DAYS[first : last + 1])}


def test_of_two_levels_the_one_with_fewer_bars_is_named() -> None:
    assert errors_in(times(history(), slice(0, 39), 100.0)) == {"jump": tuple(DAYS[40:60])}


def test_several_blocks_are_named_together() -> None:
    bars = times(times(history(200), slice(20, 30), 15.0), slice(90, 90), 15.0)
    assert errors_in(bars) == {"jump": (*DAYS[20:31], DAYS[90])}


def test_the_sentence_says_how_far_off_the_bars_are() -> None:
    found = found_in(times(history(), slice(25, 27), 100.0))["jump"]
    assert found.message.startswith("ABC stands at ")
    assert f"times its own level on {DAYS[25]} to {DAYS[27]}, and no action explains it." in found.message
    assert float(found.message.split()[3]) == pytest.approx(100, rel=0.1)


def test_bars_that_hardly_move_are_judged_as_well() -> None:
    """As a suspended share of which the price is now in pounds, now in pence."""
    bars = history()
    bars[PRICES] = 0.1455
    bars[Bars.volume] = 0.0
    assert errors_in(times(bars, slice(25, 33), 100.0)) == {"jump": tuple(DAYS[25:34])}


def with_split(ratio: float, at: int = 30, daily: float = 0.01) -> pd.DataFrame:
    """A split that is in the prices once."""
    bars = times(history(daily=daily), slice(at, None), 1 / ratio)
    bars.loc[at, Bars.split] = ratio
    bars.loc[at:, Bars.volume] *= ratio
    return bars


RATIOS = [1.5, 2.0, 3.0, 4.0, 7.0, 10.0, 20.0, 50.0, 0.5, 0.1, 1 / 30]


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_split_that_is_in_the_prices_once_is_nothing(ratio: float) -> None:
    assert found_in(with_split(ratio)) == {}


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_split_that_is_not_in_the_prices_is_named(ratio: float) -> None:
    found = found_in(times(with_split(ratio), slice(30, None), ratio))
    assert [(one.code, one.severity) for one in found.values()] == [("split_not_applied", "error")]
    assert DAYS[30] in found["split_not_applied"].sessions
    assert found["split_not_applied"].message.count(f"has a split of {ratio:g} on {DAYS[30]} that is not in its prices") == 1


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_split_that_is_in_the_prices_twice_is_named(ratio: float) -> None:
    found = errors_in(times(with_split(ratio), slice(30, None), 1 / ratio))
    assert list(found) == ["split_applied_twice"] and DAYS[30] in found["split_applied_twice"]


@pytest.mark.parametrize("ratio", [2.0, 3.0, 4.0, 5.0, 7.0, 20.0, 0.5, 1 / 15])
def test_a_split_that_nobody_recorded_is_named(ratio: float) -> None:
    found = errors_in(with_split(ratio, at=40).assign(split=1.0))
    assert len(found) == 1 and set(found) <= {"split_unexplained", "jump"}
    assert found.popitem()[1] == tuple(DAYS[40:60])


def test_a_split_in_the_prices_days_before_its_record_is_named() -> None:
    bars = with_split(0.4406)
    bars.loc[[30, 36], Bars.split] = [1.0, 0.4406]
    assert "split_not_applied" in errors_in(bars) and "split_unexplained" in errors_in(bars)


def test_one_bar_that_a_split_was_applied_to_by_mistake_is_named_alone() -> None:
    bars = times(with_split(10.0), slice(27, 27), 0.1)
    assert errors_in(bars) == {"jump": (DAYS[27],)}


def test_one_bar_that_a_small_split_was_applied_to_is_named_alone_though_the_next_is_busy() -> None:
    """As CNE.L on 2023-05-09, a week before its 33 for 70: the next bar has many times the usual volume."""
    bars = times(with_split(0.4714), slice(27, 27), 0.4714)
    bars.loc[28, Bars.volume] *= 8
    assert errors_in(bars) == {"split_unexplained": (DAYS[27],)}


def test_a_reverse_split_and_a_fall_on_the_same_day_is_no_error() -> None:
    assert errors_in(times(with_split(0.1), slice(30, None), 0.7)) == {}


def test_apples_split_of_2020_is_nothing_as_traded_and_an_error_with_prices_adjusted_before() -> None:
    """Apple's closes as traded, 4:1 on 2020-08-31: 499.23 on the 28th, 129.04 on the 31st (docs/market-day.md's source)."""
    days = exchange_sessions("XNYS").between(date(2020, 8, 24), date(2020, 9, 4))
    close = np.array([503.43, 499.30, 506.09, 500.04, 499.23, 129.04, 134.18, 131.40, 120.88, 120.96])
    split = np.where(days == pd.Timestamp("2020-08-31"), 4.0, 1.0)
    flat = {column: close for column in PRICES}
    bars = pd.DataFrame(
        {Bars.session: days, Bars.symbol: "ABC", **flat, Bars.volume: 1e8 / close, Bars.dividend: 0.0, Bars.split: split}
    )
    assert errors_in(bars) == {}
    adjusted = bars.copy()
    adjusted.loc[:4, PRICES] /= 4
    assert date(2020, 8, 31) in errors_in(adjusted)["split_not_applied"]
    assert errors_in(unsplit(adjusted)) == {}


def crashed(to: float, spread: float, traded: float) -> pd.DataFrame:
    """A level that changes for good on one day, with that day's range and volume."""
    bars = times(history(daily=0.03), slice(40, None), to)
    bars.loc[40, Bars.high] = bars.loc[40, [Bars.open, Bars.close]].max() * np.exp(spread / 2)
    bars.loc[40, Bars.low] = bars.loc[40, [Bars.open, Bars.close]].min() * np.exp(-spread / 2)
    bars.loc[40, Bars.volume] *= traded
    return bars


@pytest.mark.parametrize("to", [0.3, 0.5, 0.65, 2.2, 0.107, 0.05, 9.0])
def test_news_with_a_wide_range_and_much_volume_is_a_warning(to: float) -> None:
    """As KALA on 2025-09-29, which opened at 73.50 after 952.50 and closed at 102.25, on ninety times its volume."""
    (finding,) = found_in(crashed(to, spread=0.8, traded=90.0)).values()
    assert (finding.code, finding.severity, finding.sessions) == ("large_move", "warning", (DAYS[40],))


@pytest.mark.parametrize("to", [1 / 18, 18.0])
def test_a_jump_of_more_than_eight_times_on_a_usual_day_is_an_error(to: float) -> None:
    """As a fund with a reverse split of 1:15 that the vendor left out, on a day that it fell as well."""
    assert errors_in(crashed(to, spread=0.05, traded=18.0)) == {"jump": tuple(DAYS[40:60])}


def test_a_spin_off_that_takes_a_third_of_the_price_is_no_error() -> None:
    assert errors_in(crashed(0.67, spread=0.06, traded=2.0)) == {}


def test_a_special_dividend_of_a_third_with_the_price_falling_is_no_jump() -> None:
    bars = times(history(), slice(30, None), 0.7)
    bars.loc[30, Bars.dividend] = 0.3 * bars.at[29, Bars.close]
    assert found_in(bars) == {}


def test_prices_of_a_few_ticks_are_no_errors() -> None:
    """A share of a cent or two: each tick is half or all of its price."""
    bars = history(200, daily=0.3, level=0.02)
    bars[PRICES] = np.maximum(0.01, bars[PRICES].round(2))
    assert errors_in(bars) == {}


@pytest.mark.parametrize(("column", "factor"), [(Bars.high, 10.0), (Bars.high, 100.0), (Bars.low, 0.1), (Bars.low, 0.01)])
def test_a_high_or_low_in_another_unit_is_named(column: str, factor: float) -> None:
    bars = history()
    bars.loc[25, column] *= factor
    assert errors_in(bars) == {"bar_range": (DAYS[25],)}


def test_a_jump_is_set_aside() -> None:
    assert {"jump", "bar_range", "split_not_applied", "split_applied_twice", "split_unexplained"} <= SET_ASIDE


def test_a_released_first_bar_releases_its_block_and_no_other() -> None:
    bars = times(times(history(200), slice(20, 30), 100.0), slice(90, 90), 0.1)
    found = findings(bars, ["ABC"], SESSIONS[:200], released=frozenset({(DAYS[20], "ABC")}))
    assert [(one.severity, one.done, one.sessions) for one in found] == [
        ("error", "reported", (DAYS[90],)),
        ("warning", "released", tuple(DAYS[20:31])),
    ]


def test_a_release_is_of_one_symbol_and_one_session() -> None:
    bars = times(history(), slice(25, 27), 100.0)
    for released in ((DAYS[24], "ABC"), (DAYS[25], "XYZ"), (DAYS[26], "ABC")):
        assert found_in(bars, frozenset({released}))["jump"].severity == "error"
    every = frozenset((day, "ABC") for day in DAYS[25:28])
    assert found_in(bars, every)["jump"].done == "released"


def test_a_block_at_the_beginning_is_released_bar_by_bar() -> None:
    bars = times(history(), slice(0, 4), 100.0)
    assert found_in(bars, frozenset((day, "ABC") for day in DAYS[:4]))["jump"].done == "reported"
    assert found_in(bars, frozenset((day, "ABC") for day in DAYS[:5]))["jump"].done == "released"


def test_a_release_does_not_excuse_what_cannot_be_a_bar() -> None:
    bars = history()
    bars.loc[25, Bars.low] = -1.0
    assert found_in(bars, frozenset({(DAYS[25], "ABC")}))["not_positive"].severity == "error"
