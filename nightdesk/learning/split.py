"""Splits in time that keep the future out of the training part."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from schemas.labels import Labels


@dataclass(frozen=True)
class Split:
    """Boolean masks over the rows of the labels, and the first and last session of each part (None where it is empty)."""

    train: NDArray[np.bool_]
    test: NDArray[np.bool_]
    train_first: date | None
    train_last: date | None
    test_first: date | None
    test_last: date | None


def purged_split(labels: pd.DataFrame, train_fraction: float) -> Split:
    """The first int(train_fraction * n) of the n distinct labelled sessions to train on, the rest to test.

    A row before the first test session trains only if its `label_end` is before that session too: two closed intervals
    that touch share a price (Lopez de Prado, Advances in Financial Machine Learning, ch. 7).
    """
    session, label_end = labels[Labels.session].to_numpy(), labels[Labels.label_end].to_numpy()
    sessions = np.unique(session)
    if not len(sessions):
        nothing = np.zeros(0, dtype=bool)
        return Split(nothing, nothing, None, None, None, None)
    first_test = sessions[int(train_fraction * len(sessions))]
    train, test = label_end < first_test, session >= first_test
    return Split(train, test, *_first_and_last(session[train]), *_first_and_last(session[test]))


def _first_and_last(sessions: NDArray[np.datetime64]) -> tuple[date | None, date | None]:
    if not len(sessions):
        return None, None
    return pd.Timestamp(sessions.min()).date(), pd.Timestamp(sessions.max()).date()
