"""Purged folds in time: published index sets, and the definition of purging and embargo for every set of labels."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightdesk.errors import BadData, Misconfigured
from nightdesk.learning.cross_validation import purged_folds

TWELVE = np.arange(12)


@pytest.mark.parametrize(
    ("horizon", "embargo", "trains"),
    [
        (0, 0, [[8, 9, 10, 11], [4, 5, 6, 7], [0, 1, 2, 3]]),
        (1, 0, [[9, 10, 11], [5, 6], [0, 1, 2]]),
        (0, 1, [[9, 10, 11], [5, 6, 7], [0, 1, 2, 3]]),
    ],
)
def test_index_sets_are_those_that_skfolio_publishes(horizon: int, embargo: int, trains: list[list[int]]) -> None:
    """skfolio c06db84, tests/test_model_selection/test_combinatorial.py (BSD). A purge of 1 there is a label of one session."""
    folds = purged_folds(TWELVE, TWELVE + horizon, 3, n_test_folds=2, embargo_sessions=embargo)
    assert [fold.train.tolist() for fold in folds] == trains
    quarters = [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
    assert [[test.tolist() for test in fold.tests] for fold in folds] == [[quarters[i] for i in fold.folds] for fold in folds]
    assert [fold.folds for fold in folds] == [(0, 1), (0, 2), (1, 2)]
    assert [fold.paths for fold in folds] == [(0, 0), (1, 0), (1, 1)]


def test_path_ids_of_five_folds_are_those_that_skfolio_publishes() -> None:
    folds = purged_folds(TWELVE, TWELVE, 5, n_test_folds=2)
    assert [fold.paths for fold in folds] == [
        (0, 0), (1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (3, 1), (2, 2), (3, 2), (3, 3),
    ]  # fmt: skip


def test_purge_and_embargo_together_are_those_that_skfolio_computes() -> None:
    """skfolio 1.12.2, CombinatorialPurgedCV(n_folds=6, n_test_folds=2, purged_size=2, embargo_size=3) over 60 rows."""
    rows = np.arange(60)
    folds = purged_folds(rows, rows + 2, 6, n_test_folds=2, embargo_sessions=3)
    assert folds[1].folds == (0, 2) and folds[1].train.tolist() == [15, 16, 17, *range(35, 60)]
    assert folds[4].folds == (0, 5) and folds[4].train.tolist() == list(range(15, 48))
    assert folds[5].folds == (1, 2) and folds[5].train.tolist() == [*range(8), *range(35, 60)]


@pytest.mark.parametrize(("n", "k", "splits", "paths"), [(6, 2, 15, 5), (10, 2, 45, 9), (5, 2, 10, 4), (7, 1, 7, 1)])
def test_splits_and_paths_are_as_many_as_the_book_says(n: int, k: int, splits: int, paths: int) -> None:
    """Lopez de Prado 2018, Advances in Financial Machine Learning, 12.4.1."""
    folds = purged_folds(np.arange(40), np.arange(40) + 1, n, n_test_folds=k)
    assert len(folds) == splits
    assert {path for fold in folds for path in fold.paths} == set(range(paths))
    for path in range(paths):
        tested = [test for fold in folds for test, of in zip(fold.tests, fold.paths, strict=True) if of == path]
        assert sorted(np.concatenate(tested).tolist()) == list(range(40))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_what_trains_is_what_the_definition_leaves_over(data: st.DataObject) -> None:
    """Row by row against every tested row: closed intervals that touch, and starts within the embargo."""
    n = data.draw(st.integers(8, 30))
    sessions = np.sort(data.draw(st.lists(st.integers(0, 25), min_size=n, max_size=n)))
    if len(set(sessions.tolist())) < 4:
        return
    lengths = np.array(data.draw(st.lists(st.integers(0, 6), min_size=n, max_size=n)))
    order = np.random.default_rng(n).permutation(n)
    starts, ends = sessions[order], (sessions + lengths)[order]
    k, embargo = data.draw(st.integers(1, 2)), data.draw(st.integers(0, 3))
    grid = np.unique(np.concatenate([starts, ends]))
    start, end = np.searchsorted(grid, starts), np.searchsorted(grid, ends)
    for fold in purged_folds(starts, ends, 4, n_test_folds=k, embargo_sessions=embargo):
        tested = np.concatenate(fold.tests)
        touched = ((start[:, None] <= end[tested]) & (end[:, None] >= start[tested])).any(axis=1)
        for test in fold.tests:
            touched |= (start > end[test].max()) & (start <= end[test].max() + embargo)
        assert fold.train.tolist() == np.flatnonzero(~touched).tolist()
        assert set(fold.train.tolist()).isdisjoint(tested.tolist())


def test_rows_of_a_session_stay_in_one_fold_and_dates_serve_as_sessions() -> None:
    days = pd.bdate_range("2020-01-06", periods=13)
    starts, ends = np.repeat(days[:12], 2), np.repeat(days[1:], 2)
    folds = purged_folds(starts, ends, 3, n_test_folds=2)
    assert [(fold.train // 2).tolist() for fold in folds] == [[9, 9, 10, 10, 11, 11], [5, 5, 6, 6], [0, 0, 1, 1, 2, 2]]


def test_folds_are_as_equal_as_can_be() -> None:
    folds = purged_folds(np.arange(11), np.arange(11), 4)
    assert [len(fold.tests[0]) for fold in folds] == [3, 3, 3, 2]


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"n_folds": 1}, "n_folds was 1"),
        ({"n_folds": 3, "n_test_folds": 3}, "n_test_folds was 3, allowed: 1 to 2"),
        ({"n_folds": 3, "embargo_sessions": -1}, "embargo_sessions was -1"),
        ({"n_folds": 50, "n_test_folds": 25}, "make 126,410,606,437,752 splits"),
    ],
)
def test_numbers_out_of_range_are_refused(arguments: dict[str, int], sentence: str) -> None:
    with pytest.raises(Misconfigured, match=sentence):
        purged_folds(TWELVE, TWELVE, **arguments)  # type: ignore[arg-type]  # keywords by name


@pytest.mark.parametrize(
    ("starts", "ends", "sentence"),
    [
        (TWELVE, TWELVE - 1, "row 0 starts at 0 and ends before it, at -1"),
        (TWELVE, TWELVE[:5], "one of each a row"),
        (TWELVE, np.where(TWELVE == 3, np.nan, TWELVE), "1 starts or ends of labels were missing"),
        (TWELVE * 0, TWELVE, "start in 1 sessions, allowed: 3 or more"),
    ],
)
def test_labels_that_cannot_be_folded_are_refused(starts: np.ndarray, ends: np.ndarray, sentence: str) -> None:
    with pytest.raises(BadData, match=sentence):
        purged_folds(starts, ends, 3)
