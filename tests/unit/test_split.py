"""Splits in time: where the cut lies and what the purge takes."""

from datetime import date

import numpy as np
import pandas as pd
from hypothesis import given
from hypothesis import strategies as st

from nightdesk.learning.split import purged_split
from schemas.labels import Labels

SESSIONS = pd.date_range("2020-01-06", periods=30, freq="D").as_unit("ns")


def made_labels(n: int, horizon: int, symbols: tuple[str, ...] = ("AAA",)) -> pd.DataFrame:
    """Labels of the first `n` days, each `horizon` days long, for every symbol."""
    row = np.repeat(np.arange(n), len(symbols))
    return pd.DataFrame(
        {
            Labels.session: SESSIONS[row],
            Labels.symbol: np.tile(np.array(symbols), n),
            Labels.label: row % 2,
            Labels.label_end: SESSIONS[row + horizon],
        }
    )


def test_a_one_session_label_costs_one_row_at_the_cut() -> None:
    split = purged_split(made_labels(10, horizon=1), 0.8)
    assert np.flatnonzero(split.train).tolist() == [0, 1, 2, 3, 4, 5, 6]
    assert np.flatnonzero(split.test).tolist() == [8, 9]
    assert (split.train_first, split.train_last) == (date(2020, 1, 6), date(2020, 1, 12))
    assert (split.test_first, split.test_last) == (date(2020, 1, 14), date(2020, 1, 15))


def test_a_label_that_ends_on_the_first_test_session_touches_it_and_is_purged() -> None:
    labels = made_labels(6, horizon=1)
    labels[Labels.label_end] = SESSIONS[[1, 4, 2, 3, 5, 6]]  # row 1 ends at the first test session, row 3 before it
    assert np.flatnonzero(purged_split(labels, 0.7).train).tolist() == [0, 2, 3]


def test_longer_labels_cost_more_rows() -> None:
    assert np.flatnonzero(purged_split(made_labels(10, horizon=5), 0.8).train).tolist() == [0, 1, 2]


def test_the_cut_counts_sessions_not_rows_and_purges_every_symbol() -> None:
    split = purged_split(made_labels(10, 1, ("AAA", "BBB", "CCC")), 0.5)
    assert np.flatnonzero(split.train).tolist() == list(range(12))
    assert np.flatnonzero(split.test).tolist() == list(range(15, 30))


def test_a_part_without_rows_has_no_sessions() -> None:
    split = purged_split(made_labels(3, horizon=5), 0.5)
    assert (split.train.sum(), split.train_first, split.train_last) == (0, None, None)
    assert purged_split(made_labels(3, 1).iloc[:0], 0.5).test_first is None


@given(n=st.integers(1, 20), horizon=st.integers(1, 9), fraction=st.floats(0.01, 0.99), seed=st.integers(0, 9))
def test_no_training_label_reaches_the_test_part_in_any_order_of_rows(n: int, horizon: int, fraction: float, seed: int) -> None:
    labels = made_labels(n, horizon, ("AAA", "BBB"))
    split = purged_split(labels, fraction)
    order = np.random.default_rng(seed).permutation(len(labels))
    shuffled = purged_split(labels.iloc[order], fraction)
    assert (shuffled.train == split.train[order]).all() and (shuffled.test == split.test[order]).all()
    first_test = labels.loc[split.test, Labels.session].min()
    assert (labels.loc[split.train, Labels.label_end] < first_test).all()
    out = ~(split.train | split.test)
    assert (labels.loc[out, Labels.label_end] >= first_test).all() and (labels.loc[out, Labels.session] < first_test).all()
