"""Panels, forward adjustment and the feature matrix, on bars made by hand."""

from dataclasses import fields
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightdesk.errors import Misconfigured
from nightdesk.features.matrix import FEATURES, feature_matrix, require_features
from nightdesk.features.panels import Panels, adjusted_bars, forward_adjusted, panels
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars
from schemas.features import Features
from tests.bars import clean_bars

SESSIONS = exchange_sessions("XNYS").between(date(2015, 1, 2), date(2015, 3, 31))


def flat_bars(closes: list[float], splits: list[float], dividends: list[float], symbol: str = "AAA") -> pd.DataFrame:
    """Bars that open and close at one price."""
    price = np.array(closes)
    columns = {Bars.open: price, Bars.high: price, Bars.low: price, Bars.close: price, Bars.volume: 800.0}
    keys = {Bars.session: SESSIONS[: len(closes)], Bars.symbol: symbol}
    return pd.DataFrame({**keys, **columns, Bars.dividend: dividends, Bars.split: splits})


def adjusted_closes(bars: pd.DataFrame) -> list[float]:
    return [float(value) for value in adjusted_bars(bars)[Bars.close]]


def test_split_of_four_for_one_leaves_no_jump() -> None:
    bars = flat_bars([400.0, 404.0, 101.0, 102.0], splits=[1, 1, 4, 1], dividends=[0.0] * 4)
    assert adjusted_closes(bars) == pytest.approx([400.0, 404.0, 404.0, 408.0], rel=1e-15)
    assert adjusted_bars(bars)[Bars.volume].tolist() == [800.0, 800.0, 200.0, 200.0]


def test_dividend_is_as_if_reinvested_at_the_close_before_its_ex_date() -> None:
    # 2 paid on a close of 100: the ex-price 98 is worth 100 again
    bars = flat_bars([100.0, 98.0, 99.96], splits=[1, 1, 1], dividends=[0.0, 2.0, 0.0])
    assert adjusted_closes(bars) == pytest.approx([100.0, 100.0, 102.0], rel=1e-15)
    assert adjusted_bars(bars)[Bars.volume].tolist() == [800.0] * 3


def test_split_and_dividend_of_one_session_use_the_new_shares() -> None:
    # 400 becomes four of 100, each pays 1 and opens at 99
    bars = flat_bars([400.0, 99.0], splits=[1, 4], dividends=[0.0, 1.0])
    assert adjusted_closes(bars) == pytest.approx([400.0, 400.0], rel=1e-15)


def test_actions_of_the_first_session_change_nothing() -> None:
    bars = flat_bars([100.0, 110.0], splits=[1, 1], dividends=[5.0, 0.0])
    assert adjusted_closes(bars) == [100.0, 110.0]


def test_dividend_after_a_session_without_a_bar_is_measured_on_the_last_close() -> None:
    other = flat_bars([10.0, 10.0, 10.0], splits=[1, 1, 1], dividends=[0.0] * 3, symbol="BBB")
    bars = flat_bars([100.0, 50.0, 98.0], splits=[1, 1, 1], dividends=[0.0, 0.0, 2.0]).drop(index=1)
    both = pd.concat([bars, other]).sort_values([Bars.session, Bars.symbol], ignore_index=True)
    adjusted = adjusted_bars(both)
    assert adjusted[adjusted[Bars.symbol] == "AAA"][Bars.close].tolist() == pytest.approx([100.0, 100.0], rel=1e-15)
    assert adjusted[adjusted[Bars.symbol] == "BBB"][Bars.close].tolist() == [10.0] * 3


def test_adjusted_bars_keep_rows_order_and_the_actions_are_used_up() -> None:
    bars = clean_bars(SESSIONS, ["AAA", "BBB"], seed=1).drop(index=[5, 8]).reset_index(drop=True)
    bars.loc[10, Bars.split] = 2.0
    bars.loc[13, Bars.dividend] = 0.5
    adjusted = adjusted_bars(bars)
    keys = [Bars.session, Bars.symbol]
    pd.testing.assert_frame_equal(adjusted[keys], bars[keys])
    assert (adjusted[Bars.split] == 1.0).all() and (adjusted[Bars.dividend] == 0.0).all()
    Bars.validate(adjusted)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    at=st.integers(1, len(SESSIONS) - 1),
    split=st.sampled_from([0.1, 0.5, 1.0, 1.5, 4.0]),
    dividend=st.floats(0.0, 5.0),
)
def test_an_action_changes_no_adjusted_value_before_it_and_keeps_the_true_total_return(
    seed: int, at: int, split: float, dividend: float
) -> None:
    bars = clean_bars(SESSIONS, ["AAA"], seed)
    acted = bars.copy()
    acted.loc[at, [Bars.split, Bars.dividend]] = [split, dividend]
    before, after = adjusted_bars(bars), adjusted_bars(acted)
    pd.testing.assert_frame_equal(after.iloc[:at], before.iloc[:at], check_exact=True)
    # one share at the close before is `split` shares, each of which paid; the cash buys more at the close of the ex-date's eve
    yesterday, today = float(bars[Bars.close][at - 1]), float(bars[Bars.close][at])
    ex_price = yesterday / split - dividend
    true_return = today / ex_price
    assert float(after[Bars.close][at] / after[Bars.close][at - 1]) == pytest.approx(true_return, rel=1e-12)
    later = after[Bars.close] / before[Bars.close]
    assert later[at:].to_numpy() == pytest.approx(later[at], rel=1e-12)


def test_later_bars_change_no_earlier_feature() -> None:
    bars = clean_bars(SESSIONS, ["AAA", "BBB"], seed=2)
    bars.loc[30, Bars.split] = 3.0
    bars.loc[41, Bars.dividend] = 1.0
    whole = feature_matrix(forward_adjusted(panels(bars)), list(FEATURES), ["AAA", "BBB"])
    for stop in (1, 15, 16, 20, 21, 40):
        known = bars[bars[Bars.session] < SESSIONS[stop]]
        part = feature_matrix(forward_adjusted(panels(known)), list(FEATURES), ["AAA", "BBB"])
        pd.testing.assert_frame_equal(part, whole.iloc[: len(part)], check_exact=True)


def test_panels_have_sessions_down_and_symbols_across() -> None:
    bars = clean_bars(SESSIONS, ["BBB", "AAA"], seed=3).drop(index=4).reset_index(drop=True)
    made = panels(bars)
    for field in fields(Panels):
        panel = getattr(made, field.name)
        assert panel.index.tolist() == list(SESSIONS)
        assert panel.columns.tolist() == ["AAA", "BBB"]
        assert panel.isna().to_numpy().nonzero()[0].tolist() == [2]
    assert np.isnan(made.open.loc[SESSIONS[2], "AAA"])
    assert made.close.loc[SESSIONS[3], "BBB"] == bars[Bars.close][6]


def test_features_are_what_their_names_say() -> None:
    bars = flat_bars([100.0, 100.0], splits=[1, 1], dividends=[0.0, 0.0])
    bars[[Bars.open, Bars.high, Bars.low]] = [[99.0, 103.0, 98.0], [102.0, 104.0, 97.5]]
    matrix = feature_matrix(panels(bars), ["high_minus_low", "open_minus_close"], ["AAA"])
    assert matrix.columns.tolist() == [Features.session, Features.symbol, "high_minus_low", "open_minus_close"]
    assert matrix["open_minus_close"].tolist() == [-1.0, 2.0]
    assert matrix["high_minus_low"].tolist() == [5.0, 6.5]
    Features.validate(matrix)


def test_matrix_has_a_row_for_each_bar_of_the_symbols_asked_for_and_no_other() -> None:
    bars = clean_bars(SESSIONS, ["AAA", "BBB", "CCC"], seed=4).drop(index=[3, 7]).reset_index(drop=True)
    matrix = feature_matrix(panels(bars), list(FEATURES), ["BBB", "AAA"])
    wanted = bars[bars[Bars.symbol].isin(["AAA", "BBB"])]
    keys = [Features.session, Features.symbol]
    assert sorted(matrix[keys].itertuples(index=False, name=None)) == sorted(
        wanted[[Bars.session, Bars.symbol]].itertuples(index=False, name=None)
    )
    assert not matrix.isna().to_numpy().any()


def test_rows_of_the_matrix_are_sorted_by_session_and_symbol_whatever_order_was_asked() -> None:
    bars = clean_bars(SESSIONS[:5], ["AAA", "BBB"], seed=5)
    matrix = feature_matrix(panels(bars), list(FEATURES), ["BBB", "AAA"])
    pd.testing.assert_frame_equal(matrix, matrix.sort_values([Features.session, Features.symbol], ignore_index=True))


def test_unknown_feature_is_refused_with_those_that_exist() -> None:
    with pytest.raises(Misconfigured) as refusal:
        require_features(["high_minus_low", "tomorrow"])
    assert refusal.value.message.startswith("features.columns was 'tomorrow', allowed: open_minus_close, high_minus_low, an ind")
