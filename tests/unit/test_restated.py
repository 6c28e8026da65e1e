"""What a vendor changed in stored bars is reported value by value; only an action or late volume explains it."""

from collections.abc import Iterable
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightdesk.market.restated import VALUES, bars_to_store, restatements
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars
from schemas.findings import Restatement
from tests.bars import clean_bars

SESSIONS = exchange_sessions("XNYS").between(date(2018, 10, 1), date(2018, 12, 31))
SYMBOLS = ["AAPL", "MSFT", "^GSPC"]
STORED = clean_bars(SESSIONS[:-1], SYMBOLS, seed=3)
TODAY = clean_bars(SESSIONS, SYMBOLS, seed=3).iloc[-len(SYMBOLS) :]
SAME = pd.concat([STORED, TODAY], ignore_index=True)
PRICES = [Bars.open, Bars.high, Bars.low, Bars.close]
NEVER = date(2100, 1, 1)
LATE = SESSIONS[-3].date()


def day_of(row: int) -> date:
    day: date = SAME.at[row, Bars.session].date()
    return day


def cells(found: Iterable[Restatement]) -> set[tuple[date, str, str]]:
    return {(row.session, row.symbol, row.field) for row in found}


def told(found: Iterable[Restatement]) -> set[tuple[str, str, str]]:
    """By field: how it is explained and what was done."""
    return {(row.field, row.explained, row.done) for row in found}


def rows_of(symbol: str, before: pd.Timestamp) -> pd.Series:
    return (SAME[Bars.symbol] == symbol) & (SAME[Bars.session] < before)


def test_unchanged_bars_and_new_ones_are_no_restatement() -> None:
    assert restatements(SAME, STORED, 1e-6, NEVER) == []
    assert restatements(TODAY, STORED, 1e-6, NEVER) == []
    assert restatements(SAME.iloc[:0], STORED, 1e-6, NEVER) == restatements(SAME, STORED.iloc[:0], 1e-6, NEVER) == []


@pytest.mark.parametrize("column", [*PRICES, Bars.split])
def test_a_value_is_named_with_what_it_was_and_is_from_a_millionth_on(column: str) -> None:
    now = SAME.copy()
    now.loc[7, column] *= 1 + 5e-7
    assert restatements(now, STORED, 1e-6, NEVER) == []
    now.loc[7, column] = SAME.at[7, column] * 1.01
    expected = Restatement(day_of(7), "MSFT", column, SAME.at[7, column], now.at[7, column], "", "quarantined")
    assert restatements(now, STORED, 1e-6, NEVER) == [expected]


def test_a_change_within_the_tolerance_is_reported_and_stored() -> None:
    now = SAME.copy()
    now.loc[7, Bars.high] *= 1.004
    assert told(restatements(now, STORED, 0.005, NEVER)) == {(Bars.high, "", "stored")}
    assert told(restatements(now, STORED, 0.003, NEVER)) == {(Bars.high, "", "quarantined")}


def test_a_dividend_that_appears_in_the_past_is_set_aside() -> None:
    now = SAME.copy()
    now.loc[7, Bars.dividend] = 0.01
    assert restatements(now, STORED, 0.5, NEVER) == [Restatement(day_of(7), "MSFT", Bars.dividend, 0.0, 0.01, "", "quarantined")]


def test_a_value_that_is_missing_now_is_a_change_and_one_that_always_was_is_none() -> None:
    now, before = SAME.copy(), STORED.copy()
    now.loc[7, Bars.low] = np.nan
    assert told(restatements(now, STORED, 0.5, NEVER)) == {(Bars.low, "", "quarantined")}
    before.loc[7, Bars.low] = np.nan
    assert restatements(now, before, 1e-6, NEVER) == []
    assert told(restatements(SAME, before, 0.5, NEVER)) == {(Bars.low, "", "quarantined")}


def test_volume_is_never_set_aside_and_is_late_on_the_last_sessions_alone() -> None:
    now = SAME.copy()
    now[Bars.volume] *= 3
    found = restatements(now, STORED, 1e-6, LATE)
    assert cells(found) == {(day_of(row), SAME.at[row, Bars.symbol], Bars.volume) for row in range(len(STORED))}
    assert {row.done for row in found} == {"stored"}
    late = {SESSIONS[-3].date(), SESSIONS[-2].date()}
    assert {row.session for row in found if row.explained == "late volume"} == late
    assert all(row.explained in ("late volume", "") for row in found)


def test_prices_of_the_last_sessions_are_never_excused_as_late() -> None:
    now = SAME.copy()
    now.loc[len(STORED) - 1, Bars.close] *= 1.01
    assert told(restatements(now, STORED, 1e-6, LATE)) == {(Bars.close, "", "quarantined")}


# A vendor that begins to rescale its past. The split of Apple of 2020-08-31, four for one: the close of the 28th was traded at
# 499.23 and is shown as 124.8075 since; a raw series keeps 499.23.

APPLE_DAYS = pd.DatetimeIndex(["2020-08-26", "2020-08-27", "2020-08-28", "2020-08-31"]).as_unit("ns")
APPLE_RAW = [506.09, 500.04, 499.23, 129.04]
APPLE_ADJUSTED = [126.5225, 125.01, 124.8075, 129.04]


def apple(closes: list[float], volumes: list[float]) -> pd.DataFrame:
    prices = {column: closes for column in PRICES}
    frame = pd.DataFrame({Bars.session: APPLE_DAYS, Bars.symbol: "AAPL", **prices, Bars.volume: volumes})
    return frame.assign(**{Bars.dividend: 0.0, Bars.split: [1.0, 1.0, 1.0, 4.0]})


RAW = apple(APPLE_RAW, [100.0, 200.0, 300.0, 1000.0])
ADJUSTED = apple(APPLE_ADJUSTED, [400.0, 800.0, 1200.0, 1000.0])


@pytest.mark.parametrize("known", [RAW.iloc[:3], RAW])
def test_a_past_that_the_vendor_rescaled_for_a_split_is_reported_as_explained(known: pd.DataFrame) -> None:
    found = restatements(ADJUSTED, known, 1e-6, NEVER)
    assert told(found) == {(column, "split", "stored") for column in [*PRICES, Bars.volume]}
    assert len(found) == 3 * 5
    assert [(row.was, row.now) for row in found if row.field == Bars.close][-1] == (499.23, 124.8075)


def test_a_split_that_rescales_a_part_of_the_past_only_explains_nothing() -> None:
    torn = pd.concat([RAW.iloc[:1], ADJUSTED.iloc[1:]])
    assert told(restatements(torn, RAW, 1e-6, NEVER)) == {(c, "", "quarantined") for c in PRICES} | {(Bars.volume, "", "stored")}


def test_a_split_that_leaves_the_volume_alone_explains_nothing_unless_the_volume_is_late() -> None:
    prices_only = ADJUSTED.assign(volume=RAW[Bars.volume])
    assert told(restatements(prices_only, RAW, 1e-6, NEVER)) == {(column, "", "quarantined") for column in PRICES}
    assert told(restatements(prices_only, RAW, 1e-6, date(2020, 8, 1))) == {(column, "split", "stored") for column in PRICES}


def test_a_split_of_another_ratio_or_of_another_symbol_explains_nothing() -> None:
    for other in (ADJUSTED.assign(split=[1.0, 1.0, 1.0, 5.0]), ADJUSTED.assign(split=1.0)):
        assert {row.done for row in restatements(other, RAW.iloc[:3], 1e-6, NEVER) if row.field in PRICES} == {"quarantined"}
    elsewhere = ADJUSTED.iloc[-1:].assign(symbol="MSFT")
    moved = pd.concat([ADJUSTED.iloc[:3], elsewhere])
    assert {row.done for row in restatements(moved, RAW.iloc[:3], 1e-6, NEVER) if row.field in PRICES} == {"quarantined"}


def test_a_past_rescaled_for_a_dividend_is_explained_by_one_minus_dividend_over_close() -> None:
    """0.50 on a close of 50.00 rescales by 0.99: CRSP's and Yahoo's formula."""
    before = apple([40.0, 45.0, 50.0, 49.0], [1.0, 2.0, 3.0, 4.0]).assign(split=1.0, dividend=[0.0, 0.0, 0.0, 0.5])
    after = before.assign(**{column: [39.6, 44.55, 49.5, 49.0] for column in PRICES})
    found = restatements(after, before.iloc[:3], 1e-6, NEVER)
    assert told(found) == {(column, "dividend", "stored") for column in PRICES}
    assert len(found) == 3 * 4
    torn = pd.concat([before.iloc[:1], after.iloc[1:]])
    assert told(restatements(torn, before, 1e-6, NEVER)) == {(column, "", "quarantined") for column in PRICES}
    wrong = before.assign(**{column: [39.4, 44.325, 49.25, 49.0] for column in PRICES})  # 0.985
    assert told(restatements(wrong, before.iloc[:3], 1e-6, NEVER)) == {(column, "", "quarantined") for column in PRICES}


def test_dividends_and_a_split_together_are_explained_as_a_split() -> None:
    """0.50 on 50.00, then four for one: 0.99 / 4 before both, 1 / 4 between them."""
    acts = {Bars.dividend: [0.0, 0.0, 0.5, 0.0], Bars.split: [1.0, 1.0, 1.0, 4.0]}
    before = apple([40.0, 50.0, 60.0, 15.0], [100.0, 200.0, 300.0, 400.0]).assign(**acts)
    after = apple([9.9, 12.375, 15.0, 15.0], [400.0, 800.0, 1200.0, 400.0]).assign(**acts)
    assert told(restatements(after, before, 1e-6, NEVER)) == {(column, "split", "stored") for column in [*PRICES, Bars.volume]}


def test_a_bar_with_one_value_set_aside_is_not_stored_at_all() -> None:
    now = SAME.copy()
    now.loc[[7, 8], Bars.low] *= 0.9
    now.loc[9, Bars.volume] *= 2
    kept = bars_to_store(now, restatements(now, STORED, 1e-6, NEVER))
    pd.testing.assert_frame_equal(kept, now.drop([7, 8]).reset_index(drop=True))
    pd.testing.assert_frame_equal(bars_to_store(now, []), now)


@settings(max_examples=25, deadline=None, database=None)
@given(st.integers(0, 2), st.integers(0, 40), st.integers(1, 21), st.integers(0, 2**32 - 1))
def test_a_vendor_that_rewrites_a_month_is_reported_bar_by_bar(who: int, first: int, length: int, seed: int) -> None:
    symbol, days = SYMBOLS[who], SESSIONS[first : first + length]
    rewritten = (SAME[Bars.symbol] == symbol) & SAME[Bars.session].isin(days)
    factors = 1 + np.random.default_rng(seed).uniform(1e-4, 0.1, int(rewritten.sum()))
    now = SAME.copy()
    for column in PRICES:
        now.loc[rewritten, column] *= factors
    found = restatements(now, STORED, 1e-6, LATE)
    assert cells(found) == {(day.date(), symbol, column) for day in days for column in PRICES}
    assert {row.done for row in found} == {"quarantined"}
    assert len(bars_to_store(now, found)) == len(SAME) - length


@settings(max_examples=15, deadline=None, database=None)
@given(st.integers(0, 2), st.integers(0, 50))
def test_bars_shifted_by_a_day_are_all_found_against_the_stored_overlap(who: int, first: int) -> None:
    shifted = rows_of(SYMBOLS[who], pd.Timestamp("2100-01-01")) & (SAME[Bars.session] >= SESSIONS[first])
    now = SAME.copy()
    now.loc[shifted, VALUES] = SAME[shifted][VALUES].shift(fill_value=1.0)
    found = restatements(now, STORED, 1e-6, LATE)
    bars = {(row.session, row.symbol) for row in found if row.done == "quarantined"}
    assert bars == {(day.date(), SYMBOLS[who]) for day in SESSIONS[first:-1]}


@settings(max_examples=15, deadline=None, database=None)
@given(st.sampled_from([("AAPL", "MSFT"), ("AAPL", "^GSPC"), ("MSFT", "^GSPC")]), st.integers(0, 50), st.integers(1, 10))
def test_two_symbols_that_were_swapped_are_found_against_the_stored_overlap(pair: tuple[str, str], first: int, n: int) -> None:
    days = SESSIONS[first : first + n]
    swapped = SAME[Bars.symbol].isin(pair) & SAME[Bars.session].isin(days)
    now = SAME.copy()
    now.loc[swapped, Bars.symbol] = SAME[swapped][Bars.symbol].map(dict([pair, pair[::-1]]))
    found = restatements(now, STORED, 1e-6, LATE)
    bars = {(row.session, row.symbol) for row in found if row.done == "quarantined"}
    assert bars == {(day.date(), symbol) for day in days if day < SESSIONS[-1] for symbol in pair}
