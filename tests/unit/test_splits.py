"""Bars that a vendor adjusted for splits come back as they were traded."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightdesk.market.splits import unsplit
from schemas.bars import Bars
from tests.bars import clean_bars

RATIOS = [4.0, 2.0, 7.0, 1.5, 0.1, 0.125]
PRICES = [Bars.open, Bars.high, Bars.low, Bars.close]


def adjusted(traded: pd.DataFrame) -> pd.DataFrame:
    """What a vendor makes of the bars: each split divides all that came before it, one split after the other."""
    bars = traded.copy()
    for row in traded[traded[Bars.split] != 1].itertuples():
        before = (bars[Bars.symbol] == row.symbol) & (bars[Bars.session] < row.session)
        bars.loc[before, [*PRICES, Bars.dividend]] /= row.split
        bars.loc[before, Bars.volume] *= row.split
    return bars


@st.composite
def traded_bars(draw: st.DrawFn) -> pd.DataFrame:
    """Two symbols over 12 sessions with splits and dividends anywhere; volumes that a split leaves whole."""
    bars = clean_bars(pd.bdate_range("2020-08-17", periods=12), ["AAPL", "TSLA"], seed=draw(st.integers(0, 5)))
    rows = st.lists(st.integers(0, len(bars) - 1), max_size=6, unique=True)
    split, paid = draw(rows), draw(rows)
    bars.loc[split, Bars.split] = [draw(st.sampled_from(RATIOS)) for _ in split]
    bars.loc[paid, Bars.dividend] = 0.82
    return bars


@given(traded_bars(), st.permutations(range(24)))
@settings(max_examples=60, deadline=None)
def test_what_the_vendor_adjusted_comes_back_as_traded_in_any_order_of_rows(bars: pd.DataFrame, order: list[int]) -> None:
    sent = adjusted(bars).iloc[order].reset_index(drop=True)
    expected = bars.iloc[order].reset_index(drop=True)
    pd.testing.assert_frame_equal(unsplit(sent), expected, rtol=1e-12)


def test_apple_at_its_split_of_2020() -> None:
    """Tiingo's record of 2020-08-28, as traded: close 499.23, volume 46,907,479; adjusted for the split 187,629,916."""
    sent = pd.DataFrame(
        {
            Bars.session: pd.to_datetime(["2020-08-07", "2020-08-28", "2020-08-31"]),
            Bars.symbol: "AAPL",
            **{column: [111.1125, 124.8075, 129.04] for column in PRICES},
            Bars.volume: [198_045_612.0, 187_629_916.0, 225_702_700.0],
            Bars.dividend: [0.205, 0.0, 0.0],
            Bars.split: [1.0, 1.0, 4.0],
        }
    )
    raw = unsplit(sent)
    assert raw[Bars.close].to_list() == pytest.approx([444.45, 499.23, 129.04], rel=1e-12)
    assert raw[Bars.volume].to_list() == [49_511_403, 46_907_479, 225_702_700]
    assert raw[Bars.dividend].to_list() == pytest.approx([0.82, 0.0, 0.0], rel=1e-12)
    assert raw[Bars.split].to_list() == [1.0, 1.0, 4.0]


def test_a_split_of_one_symbol_leaves_the_other_alone() -> None:
    bars = clean_bars(pd.bdate_range("2020-08-17", periods=3), ["AAPL", "MSFT"], seed=1)
    bars.loc[4, Bars.split] = 4.0  # AAPL, the last session
    raw = unsplit(bars)
    other = bars[Bars.symbol] == "MSFT"
    pd.testing.assert_frame_equal(raw[other], bars[other])
    assert np.allclose(raw.loc[[0, 2, 4], Bars.close] / bars.loc[[0, 2, 4], Bars.close], [4.0, 4.0, 1.0])


def test_the_frame_that_was_given_stays_as_it_is_and_no_rows_stay_none() -> None:
    bars = clean_bars(pd.bdate_range("2020-08-17", periods=3), ["AAPL"], seed=1)
    bars.loc[2, Bars.split] = 2.0
    kept = bars.copy(deep=True)
    unsplit(bars)
    pd.testing.assert_frame_equal(bars, kept)
    pd.testing.assert_frame_equal(unsplit(bars.iloc[:0]), bars.iloc[:0])


def test_values_that_are_missing_stay_missing() -> None:
    bars = clean_bars(pd.bdate_range("2020-08-17", periods=3), ["AAPL"], seed=1)
    bars.loc[2, Bars.split] = 2.0
    bars.loc[0, [*PRICES, Bars.volume]] = np.nan
    raw = unsplit(bars)
    assert raw.loc[0, [*PRICES, Bars.volume]].isna().all()
    assert raw.loc[1, Bars.close] == 2 * bars.loc[1, Bars.close]
