"""What every trial is judged on: the rows, folds and prices before the hold-out. Nothing of the hold-out is in it."""

import hashlib
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nightdesk.backtest.rows import Floats, Rows, labelled_rows
from nightdesk.day.engineer import strategy_features
from nightdesk.day.settle import benchmark_values, instrument_panel
from nightdesk.errors import Misconfigured
from nightdesk.features.panels import adjusted_bars
from nightdesk.learning.cross_validation import Fold, purged_folds
from nightdesk.learning.labels import labels
from nightdesk.search.space import search_of
from schemas.bars import Bars
from schemas.learnt import Features
from schemas.strategy import Strategy

PRICES = {"opens": Bars.open, "closes": Bars.close, "dividends": Bars.dividend, "splits": Bars.split, "volumes": Bars.volume}


@dataclass(frozen=True, slots=True, eq=False)
class Ground:
    """`rows` have every feature of every alternative, known; `folds` split them. `sessions` are those from the first to the last
    tested one, `prices` (sessions x instruments) and `market` (returns of buying and holding) are by them.

    `fold_of` is the fold that each of `sessions` lies in. `sha256` names the rows.
    """

    rows: Rows
    folds: tuple[Fold, ...]
    sessions: pd.DatetimeIndex
    fold_of: NDArray[np.intp]
    prices: dict[str, Floats]
    market: Floats
    sha256: str

    def columns(self, names: tuple[str, ...]) -> Floats:
        """The features of these names, in their order."""
        return np.ascontiguousarray(self.rows.x[:, [self.rows.names.index(name) for name in names]])


def holdout_start(sessions: pd.DatetimeIndex, fraction: float) -> date:
    """The first session of the hold-out, the newest `fraction` of the sessions."""
    first: date = sessions[int((1 - fraction) * len(sessions))].date()
    return first


def ground_of(strategy: Strategy, bars: pd.DataFrame, holdout_first: date) -> Ground:
    """The ground of a strategy's search: labels that end before `holdout_first`, and prices up to there.

    Raises
    ------
    Misconfigured
        There is too little history for the folds, or the labels are all one.
    """
    search = search_of(strategy)
    seen = bars[bars[Bars.session] < pd.Timestamp(holdout_first)]
    rows = _rows(strategy, seen)
    folds = _folds(strategy, rows)
    tested = pd.DatetimeIndex(np.unique(rows.session).astype("datetime64[ns]"))
    every = pd.DatetimeIndex(seen[Bars.session].unique()).sort_values()
    sessions = every[(every >= tested[0]) & (every <= tested[-1])]
    begins = np.array([rows.session[fold.tests[0]].min() for fold in folds])
    held = benchmark_values(strategy, seen, sessions[0].date(), float(strategy.capital)).reindex(sessions).to_numpy()
    return Ground(
        rows=rows,
        folds=folds,
        sessions=sessions,
        fold_of=np.searchsorted(begins, sessions.to_numpy().astype("datetime64[D]"), side="right") - 1,
        prices={
            name: instrument_panel(strategy, seen, column).reindex(sessions).to_numpy(dtype=float)
            for name, column in PRICES.items()
        },
        market=returns_of(held),
        sha256=_sha256(rows, search.folds, search.embargo_sessions),
    )


def returns_of(equity: Floats) -> Floats:
    """Returns per session, 0 in the first."""
    return np.concatenate([[0.0], equity[1:] / equity[:-1] - 1])


def _rows(strategy: Strategy, bars: pd.DataFrame) -> Rows:
    search = search_of(strategy)
    signals = sorted({row.signal for row in strategy.market.instruments})
    names = dict.fromkeys([*strategy.features.columns, *(name for columns in search.features for name in columns)])
    every = strategy.model_copy(update={"features": Features(columns=tuple(names))})
    features = strategy_features(every, bars)
    target = labels(adjusted_bars(bars[bars[Bars.symbol].isin(signals)]), strategy.target)
    rows = labelled_rows(features, target)
    unknown = np.asarray(np.isnan(rows.x))
    known: NDArray[np.bool_] = np.asarray(~unknown.any(axis=1))
    if not known.any():
        counts = ", ".join(f"{name} in {int(n)}" for name, n in zip(rows.names, unknown.sum(axis=0), strict=True) if n)
        raise Misconfigured(f"No row before the hold-out has all its features: of {len(known)} rows NaN are {counts or 'none'}.")
    kept = Rows(rows.names, rows.session[known], rows.symbol[known], rows.x[known], rows.label[known], rows.label_end[known])
    if len(np.unique(kept.label)) < 2:
        raise Misconfigured(f"The {len(kept.label)} labels before the hold-out are all {kept.label[0]}: nothing can be learnt.")
    return kept


def _folds(strategy: Strategy, rows: Rows) -> tuple[Fold, ...]:
    search, needed = search_of(strategy), strategy.model.min_train_sessions
    count = len(np.unique(rows.session))
    folds = (
        purged_folds(rows.session, rows.label_end, search.folds, embargo_sessions=search.embargo_sessions)
        if count >= search.folds
        else []
    )
    fewest = min((len(np.unique(rows.session[fold.train])) for fold in folds), default=0)
    if fewest < needed:
        raise Misconfigured(
            f"{count} labelled sessions before the hold-out are too few: one of {search.folds} folds trains on {fewest}, "
            f"model.min_train_sessions is {needed}."
        )
    return tuple(folds)


def _sha256(rows: Rows, folds: int, embargo_sessions: int) -> str:
    digest = hashlib.sha256(f"{folds} {embargo_sessions} {rows.names}".encode())
    columns: tuple[NDArray[Any], ...] = (
        rows.session.astype("int64"),
        rows.label_end.astype("int64"),
        rows.symbol.astype("<U16"),
        rows.x,
        rows.label,
    )
    for column in columns:
        digest.update(np.ascontiguousarray(column).tobytes())
    return digest.hexdigest()
