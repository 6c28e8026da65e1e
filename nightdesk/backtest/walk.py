"""A strategy's fits and signals over a range of sessions, as the days of a new book would have them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd

from nightdesk.backtest.fits import FitCache, Made, Task, made_fits
from nightdesk.backtest.rows import Floats, Rows, fit_keys
from nightdesk.learning.champion import champion_of, is_due
from nightdesk.learning.drift import outlying
from nightdesk.signals.long_flat import equal_weights, sides
from schemas.strategy import Strategy

NONE = -1


@dataclass(frozen=True, slots=True)
class Attempted:
    """A fit with its cut-off."""

    cutoff: date
    made: Made

    @property
    def status(self) -> str:
        return self.made.facts.status

    @property
    def reason(self) -> str:
        return self.made.facts.reason


@dataclass(frozen=True, slots=True, eq=False)
class Walk:
    """What was decided at the close of each session.

    `champion` is, by session, the place in `fits` of the fit that traded, `NONE` where none might and `why` says why.
    `predicted` (1 up, 0 not) and `scores` are sessions x data symbols, NaN where nothing was predicted; `weights` sessions x
    instruments, NaN holds. `fits_made` of the fits were not in the cache.
    """

    sessions: pd.DatetimeIndex
    symbols: tuple[str, ...]
    fits: tuple[Attempted, ...]
    champion: np.ndarray
    why: tuple[str, ...]
    predicted: Floats
    scores: Floats
    weights: Floats
    fits_made: int


def due_cutoffs(sessions: Sequence[date], retrain: str) -> list[int]:
    """The places of the sessions at which a fit is due; the first session of a new book is one."""
    due: list[int] = []
    for place, session in enumerate(sessions):
        if is_due(sessions[due[-1]] if due else None, retrain, session):
            due.append(place)
    return due


def walk_forward(
    labelled: Rows,
    known: Rows,
    sessions: pd.DatetimeIndex,
    strategy: Strategy,
    cache: FitCache,
    tell: Callable[[int, int], None],
    on: str | None = None,
) -> Walk:
    """The fits due in `sessions`, each on the labels known at its cut-off, and the signals of the one that may trade.

    `labelled` are the rows to learn from, `known` those to predict on, both over the whole history; a row whose label ends after
    a cut-off is not learnt from. `tell` hears how many of how many fits are made that were not in the cache; they are
    made on this machine's cores, or by the Dask cluster whose scheduler is `on`. Raises `Misconfigured` where the strategy names
    no usable classifier.
    """
    model, gate = strategy.model, strategy.gate
    days = [stamp.date() for stamp in sessions]
    due = due_cutoffs(days, model.retrain)
    tasks = _tasks(labelled, known, sessions, due, strategy)
    counted = [0]

    def count(done: int, of: int) -> None:
        counted[0] = of
        tell(done, of)

    found = made_fits(tasks, cache, model, gate, count, on)
    fits = [Attempted(days[place], found[task.key]) for place, task in zip(due, tasks, strict=True)]
    champion, why = _champions(days, due, fits, strategy)
    dates, symbols = sessions.to_numpy().astype("datetime64[D]"), np.array(_signals(strategy))
    predicted, scores, side = np.full((3, len(days), len(symbols)), np.nan)
    for place, task in enumerate(tasks):
        responsible = np.flatnonzero(champion == place)
        if len(responsible):
            fits[place] = _asked(fits[place], task, sessions[responsible[-1]], cache, strategy)
            made = fits[place].made
            asked = _ordinary(made, known, strategy)
            _fill(predicted, scores, made, asked, responsible, dates, symbols)
            said = predicted[responsible], scores[responsible]
            side[responsible] = sides(*said, made.facts.score_kind, strategy.signal)
    side[champion == NONE] = 0.0  # no model may trade: everything is closed
    weights = equal_weights(_of_instruments(side, strategy))
    return Walk(sessions, _signals(strategy), tuple(fits), champion, tuple(why), predicted, scores, weights, counted[0])


def _signals(strategy: Strategy) -> tuple[str, ...]:
    return tuple(sorted({row.signal for row in strategy.market.instruments}))


def _of_instruments(by_symbol: Floats, strategy: Strategy) -> Floats:
    symbols = _signals(strategy)
    return by_symbol[:, [symbols.index(row.signal) for row in strategy.market.instruments]]


def _tasks(labelled: Rows, known: Rows, sessions: pd.DatetimeIndex, due: list[int], strategy: Strategy) -> list[Task]:
    days = sessions.to_numpy().astype("datetime64[D]")
    keys = fit_keys(labelled, [days[place] for place in due], strategy.model, strategy.gate)
    oldest = strategy.model.max_age_sessions
    return [
        Task(
            key=key,
            known=labelled.part(0, labelled.known_at(days[place])),
            later=known.between(days[place], days[min(place + oldest, len(days) - 1)]),
            lasting=place + oldest >= len(days),
            horizon_sessions=strategy.target.horizon_sessions,
        )
        for key, place in zip(keys, due, strict=True)
    ]


def _champions(days: list[date], due: list[int], fits: Sequence[Attempted], strategy: Strategy) -> tuple[np.ndarray, list[str]]:
    """By session the fit that may trade (its place, `NONE` for none) and why."""
    at, places = {day: place for place, day in enumerate(days)}, {id(fit): place for place, fit in enumerate(fits)}
    champion, why = np.full(len(days), NONE), []
    for number, (first, after) in enumerate(pairwise([*due, len(days)]), start=1):
        attempts = fits[:number]
        for place in range(first, after):
            chosen, reason = champion_of(attempts, strategy.model, strategy.gate, partial(_age, at, place))
            champion[place] = NONE if chosen is None else places[id(chosen)]
            why.append(reason)
    return champion, why


def _age(at: Mapping[date, int], place: int, cutoff: date) -> int:
    return place - at[cutoff]


def _asked(attempt: Attempted, task: Task, last: pd.Timestamp, cache: FitCache, strategy: Strategy) -> Attempted:
    """The fit with what it says of the sessions up to the last that it is responsible for."""
    wanted = task.later.part(0, int(np.searchsorted(task.later.session, last.to_datetime64(), side="right")))
    if attempt.made.has_said(wanted):
        return attempt
    return Attempted(attempt.cutoff, cache.extended(task, attempt.made, strategy.model, strategy.gate))


def _ordinary(made: Made, known: Rows, strategy: Strategy) -> np.ndarray:
    """Which rows a fit is asked about: those no farther outside of its training window than the strategy says."""
    most, facts = strategy.gate.max_outlier_mad, made.facts
    if most is None or not len(made.x):
        return np.ones(len(made.x), dtype=bool)
    last = facts.test_last if strategy.model.deploy == "refit_all" else facts.train_last
    trained = known.between(np.datetime64(facts.train_first), np.datetime64(last))
    return np.asarray((outlying(trained.x, made.x) <= most).all(axis=1))


def _fill(
    predicted: Floats,
    scores: Floats,
    made: Made,
    asked: np.ndarray,
    responsible: np.ndarray,
    dates: np.ndarray,
    symbols: np.ndarray,
) -> None:
    """Put a fit's predictions where it is responsible and asked. Both `dates` and `symbols` are sorted, and have its own."""
    row, column = np.searchsorted(dates, made.session), np.searchsorted(symbols, made.symbol)
    own = np.isin(row, responsible) & asked
    predicted[row[own], column[own]] = made.predicted[own]
    scores[row[own], column[own]] = made.scores[own]
