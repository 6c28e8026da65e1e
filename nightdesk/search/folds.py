"""One draw on all folds: a fit for each fold, from the cache or made, judged at every threshold without another fit."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache as once
from importlib.metadata import version
from pathlib import Path
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray

from nightdesk.backtest.fits import FitCache, FitFacts, Made
from nightdesk.backtest.rows import PACKAGES, Floats
from nightdesk.learning import estimator
from nightdesk.learning.estimator import new_estimator
from nightdesk.learning.predictions import DOWN, UP
from nightdesk.portfolio.history import simulate
from nightdesk.search.ground import Ground, returns_of
from nightdesk.signals.long_flat import equal_weights, sides
from schemas.strategy import Strategy

BOUNDARY = {"margin": 0.0, "probability": 0.5, "class": 0.5}
"""Above these scores a classifier says "up": what no threshold means."""


@dataclass(frozen=True, slots=True, eq=False)
class Judged:
    """A draw at its thresholds, a row each: `up` (1 up, 0 not) by row of the ground, NaN where no fold has tested it, and the
    `returns` after costs by session. `accuracy` is thresholds x folds, NaN for a fold that was not fitted."""

    up: Floats
    returns: Floats
    accuracy: Floats


def fold_fits(strategy: Strategy, ground: Ground, cache: FitCache, at_once: int, workers: int) -> Iterator[Made]:
    """The fit of each fold in turn, `at_once` of them made before the first is given; those that the cache lacks are made.

    A fit whose status is "degenerate" has said nothing, and has its reason.
    """
    x = ground.columns(strategy.features.columns)
    keys = fit_keys(strategy, ground)
    for first in range(0, len(keys), at_once):
        part = range(first, min(first + at_once, len(keys)))
        found = {number: made for number in part if (made := cache.load_fit(keys[number])) is not None}
        missing = [number for number in part if number not in found]
        calls = [joblib.delayed(_kept)(cache, keys[number], ground, number, x, strategy) for number in missing]
        found |= zip(missing, joblib.Parallel(n_jobs=min(workers, max(1, len(missing))))(calls), strict=True)
        yield from (found[number] for number in part)


def fit_keys(strategy: Strategy, ground: Ground) -> list[str]:
    """SHA-256 for each fold over all that its fit depends on: our code, the libraries, the parameters, the rows and the fold."""
    told: dict[str, Any] = {
        "model": strategy.model.model_dump(mode="json", include={"estimator", "params", "scaler"}),
        "columns": strategy.features.columns,
        "rows": ground.sha256,
        "made_by": _made_by(),
    }
    recipe = json.dumps(told, sort_keys=True)
    return [hashlib.sha256(f"{recipe} fold {number}".encode()).hexdigest() for number in range(len(ground.folds))]


@once
def _made_by() -> list[list[str]]:
    """Hashes of our code that makes a fit, and the versions of the libraries."""
    code = [hashlib.sha256(Path(str(file)).read_bytes()).hexdigest() for file in (estimator.__file__, __file__)]
    return [code, [version(name) for name in PACKAGES]]


def judged(strategy: Strategy, ground: Ground, fits: Sequence[Made], thresholds: Sequence[float | None]) -> Judged:
    """What the fits of the first folds say at each threshold, and what it would have earned after costs."""
    up = np.full((len(thresholds), len(ground.rows.session)), np.nan)
    side = up.copy()
    accuracy = np.full((len(thresholds), len(ground.folds)), np.nan)
    for number, made in enumerate(fits):
        tested = ground.folds[number].tests[0]
        boundary = BOUNDARY[made.facts.score_kind]
        limits = np.array([boundary if threshold is None else threshold for threshold in thresholds])
        up[:, tested] = made.scores > limits[:, None]
        for place, threshold in enumerate(thresholds):
            signal = strategy.signal.model_copy(update={"threshold": threshold})
            side[place, tested] = sides(up[place, tested], made.scores, made.facts.score_kind, signal)
        accuracy[:, number] = (up[:, tested] == ground.rows.label[tested]).mean(axis=1)
    returns = np.stack([_returns(strategy, ground, said) for said in side])
    returns[:, ground.fold_of >= len(fits)] = np.nan
    return Judged(up, returns, accuracy)


def fold_majorities(ground: Ground) -> NDArray[np.int64]:
    """What most of the training labels were in the fold that tests each row; up in a tie."""
    majority = np.empty(len(ground.rows.label), dtype=np.int64)
    for fold in ground.folds:
        majority[fold.tests[0]] = UP if ground.rows.label[fold.train].mean() >= 0.5 else DOWN
    return majority


def _kept(cache: FitCache, key: str, ground: Ground, number: int, x: Floats, strategy: Strategy) -> Made:
    made = _made(ground, number, x, strategy)
    cache.save_fit(key, made)
    return made


def _made(ground: Ground, number: int, x: Floats, strategy: Strategy) -> Made:
    rows, fold = ground.rows, ground.folds[number]
    train, test = fold.train, fold.tests[0]
    reason, scores, kind = _scores(strategy, x[train], rows.label[train], x[test])
    days = [str(day) for day in (*_span(rows.session[train]), *_span(rows.session[test]))]
    counts = {"n_train": float(len(train)), "n_test": float(len(test))}
    majority = UP if rows.label[train].mean() >= 0.5 else DOWN
    facts = FitFacts("degenerate" if reason else "passed", reason, counts, days[0], days[1], days[2], days[3], majority, kind)
    said = test[: len(scores)]
    predicted = (scores > BOUNDARY.get(kind, 0.0)).astype("int64")
    return Made(facts, rows.session[said], rows.symbol[said], x[said], predicted, scores)


def _scores(strategy: Strategy, x: Floats, y: NDArray[np.int64], tested: Floats) -> tuple[str, Floats, str]:
    """Why a fit has no scores, or its scores of the tested rows and their unit, as `predictions` has them."""
    if (y == y[0]).all():
        return f"the training labels are all {y[0]}", np.empty(0), "none"
    pipeline = new_estimator(strategy.model)
    try:
        pipeline.fit(x, y)
        if hasattr(pipeline, "decision_function"):
            scores, kind = pipeline.decision_function(tested), "margin"
        elif hasattr(pipeline, "predict_proba"):
            scores, kind = pipeline.predict_proba(tested)[:, list(pipeline.classes_).index(UP)], "probability"
        else:
            scores, kind = pipeline.predict(tested), "class"
    except ValueError as error:
        return f"the fit failed: {error}", np.empty(0), "none"
    if np.isnan(scores).any():
        return f"{int(np.isnan(scores).sum())} of {len(scores)} scores are NaN", np.empty(0), "none"
    return "", np.asarray(scores, dtype=np.float64), kind


def _returns(strategy: Strategy, ground: Ground, side: Floats) -> Floats:
    """Returns after costs by session of being long (1), short (-1) or out (0) of each row; out where no fold has tested, held
    where a row is missing."""
    symbols = np.unique(ground.rows.symbol)
    wanted = np.full((len(ground.sessions), len(symbols)), np.nan)
    row = np.searchsorted(ground.sessions.to_numpy().astype("datetime64[D]"), ground.rows.session)
    wanted[row, np.searchsorted(symbols, ground.rows.symbol)] = np.nan_to_num(side)
    traded = [int(np.searchsorted(symbols, one.signal)) for one in strategy.market.instruments]
    weights = equal_weights(wanted[:, traded])
    panels, capital = ground.prices, float(strategy.capital)
    made = simulate(
        weights,
        panels["opens"],
        panels["closes"],
        strategy.sizing,
        strategy.costs,
        capital,
        dividends=panels["dividends"],
        splits=panels["splits"],
        volumes=panels["volumes"],
    )
    return returns_of(made.equity)


def _span(sessions: NDArray[np.datetime64]) -> tuple[np.datetime64, np.datetime64]:
    return sessions.min(), sessions.max()
