"""The pictures of a search: the score over the trials, over each key and over two at once, as coordinates of inline SVGs."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from nightdesk.performance.page.charts import HEIGHT, WIDTH, Chart, Tick, nice_ticks, signed
from nightdesk.search.space import THRESHOLD, Value
from nightdesk.search.trials import Trial
from schemas.search import Range, Search

Floats = NDArray[np.float64]
CELLS = 8
ROOM = 0.04
LONGEST_TICK = 10
"""Letters of a name under the axis."""


@dataclass(frozen=True)
class Scatter:
    """A chart of dots over a key's values, and what is drawn in words."""

    title: str
    unit: str
    chart: Chart
    says: str


@dataclass(frozen=True)
class Cell:
    """A cell of the heat map, in units of the SVG; `strength` 0 (the lowest score) to 1 (the highest)."""

    left: float
    top: float
    width: float
    height: float
    strength: float
    text: str


@dataclass(frozen=True)
class HeatMap:
    """The best score in each cell of two keys; a cell without a trial is missing."""

    across: str
    up: str
    cells: tuple[Cell, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    says: str


@dataclass(frozen=True)
class Axis:
    """Where the values of a key lie, 0 to 1, and its ticks."""

    key: str
    places: Floats
    ticks: tuple[Tick, ...]
    unit: str
    numeric: bool = True


def history(trials: Sequence[Trial], score: str) -> Scatter:
    """The score of each trial in the order they were made, and the best so far as a line."""
    shown = _scored(trials)
    numbers = np.array([trial.number for trial in shown], dtype=float)
    places = (numbers - numbers[0]) / max(1.0, numbers[-1] - numbers[0])
    scores = np.array([trial.score for trial in shown])
    ticks = tuple(
        Tick(_percent((n - numbers[0]) / max(1.0, numbers[-1] - numbers[0])), f"{n:.0f}") for n in _whole_ticks(numbers)
    )
    best = np.maximum.accumulate(scores)
    chart = _chart(places, scores, ticks, [("market best", _line(places, _tops(best, scores)))])
    return Scatter("Trials", f"{score} of each, and the best so far", chart, f"{score} of {len(shown)} trials in their order")


def over_keys(trials: Sequence[Trial], search: Search, best: Trial, score: str) -> list[Scatter]:
    """The score over the values of each key that more than one value was tried of; the best trial stands out."""
    shown, made = _scored(trials), []
    for axis in _axes(shown, search):
        scores = np.array([trial.score for trial in shown])
        at = [place for place, trial in enumerate(shown) if trial.number == best.number]
        mark = ("market mark", _dots(axis.places[at], _tops(scores[at], scores)))
        chart = _chart(axis.places, scores, axis.ticks, [mark])
        made.append(Scatter(axis.key, f"{score} over {axis.unit}", chart, f"{score} of {len(shown)} trials over {axis.key}"))
    return made


def heat_map(trials: Sequence[Trial], search: Search, score: str) -> HeatMap | None:
    """The best score in each cell of the first two keys that are numbers, None where fewer than two were varied."""
    shown = _scored(trials)
    axes = [axis for axis in _axes(shown, search) if axis.numeric]
    if len(axes) < 2:
        return None
    across, up = axes[0], axes[1]
    columns, rows = _bins(across), _bins(up)
    column, row = (np.minimum((axis.places * n).astype(int), n - 1) for axis, n in ((across, columns), (up, rows)))
    scores = np.array([trial.score for trial in shown])
    low, high = float(scores.min()), float(scores.max())
    cells = []
    for place in sorted(set(zip(column.tolist(), row.tolist(), strict=True))):
        inside = scores[(column == place[0]) & (row == place[1])]
        width, height = WIDTH / columns, HEIGHT / rows
        text = f"{signed(round(float(inside.max()), 4))}, the best of {len(inside)}"
        strength = (float(inside.max()) - low) / (high - low) if high > low else 0.5
        cells.append(Cell(place[0] * width, HEIGHT - (place[1] + 1) * height, width, height, round(strength, 3), text))
    turned = tuple(Tick(round(100 - tick.place, 2), tick.text) for tick in up.ticks)
    return HeatMap(across.key, up.key, tuple(cells), across.ticks, turned, f"Best {score} by {across.key} and {up.key}")


def _scored(trials: Sequence[Trial]) -> list[Trial]:
    return [trial for trial in trials if not math.isnan(trial.score) and trial.state == "complete"]


def _axes(trials: Sequence[Trial], search: Search) -> list[Axis]:
    keys = [*trials[0].values, *([THRESHOLD] if len({trial.threshold for trial in trials}) > 1 else [])]
    axes = [_axis(key, [_at(trial, key) for trial in trials], search) for key in keys]
    return [axis for axis in axes if np.ptp(axis.places) > 0]


def _at(trial: Trial, key: str) -> Value:
    return (trial.threshold or 0.0) if key == THRESHOLD else trial.values[key]


def _axis(key: str, values: Sequence[Value], search: Search) -> Axis:
    """Numbers of a range and thresholds at their place, logarithmic where the range is; the choices of a list side by side."""
    asked = search.params.get(key)
    if isinstance(asked, Range) or key == THRESHOLD:
        numbers = np.array([float(value) for value in values])
        if isinstance(asked, Range) and asked.log:
            low, high = math.log(asked.low), math.log(asked.high)
            decades = range(math.ceil(math.log10(asked.low) - 1e-9), math.floor(math.log10(asked.high) + 1e-9) + 1)
            ticks = [Tick(_percent((math.log(10.0**n) - low) / (high - low)), f"{10.0**n:g}") for n in decades]
            return Axis(
                key, (np.log(numbers) - low) / (high - low), tuple(ticks[:: max(1, len(ticks) // 6)]), "its values, logarithmic"
            )
        least, most = (asked.low, asked.high) if isinstance(asked, Range) else (numbers.min(), numbers.max())
        span = float(most - least) or 1.0
        places = [Tick(_percent((value - least) / span), f"{value:g}") for value in nice_ticks(float(least), float(least) + span)]
        return Axis(key, (numbers - least) / span, tuple(places), "its values")
    return _axis_of_choices(key, [str(value) for value in values])


def _axis_of_choices(key: str, values: Sequence[str]) -> Axis:
    """Choices side by side, by number where their names are long."""
    choices = sorted(set(values))
    at = {choice: (place + 0.5) / len(choices) for place, choice in enumerate(choices)}
    long = any(len(choice) > LONGEST_TICK for choice in choices)
    names = [str(number) if long else choice for number, choice in enumerate(choices, start=1)]
    ticks = tuple(Tick(_percent(at[choice]), name) for choice, name in zip(choices, names, strict=True))
    legend = "; ".join(f"{number}: {choice}" for number, choice in enumerate(choices, start=1))
    return Axis(key, np.array([at[value] for value in values]), ticks, legend if long else "its choices", numeric=False)


def _bins(axis: Axis) -> int:
    """As many cells as there are values, at most eight."""
    return min(CELLS, len(np.unique(axis.places)))


def _chart(places: Floats, scores: Floats, ticks: tuple[Tick, ...], lines: list[tuple[str, str]]) -> Chart:
    low, high = _range(scores)
    y_ticks = [Tick(round((high - value) / (high - low) * 100, 2), signed(value)) for value in nice_ticks(low, high)]
    dots = ("own dots", _dots(places, _tops(scores, scores)))
    return Chart((dots, *lines), ticks, tuple(y_ticks))


def _range(scores: Floats) -> tuple[float, float]:
    low, high = float(scores.min()), float(scores.max())
    room = ROOM * (high - low) or 0.01
    return low - room, high + room


def _tops(values: Floats, scores: Floats) -> Floats:
    low, high = _range(scores)
    return np.asarray((high - values) / (high - low) * HEIGHT)


def _dots(places: Floats, tops: Floats) -> str:
    return "".join(f"M{left * WIDTH:.0f},{top:.0f}h0" for left, top in zip(places, tops, strict=True))


def _line(places: Floats, tops: Floats) -> str:
    """Steps: a best lasts until the next."""
    points = [(float(places[0]), float(tops[0]))]
    for (_, before), (left, top) in itertools.pairwise(zip(places.tolist(), tops.tolist(), strict=True)):
        points += [(left, before), (left, top)]
    return "M" + "L".join(f"{left * WIDTH:.0f},{top:.0f}" for left, top in points)


def _whole_ticks(numbers: Floats) -> list[float]:
    if numbers[-1] == numbers[0]:
        return [float(numbers[0])]
    return [tick for tick in nice_ticks(float(numbers[0]), float(numbers[-1])) if tick == int(tick)]


def _percent(share: float) -> float:
    return round(100 * float(share), 2)
