"""Folds in time for a search: what is tested touches nothing that was trained on.

Source: Lopez de Prado 2018, Advances in Financial Machine Learning, ch. 7 (purging, embargo) and 12 (combinatorial).
"""

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nightdesk.errors import BadData, Misconfigured

Rows = NDArray[np.intp]

MAX_SPLITS = 100_000


@dataclass(frozen=True)
class Fold:
    """One split: rows to train on, rows to test by fold, which folds those are, and the path each belongs to.

    The rows of `tests[i]` are those of fold `folds[i]`, in the order given. A path has each fold tested once: the tests that
    bear its id, put together, cover the whole record.
    """

    train: Rows
    tests: tuple[Rows, ...]
    folds: tuple[int, ...]
    paths: tuple[int, ...]


def purged_folds(
    starts: ArrayLike, ends: ArrayLike, n_folds: int, *, n_test_folds: int = 1, embargo_sessions: int = 0
) -> list[Fold]:
    """Splits of rows by label interval [start, end], in any order of rows; one fold tested: purged k-fold, more: combinatorial.

    Folds are runs of consecutive sessions in which a label starts, as equal in number as can be (the first ones have one more).
    A row trains if its closed interval touches none of the tested rows' intervals (two that touch share a price) and if it does
    not start within `embargo_sessions` after the last label end of a tested fold; sessions are those in which a label starts or
    ends. A split without rows to train on has an empty `train`.

    Raises
    ------
    Misconfigured
        A number is out of range.
    BadData
        A start or end is missing, a label ends before it starts, or there are fewer sessions than folds.
    """
    splits = _checked_splits(n_folds, n_test_folds, embargo_sessions)
    begin, finish = _positions(np.asarray(starts), np.asarray(ends))
    fold = _fold_of_each(begin, n_folds)
    touching = _touched_by_fold(begin, finish, fold, n_folds, embargo_sessions)
    rows = [np.flatnonzero(fold == number) for number in range(n_folds)]
    tested_before = [0] * n_folds
    made = []
    for folds in splits:
        train = np.flatnonzero(~touching[list(folds)].any(axis=0))
        paths = tuple(tested_before[number] for number in folds)
        for number in folds:
            tested_before[number] += 1
        made.append(Fold(train, tuple(rows[number] for number in folds), folds, paths))
    return made


def _checked_splits(n_folds: int, n_test_folds: int, embargo_sessions: int) -> Iterator[tuple[int, ...]]:
    if n_folds < 2:
        raise Misconfigured.value("n_folds", n_folds, "2 or more")
    if not 1 <= n_test_folds < n_folds:
        raise Misconfigured.value("n_test_folds", n_test_folds, f"1 to {n_folds - 1}")
    if embargo_sessions < 0:
        raise Misconfigured.value("embargo_sessions", embargo_sessions, "0 or more")
    n_splits = math.comb(n_folds, n_test_folds)
    if n_splits > MAX_SPLITS:
        raise Misconfigured(f"{n_test_folds} of {n_folds} folds make {n_splits:,} splits, allowed: up to {MAX_SPLITS:,}.")
    return itertools.combinations(range(n_folds), n_test_folds)


def _positions(starts: NDArray[Any], ends: NDArray[Any]) -> tuple[Rows, Rows]:
    """Of each start and end its place among all sessions that are one or the other."""
    if starts.shape != ends.shape or starts.ndim != 1:
        raise BadData(f"The label starts had the shape {starts.shape} and the ends {ends.shape}, allowed: one of each a row.")
    missing = int((starts != starts).sum() + (ends != ends).sum())  # NaN and NaT differ from themselves
    if missing:
        raise BadData(f"{missing} starts or ends of labels were missing, allowed: none.")
    if (ends < starts).any():
        first = int(np.argmax(ends < starts))
        raise BadData(f"The label of row {first} starts at {starts[first]} and ends before it, at {ends[first]}.")
    _, place = np.unique(np.concatenate([starts, ends]), return_inverse=True)
    return place[: len(starts)], place[len(starts) :]


def _fold_of_each(begin: Rows, n_folds: int) -> Rows:
    sessions, session = np.unique(begin, return_inverse=True)
    if len(sessions) < n_folds:
        raise BadData(f"The labels start in {len(sessions)} sessions, allowed: {n_folds} or more for {n_folds} folds.")
    size, larger = divmod(len(sessions), n_folds)
    sizes = np.full(n_folds, size)
    sizes[:larger] += 1
    return np.asarray(np.repeat(np.arange(n_folds), sizes)[session], dtype=np.intp)


def _touched_by_fold(begin: Rows, finish: Rows, fold: Rows, n_folds: int, embargo_sessions: int) -> NDArray[np.bool_]:
    """For each fold a row of flags: tested in it, touching it, or within the embargo after it.

    A fold holds every row that starts between its first and last session, so its intervals leave no gap that a label
    could start in: touching one of them is touching their hull.
    """
    first = np.array([begin[fold == number].min() for number in range(n_folds)])
    last = np.array([finish[fold == number].max() for number in range(n_folds)]) + embargo_sessions
    overlaps = (begin >= first[:, None]) & (begin <= last[:, None])
    reaches = (begin < first[:, None]) & (finish >= first[:, None])
    return np.asarray(overlaps | reaches)
