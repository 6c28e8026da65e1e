"""Fits of a walk, each made once: what it was given names it, and what it said is kept in the home."""

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import joblib
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nightdesk.backtest.rows import Floats, Rows
from nightdesk.day.gates import required
from nightdesk.errors import Misconfigured
from nightdesk.learning.fit import fit_of
from nightdesk.learning.model_file import load_model, save_model, save_model_file
from nightdesk.learning.predictions import DOWN, UP, predictions
from schemas.learnt import Gate, Model

UNREADABLE = (OSError, ValueError, KeyError, TypeError, EOFError, BadZipFile)
"""What numpy and JSON raise on a file that is not whole: that fit is made again."""
SAID = ("session", "symbol", "x", "predicted", "scores")
"""What is kept of each row that a fit was shown, sessions as days since 1970."""
FEWEST_FOR_PROCESSES = 4
"""With fewer fits to make, starting other processes takes longer than the fits."""


@dataclass(frozen=True, slots=True)
class FitFacts:
    """How a fit was judged: `Fit` without its estimator, `metrics` without train_accuracy.

    `majority` is the class that most training rows had, 1 up.

    `file` is the model's, below the folder of the cache, with the SHA-256 of its bytes; "" where it has nothing more to predict.
    """

    status: str
    reason: str
    metrics: dict[str, float]
    train_first: str
    train_last: str
    test_first: str
    test_last: str
    majority: int
    score_kind: str
    file: str = ""
    file_sha256: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Made:
    """A fit and what it says of the rows after its cut-off, which it was shown: one prediction and score for each of them."""

    facts: FitFacts
    session: NDArray[np.datetime64]
    symbol: NDArray[np.str_]
    x: Floats
    predicted: NDArray[np.int64]
    scores: Floats

    def has_said(self, rows: Rows) -> bool:
        """Whether the first rows that it predicted are these, with these very features."""
        n = len(rows.session)
        mine = (self.session[:n], self.symbol[:n], self.x[:n])
        return all(np.array_equal(own, other) for own, other in zip(mine, (rows.session, rows.symbol, rows.x), strict=True))


@dataclass(frozen=True, slots=True, eq=False)
class Task:
    """A fit to make: its key, the rows known at its cut-off, and all rows that it may have to predict.

    `lasting`: more sessions may come that it has to predict; its model is kept. `horizon_sessions` is that of its labels.
    """

    key: str
    known: Rows
    later: Rows
    lasting: bool
    horizon_sessions: int


@dataclass(frozen=True, slots=True)
class FitCache:
    """Fits by key in a folder: an npz file each, models of those that may be asked again beside them."""

    folder: Path

    def load_fit(self, key: str) -> Made | None:
        """The fit of a key, None where it was not made here or its file is not whole."""
        try:
            with (self.folder / f"{key}.npz").open("rb") as file, np.load(file, allow_pickle=False) as kept:
                facts, said = FitFacts(**json.loads(str(kept["facts"]))), kept["said"]
                return Made(facts, said["session"].astype("datetime64[D]"), *(said[name] for name in SAID[1:]))
        except UNREADABLE:
            return None

    def save_fit(self, key: str, made: Made) -> None:
        """Write a fit whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f".{key}.{os.getpid()}"
        with unfinished.open("wb") as file:
            np.savez(file, facts=np.array(json.dumps(asdict(made.facts))), said=_table(made))
        unfinished.replace(self.folder / f"{key}.npz")

    def made(self, task: Task, model: Model, gate: Gate) -> Made:
        """Make the fit of a task and keep it."""
        done = fitted(task, model, gate, self.folder)
        self.save_fit(task.key, done)
        return done

    def received(self, key: str, made: Made, model_file: bytes) -> Made:
        """Keep a fit that was made elsewhere, with its model file; `b""` where it has none."""
        if model_file:
            file_sha256 = save_model_file(model_file, self.folder / made.facts.file)
            made = replace(made, facts=replace(made.facts, file_sha256=file_sha256))
        self.save_fit(key, made)
        return made

    def extended(self, task: Task, made: Made, model: Model, gate: Gate) -> Made:
        """The fit with predictions of all the task's later rows: by its model, or made again where that was not kept."""
        path = self.folder / made.facts.file
        if not made.facts.file or not path.is_file():
            return self.made(task, model, gate)
        done = _said(made.facts, load_model(path, made.facts.file_sha256), task.later)
        self.save_fit(task.key, done)
        return done


def made_fits(
    tasks: Sequence[Task], cache: FitCache, model: Model, gate: Gate, tell: Callable[[int, int], None], on: str | None = None
) -> dict[str, Made]:
    """The fits of the tasks by key: from the cache, and else made on all cores, or by the Dask cluster whose scheduler is `on`.

    `tell` hears how many of how many were made. Each is kept as soon as it is made: an interrupted walk goes on where it was.
    """
    found = {task.key: made for task in tasks if (made := cache.load_fit(task.key)) is not None}
    missing = [task for task in tasks if task.key not in found]
    tell(0, len(missing))
    fits = _elsewhere(on, missing, cache, model, gate) if on and missing else _here(missing, cache, model, gate)
    for count, (key, made) in enumerate(fits, start=1):
        found[key] = made
        tell(count, len(missing))
    return found


def require_cluster(on: str) -> None:
    """Raise `Misconfigured` where `on` is no scheduler's address, or the packages for it are not installed."""
    if not re.fullmatch(r"(tcp|tls)://[^\s/:]+:\d{1,5}|(tcp|tls)://\[[0-9a-fA-F:]+\]:\d{1,5}", on):
        raise Misconfigured.value("--on", on, "the address of a Dask scheduler, as tcp://127.0.0.1:8786 or tls://host:8786")
    if find_spec("distributed") is None:
        raise Misconfigured("--on needs Dask, which is not installed: install nightdesk with its extra, nightdesk[dask].", on=on)


def _here(missing: Sequence[Task], cache: FitCache, model: Model, gate: Gate) -> Iterator[tuple[str, Made]]:
    """The longest fits first: at the end no worker waits for another's long one."""
    workers = joblib.Parallel(n_jobs=-1 if len(missing) >= FEWEST_FOR_PROCESSES else 1, return_as="generator_unordered")
    longest_first = sorted(missing, key=lambda task: -len(task.known.session))
    yield from workers(joblib.delayed(_kept)(task, cache, model, gate) for task in longest_first)


def _elsewhere(on: str, missing: Sequence[Task], cache: FitCache, model: Model, gate: Gate) -> Iterator[tuple[str, Made]]:
    from nightdesk.backtest.cluster import fits_on

    for key, made, model_file in fits_on(on, missing, model, gate):
        yield key, cache.received(key, made, model_file)


def _kept(task: Task, cache: FitCache, model: Model, gate: Gate) -> tuple[str, Made]:
    return task.key, cache.made(task, model, gate)


def fitted(task: Task, model: Model, gate: Gate, folder: Path) -> Made:
    """The fit of a task; its model, where it is to be kept, is written below `folder`."""
    tested = fit_of(task.known.joined(), list(task.known.names), model, gate, score_train=False)
    made = required(tested, gate, task.horizon_sessions)
    file = file_sha256 = ""
    if made.estimator is not None and task.lasting:
        path, file_sha256 = save_model(made.estimator, folder / "models")
        file = path.relative_to(folder).as_posix()
    facts = FitFacts(
        status=made.status,
        reason=made.reason,
        metrics=made.metrics,
        train_first=_text(made.train_first),
        train_last=_text(made.train_last),
        test_first=_text(made.test_first),
        test_last=_text(made.test_last),
        majority=_majority(task.known, made.train_last),
        score_kind="none",
        file=file,
        file_sha256=file_sha256,
    )
    return _said(facts, made.estimator, task.later)


def _said(facts: FitFacts, estimator: Any, later: Rows) -> Made:
    """What a model says of rows; a fit without a model, or without rows, says nothing."""
    if estimator is None or not len(later.session):
        return Made(facts, later.session[:0], later.symbol[:0], later.x[:0], np.empty(0, "int64"), np.empty(0))
    predicted, scores, kind = predictions(estimator, pd.DataFrame(later.x, columns=list(later.names)))
    known = FitFacts(**{**asdict(facts), "score_kind": kind})
    return Made(known, later.session, later.symbol, later.x, predicted, scores)


def _majority(known: Rows, train_last: date | None) -> int:
    """What most of the training rows were; up in a tie, as in `scored`."""
    if train_last is None:
        return UP
    trained = (known.session <= np.datetime64(train_last)) & ~np.isnan(known.x).any(axis=1)
    return UP if known.label[trained].mean() >= 0.5 else DOWN


def _table(made: Made) -> np.ndarray:
    """One array with what was said of each row: read several times as fast as one for each column."""
    columns = {name: getattr(made, name) for name in SAID} | {"session": made.session.astype("datetime64[D]").view("int64")}
    table = np.empty(len(made.session), [(name, column.dtype, column.shape[1:]) for name, column in columns.items()])
    for name, column in columns.items():
        table[name] = column
    return table


def _text(day: date | None) -> str:
    return "" if day is None else day.isoformat()
