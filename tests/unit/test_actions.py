"""Dividends that cannot be right, beside the prices, beside each other, and in a vendor's adjusted close."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from nightdesk.market.checks import findings
from nightdesk.market.histories import ADJUSTED_CLOSE, PRICES
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars
from schemas.findings import Finding
from tests.unit.test_jumps import history

SESSIONS = exchange_sessions("XNYS").between(date(2018, 1, 1), date(2018, 12, 31))
DAYS = list(SESSIONS.date)
EX_DATES = [20, 62, 104, 146, 188]


def payer(shares: list[float], ex_dates: list[int] = EX_DATES, daily: float = 0.01) -> pd.DataFrame:
    """Bars of a symbol that pays shares of its price on its ex-dates, with the price falling by them."""
    bars = history(200, daily=daily)
    for row, share in zip(ex_dates, shares, strict=True):
        bars.loc[row:, PRICES] *= 1 - share
        bars.loc[row, Bars.dividend] = share * bars.at[row - 1, Bars.close]
    return bars


def adjusted(bars: pd.DataFrame, dividend: pd.Series | None = None) -> pd.DataFrame:
    """With the adjusted close that follows from closes, splits and dividends: the last bar's factor is 1."""
    before = bars[Bars.close].shift()
    paid = (bars[Bars.dividend] if dividend is None else dividend) * bars[Bars.split] / before
    step = ((1 - paid.fillna(0.0)) / bars[Bars.split]).shift(-1, fill_value=1.0)
    return bars.assign(**{ADJUSTED_CLOSE: bars[Bars.close] * step[::-1].cumprod()[::-1]})


def errors_in(bars: pd.DataFrame) -> dict[str, Finding]:
    found = findings(bars, ["ABC"], pd.DatetimeIndex(bars[Bars.session]))
    return {finding.code: finding for finding in found if finding.severity == "error"}


def named_in(bars: pd.DataFrame) -> dict[str, tuple[date, ...]]:
    return {code: finding.sessions for code, finding in errors_in(bars).items()}


def with_dividend(bars: pd.DataFrame, row: int, factor: float) -> pd.DataFrame:
    changed = bars.copy()
    changed.loc[row, Bars.dividend] *= factor
    return changed


QUARTERLY = [0.01, 0.011, 0.0095, 0.012, 0.0105]


@pytest.mark.parametrize("shares", [QUARTERLY, [0.01, 0.3, 0.01, 0.01, 0.01], [0.002, 0.04, 0.0, 0.015, 0.0004]])
def test_dividends_that_the_price_falls_by_are_nothing(shares: list[float]) -> None:
    assert named_in(adjusted(payer(shares))) == {}


def test_a_dividend_a_hundred_times_too_large_is_named() -> None:
    """As a dividend in pence beside prices in pounds."""
    assert named_in(with_dividend(payer(QUARTERLY), 104, 100.0)) == {"dividend_implausible": (DAYS[104],)}


def test_a_dividend_above_the_price_is_named_also_where_nothing_was_traded() -> None:
    bars = payer(QUARTERLY)
    bars.loc[104, PRICES] = bars.at[103, Bars.close]
    bars.loc[104, [Bars.volume, Bars.dividend]] = [0.0, 1.1 * bars.at[103, Bars.close]]
    assert named_in(bars) == {"dividend_implausible": (DAYS[104],)}


def test_a_dividend_a_hundred_times_too_small_among_regular_ones_is_named() -> None:
    assert named_in(with_dividend(payer(QUARTERLY), 104, 0.01)) == {"dividend_implausible": (DAYS[104],)}


def test_a_small_dividend_that_comes_beside_the_regular_ones_is_nothing() -> None:
    """As Iberdrola's 0.005 for coming to the meeting, beside its regular ones."""
    assert named_in(payer([0.01, 0.011, 0.0001, 0.0095, 0.012, 0.0105], [20, 62, 80, 104, 146, 188])) == {}


@pytest.mark.parametrize("count", [3, 5])
def test_dividends_that_are_all_in_a_smaller_unit_than_the_price_are_named(count: int) -> None:
    """As TENT.L from 2022 to 2024: 0.0001375 each quarter at a price of 0.9, for 0.01375."""
    rows = EX_DATES[:count]
    bars = history(200, level=0.9)
    bars.loc[rows, Bars.dividend] = 0.0001375
    assert named_in(adjusted(bars)) == {"dividend_implausible": tuple(DAYS[row] for row in rows)}


@pytest.mark.parametrize(("level", "amount", "rows"), [(20.0, 0.001, [62]), (900.0, 0.04, EX_DATES), (0.9, 0.0009, EX_DATES)])
def test_small_dividends_that_are_paid_are_nothing(level: float, amount: float, rows: list[int]) -> None:
    """Rights bought back for a tenth of a cent; a dear share that pays cents; a cheap one that pays a thousandth of its price."""
    bars = history(200, level=level)
    bars.loc[rows, Bars.dividend] = amount
    assert named_in(bars) == {}


def test_dividends_that_together_are_not_in_the_price_are_named() -> None:
    """As SCR.TO in 2023: 0.441 in June and in September at a price of 2.4 that moves by 3 % a day, for 0.03."""
    bars = history(200, daily=0.03, level=2.4)
    bars.loc[[104, 168], Bars.dividend] = 0.18 * bars[Bars.close].shift()
    bars.loc[[104, 168], [Bars.open, Bars.close]] = 0.98 * np.column_stack([bars[Bars.close].shift()[[104, 168]]] * 2)
    bars[Bars.high], bars[Bars.low] = bars[PRICES].max(axis=1), bars[PRICES].min(axis=1)
    assert named_in(adjusted(bars)) == {"dividend_implausible": (DAYS[104], DAYS[168])}
    alone = bars.assign(dividend=bars[Bars.dividend].where(bars.index == 104, 0.0))
    assert named_in(adjusted(alone)) == {}


def test_dividends_that_an_idle_price_takes_days_to_fall_by_are_nothing() -> None:
    bars = history(200, daily=0.008)
    for row in EX_DATES:
        bars.loc[row + 4 :, PRICES] *= 0.97
        bars.loc[row, Bars.dividend] = 0.03 * bars.at[row - 1, Bars.close]
    assert named_in(bars) == {}


def test_a_dividend_that_the_price_hides_once_is_nothing() -> None:
    """As KMR.L on 2022-04-28: 5.1 % paid, the price fell by 1.5 %, and moves by 2 % a day."""
    bars = payer([0.05, 0.05, 0.05, 0.05, 0.05], daily=0.015)
    bars.loc[104:, PRICES] *= 1.035
    assert named_in(adjusted(bars)) == {}


def test_capital_gains_that_a_fund_counts_twice_are_named() -> None:
    """As DODFX on 2025-12-18: 0.837 was paid, of it 0.417 capital gains, the value fell by 0.70, adjusted was 1.254."""
    bars = payer([0.05], [104], daily=0.008).assign(volume=0.0)
    bars[[Bars.open, Bars.high, Bars.low]] = bars[[Bars.close] * 3].to_numpy()
    assert named_in(adjusted(bars)) == {}
    assert named_in(adjusted(with_dividend(bars, 104, 1.8))) == {"dividend_implausible": (DAYS[104],)}


def with_phantom(bars: pd.DataFrame, row: int, amount: float) -> pd.DataFrame:
    """With one more dividend, for which the price does not fall."""
    return bars.assign(dividend=bars[Bars.dividend].where(bars.index != row, amount))


def test_capital_gains_that_a_fund_counts_twice_on_a_bad_day_are_named() -> None:
    """As VWILX on 2024-12-18: 8.6 % was paid, of it 7.8 % capital gains, the value fell by 11.5 %, adjusted was 16.4 %."""
    bars = payer([0.086], [104], daily=0.008).assign(volume=0.0)
    bars.loc[104:, PRICES] *= 0.97
    bars[[Bars.open, Bars.high, Bars.low]] = bars[[Bars.close] * 3].to_numpy()
    assert named_in(adjusted(bars)) == {}
    assert named_in(adjusted(with_dividend(bars, 104, 1.9))) == {"dividend_implausible": (DAYS[104],)}


@pytest.mark.parametrize(("share", "daily"), [(0.03, 0.005), (0.01, 0.002)])
def test_a_dividend_that_comes_twice_on_neighbouring_bars_but_once_in_the_price_is_named(share: float, daily: float) -> None:
    """As KAP.IL on 2022-07-12 and 13 (1.8135 and 1.9543, the price fell by 1.84), TEP.PA on 2023-04-20 and 21 (3.85 twice)."""
    bars = payer([0.01, 0.011, share, 0.012], [20, 62, 104, 146], daily)
    twice = with_phantom(bars, 105, 1.05 * bars.at[104, Bars.dividend])
    assert named_in(adjusted(twice)) == {"dividend_twice": (DAYS[104], DAYS[105])}


@pytest.mark.parametrize("apart", [2, 7])
def test_a_dividend_that_comes_twice_within_days_but_once_in_the_price_is_named(apart: int) -> None:
    bars = payer([0.01, 0.011, 0.06, 0.012], [20, 62, 104, 146], daily=0.004)
    twice = with_phantom(bars, 104 + apart, bars.at[104, Bars.dividend])
    assert (DAYS[104], DAYS[104 + apart]) == named_in(adjusted(twice))["dividend_twice"]


@pytest.mark.parametrize("apart", [1, 2, 7])
@pytest.mark.parametrize("share", [0.01, 0.03, 0.06])
def test_two_dividends_within_days_that_the_price_falls_by_are_no_error(share: float, apart: int) -> None:
    bars = payer([0.01, 0.011, share, 1.05 * share, 0.012], [20, 62, 104, 104 + apart, 150], daily=0.003)
    assert named_in(adjusted(bars)) == {}
    found = findings(bars, ["ABC"], pd.DatetimeIndex(bars[Bars.session]))
    assert [finding.severity for finding in found if finding.code == "dividend_twice"] == ["warning"]


@pytest.mark.parametrize("seed", range(20))
def test_small_dividends_a_week_apart_amid_much_noise_are_no_error(seed: int) -> None:
    bars = history(200, daily=0.03, seed=seed)
    bars.loc[[20, 80, 86, 140], Bars.dividend] = 0.01 * bars[Bars.close]
    assert "dividend_twice" not in named_in(bars)


def test_a_fund_that_pays_every_week_is_nothing() -> None:
    weeks = list(range(10, 190, 5))
    assert named_in(payer([0.005] * len(weeks), weeks)) == {}


@pytest.mark.parametrize("row", [62, 188])
def test_a_dividend_that_the_adjusted_closes_leave_out_is_named(row: int) -> None:
    bars = payer(QUARTERLY)
    found = errors_in(adjusted(bars, bars[Bars.dividend].where(bars.index != row, 0.0)))
    assert {code: finding.sessions for code, finding in found.items()} == {"dividend_not_adjusted": (DAYS[row],)}
    assert "that its adjusted closes leave out" in found["dividend_not_adjusted"].message


def test_the_rows_of_8tra_of_june_2023_lack_an_adjustment() -> None:
    """8TRA.DE from 2023-05-30 as Yahoo gave it: 0.70 paid on June 2, adjusted closes equal to the closes (yfinance's tests)."""
    close = np.array([19.35, 18.79, 18.90, 19.00, 18.66])
    days = pd.DatetimeIndex(["2023-05-30", "2023-05-31", "2023-06-02", "2023-06-05", "2023-06-06"])
    bars = history(5).assign(session=days.as_unit("ns"), dividend=[0.0, 0.0, 0.7, 0.0, 0.0])
    bars[PRICES] = np.column_stack([close] * 4)
    assert named_in(bars.assign(**{ADJUSTED_CLOSE: close})) == {"dividend_not_adjusted": (date(2023, 6, 2),)}


@pytest.mark.parametrize("factor", [0.01, 0.5, 2.0, 10.0])
def test_a_dividend_that_is_adjusted_for_by_another_amount_is_named(factor: float) -> None:
    bars = payer(QUARTERLY)
    found = named_in(adjusted(bars, bars[Bars.dividend].where(bars.index != 104, bars[Bars.dividend] * factor)))
    assert found == {"dividend_not_adjusted" if factor == 0.01 else "dividend_adjusted_wrong": (DAYS[104],)}


def test_adjusted_closes_below_zero_are_named() -> None:
    bars = adjusted(payer(QUARTERLY))
    bars.loc[:103, ADJUSTED_CLOSE] = -0.18
    assert named_in(bars)["dividend_adjusted_wrong"] == tuple(DAYS[:104])


@pytest.mark.parametrize("infinity", [np.inf, -np.inf])
@pytest.mark.parametrize("last", [103, 199])
def test_adjusted_closes_that_are_infinite_are_named(infinity: float, last: int) -> None:
    """As SSNLF's until 2001, after dividends above the price."""
    bars = adjusted(payer(QUARTERLY))
    bars.loc[:last, ADJUSTED_CLOSE] = infinity
    assert named_in(bars) == {"dividend_adjusted_wrong": tuple(DAYS[: last + 1])}


def test_an_adjustment_without_a_dividend_is_named() -> None:
    bars = payer(QUARTERLY)
    without = bars.assign(dividend=bars[Bars.dividend].where(bars.index != 104, 0.0))
    assert named_in(adjusted(without, bars[Bars.dividend])) == {"adjusted_without_dividend": (DAYS[104],)}


def test_an_adjustment_for_a_spin_off_that_the_price_shows_is_no_error() -> None:
    bars = payer([0.01, 0.2, 0.01, 0.01, 0.01])
    without = bars.assign(dividend=bars[Bars.dividend].where(bars.index != 62, 0.0))
    assert named_in(adjusted(without, bars[Bars.dividend])) == {}


@pytest.mark.parametrize(("scale", "decimals"), [(1.0, 2), (0.1, 2), (0.001, 4)])
def test_adjusted_closes_that_are_rounded_are_nothing(scale: float, decimals: int) -> None:
    """The older the bar, the smaller its adjusted close, and the coarser its last decimal."""
    bars = adjusted(payer(QUARTERLY))
    assert named_in(bars.assign(**{ADJUSTED_CLOSE: (bars[ADJUSTED_CLOSE] * scale).round(decimals)})) == {}


def test_splits_are_in_the_adjusted_closes() -> None:
    bars = payer(QUARTERLY)
    bars.loc[90:, PRICES] /= 4
    bars.loc[91:, Bars.dividend] /= 4
    bars.loc[90, Bars.split] = 4.0
    assert named_in(adjusted(bars)) == {}
