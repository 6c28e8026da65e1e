"""Labels: which two prices, which rows, how far they look ahead."""

import numpy as np
import pandas as pd
import pytest
from bars import clean_bars
from hypothesis import given
from hypothesis import strategies as st

from nightdesk.learning.labels import labels
from schemas.bars import Bars
from schemas.labels import Labels
from schemas.learnt import Target

SESSIONS = pd.date_range("2020-01-06", periods=5, freq="B").as_unit("ns")


def bars(opens: list[float], closes: list[float]) -> pd.DataFrame:
    frame = clean_bars(SESSIONS[: len(opens)], ["AAA"], seed=0)
    return frame.assign(**{Bars.open: opens, Bars.close: closes})


def said(frame: pd.DataFrame) -> list[tuple[int, int, int]]:
    """(position of session, label, position of label_end), row by row."""
    return [(SESSIONS.get_loc(row.session), row.label, SESSIONS.get_loc(row.label_end)) for row in frame.itertuples(index=False)]


def test_close_up_compares_the_close_with_that_of_h_sessions_later() -> None:
    frame = bars(opens=[9, 9, 9, 9], closes=[10, 12, 11, 11])
    assert said(labels(frame, Target(name="close_up"))) == [(0, 1, 1), (1, 0, 2), (2, 0, 3)]
    assert said(labels(frame, Target(name="close_up", horizon_sessions=2))) == [(0, 1, 2), (1, 0, 3)]


def test_open_up_starts_at_the_next_open() -> None:
    frame = bars(opens=[50, 10, 12, 11, 13], closes=[1, 1, 1, 1, 1])
    assert said(labels(frame, Target(name="open_up"))) == [(0, 1, 2), (1, 0, 3), (2, 1, 4)]
    assert said(labels(frame, Target(name="open_up", horizon_sessions=3))) == [(0, 1, 4)]


def test_symbols_do_not_see_one_another_and_the_rows_are_sorted_by_session_then_symbol() -> None:
    frame = clean_bars(SESSIONS, ["BBB", "AAA"], seed=3)
    both = Labels.validate(labels(frame, Target(name="close_up")))
    alone = [labels(frame[frame[Bars.symbol] == symbol], Target(name="close_up")) for symbol in ("AAA", "BBB")]
    expected = pd.concat(alone).sort_values([Labels.session, Labels.symbol], ignore_index=True)
    pd.testing.assert_frame_equal(both, expected)


@pytest.mark.parametrize(("name", "with_gap", "without"), [("close_up", [0, 3], [0, 1, 2, 3]), ("open_up", [], [0, 1, 2])])
def test_a_missing_bar_takes_its_own_label_and_those_that_need_it(name: str, with_gap: list[int], without: list[int]) -> None:
    frame = clean_bars(SESSIONS, ["AAA", "BBB"], seed=4)
    gap = frame[~((frame[Bars.symbol] == "AAA") & (frame[Bars.session] == SESSIONS[2]))]
    found = labels(gap, Target(name=name))
    assert [row[0] for row in said(found[found[Labels.symbol] == "AAA"])] == with_gap
    assert [row[0] for row in said(found[found[Labels.symbol] == "BBB"])] == without


@pytest.mark.parametrize("target", [Target(name="close_up", horizon_sessions=5), Target(name="open_up", horizon_sessions=4)])
def test_a_horizon_longer_than_the_bars_gives_no_label_but_a_valid_frame(target: Target) -> None:
    assert len(Labels.validate(labels(clean_bars(SESSIONS, ["AAA"], seed=5), target))) == 0


@given(seed=st.integers(0, 99), name=st.sampled_from(["close_up", "open_up"]), horizon=st.integers(1, 4), cut=st.integers(1, 19))
def test_a_label_never_looks_beyond_its_label_end(seed: int, name: str, horizon: int, cut: int) -> None:
    sessions = pd.date_range("2021-01-04", periods=20, freq="B").as_unit("ns")
    target = Target(name=name, horizon_sessions=horizon)
    frame = clean_bars(sessions, ["AAA", "BBB"], seed)
    later = frame[Bars.session] >= sessions[cut]
    prices = [Bars.open, Bars.close]
    changed = frame.assign(**{price: np.where(later, 1.0 / frame[price], frame[price]) for price in prices})
    before, after = labels(frame, target), labels(changed, target)
    settled = before[Labels.label_end] < sessions[cut]
    pd.testing.assert_frame_equal(before[settled], after[settled])
    whole = before[before[Labels.label_end] < sessions[cut]].reset_index(drop=True)
    pd.testing.assert_frame_equal(labels(frame[~later], target), whole)
