"""The draws of a search and the trials in them: each draw is one file, whole or not there."""

import json
import math
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from nightdesk.backtest.fits import UNREADABLE
from nightdesk.backtest.rows import Floats
from nightdesk.performance.metrics import SESSIONS_PER_YEAR
from nightdesk.search.space import Value
from schemas.search import Search

State = Literal["complete", "pruned", "failed"]


@dataclass(frozen=True, slots=True)
class DrawFacts:
    """A draw: the values of its keys, and how it ended. `reason` says why it failed."""

    number: int
    values: dict[str, Value]
    state: State
    reason: str
    thresholds: tuple[float | None, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Draw:
    """A draw, judged at each of its thresholds (rows): `returns` after costs by session, `accuracy` by fold; NaN where pruned."""

    facts: DrawFacts
    returns: Floats
    accuracy: Floats


@dataclass(frozen=True, slots=True)
class Trial:
    """A configuration that was judged: a draw at one threshold. `sharpe` is a year's, 0 where nothing was earned or lost.

    `number` counts the trials, `place` is the row in its draw. NaN figures where the draw failed.
    """

    number: int
    draw: int
    place: int
    values: dict[str, Value]
    threshold: float | None
    state: State
    score: float
    accuracy: float
    sharpe: float
    fold_scores: tuple[float, ...]


def trials_of(draw: Draw, search: Search, fold_of: NDArray[np.intp]) -> list[Trial]:
    """The trials of a draw, one a threshold."""
    facts, made = draw.facts, []
    for place, threshold in enumerate(facts.thresholds):
        returns, accuracy = draw.returns[place], draw.accuracy[place]
        failed = facts.state == "failed"
        by_fold = accuracy if search.score == "accuracy" else fold_sharpes(returns, fold_of, len(accuracy))
        mean = math.nan if failed else float(np.nanmean(accuracy))
        sharpe = math.nan if failed else annual_sharpe(returns)
        made.append(
            Trial(
                number=facts.number * len(facts.thresholds) + place,
                draw=facts.number,
                place=place,
                values=facts.values,
                threshold=threshold,
                state=facts.state,
                score=mean if search.score == "accuracy" else sharpe,
                accuracy=mean,
                sharpe=sharpe,
                fold_scores=tuple(map(float, by_fold)),
            )
        )
    return made


def annual_sharpe(returns: Floats) -> float:
    """Sharpe ratio a year, 0 for returns that do not vary; NaN is left out."""
    known = returns[~np.isnan(returns)]
    if len(known) < 2 or np.ptp(known) == 0:
        return 0.0
    return float(known.mean() / known.std(ddof=1) * math.sqrt(SESSIONS_PER_YEAR))


def fold_sharpes(returns: Floats, fold_of: NDArray[np.intp], folds: int) -> Floats:
    """The Sharpe ratio a year of each fold, NaN where it was not judged."""
    parts = [returns[fold_of == number] for number in range(folds)]
    return np.array([math.nan if np.isnan(part).all() else annual_sharpe(part) for part in parts])


@dataclass(frozen=True, slots=True)
class DrawFiles:
    """The draws of one search in a folder."""

    folder: Path

    def load_draws(self) -> list[Draw]:
        """The draws from the first up to one that is not there or not whole."""
        made: list[Draw] = []
        while (draw := self._load(len(made))) is not None:
            made.append(draw)
        return made

    def save_draw(self, draw: Draw) -> None:
        """Write a draw whole or not at all."""
        self.folder.mkdir(parents=True, exist_ok=True)
        unfinished = self.folder / f".{draw.facts.number}.{os.getpid()}"
        with unfinished.open("wb") as file:
            np.savez(file, facts=np.array(json.dumps(asdict(draw.facts))), returns=draw.returns, accuracy=draw.accuracy)
            file.flush()
            os.fsync(file.fileno())
        unfinished.replace(self._path(draw.facts.number))

    def _load(self, number: int) -> Draw | None:
        try:
            with self._path(number).open("rb") as file, np.load(file, allow_pickle=False) as kept:
                facts = json.loads(str(kept["facts"]))
                return Draw(DrawFacts(**{**facts, "thresholds": tuple(facts["thresholds"])}), kept["returns"], kept["accuracy"])
        except UNREADABLE:
            return None

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:06d}.npz"
