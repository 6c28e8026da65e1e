"""How far what a model sees now lies from what it was trained on."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import chdtri

BINS: Final = 10
SMALL, LARGE = 0.1, 0.25
"""The field's conventional bounds of the index: below the first no change, above the second a large one (Siddiqi (2006), Credit
Risk Scorecards, ch. 10)."""
PREDICTED: Final = "predictions"
CHANCE_LEVEL: Final = 0.01
ROBUST_DEVIATION: Final = 1.4826
"""The median absolute deviation times this is the standard deviation of normal values."""
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Drift:
    """An index of stability. `chance`: what it exceeds in one of a hundred cases where nothing has changed."""

    index: float
    chance: float

    @property
    def word(self) -> str:
        """stable, moved a little, moved; or, where the index is not small but chance alone gives as much, within chance."""
        if self.index < SMALL:
            return "stable"
        if self.index <= self.chance:
            return "within chance"
        return "moved" if self.index > LARGE else "moved a little"


def drift_of(trained: ArrayLike, recent: ArrayLike) -> Drift:
    """The population stability index of recent values, in the ten quantile bins of the training values.

    Equal quantiles are one bin. NaN without values on either side.
    """
    before, after = np.asarray(trained, dtype=float), np.asarray(recent, dtype=float)
    if not len(before) or not len(after):
        return Drift(np.nan, np.nan)
    edges = np.unique(np.quantile(before, np.arange(1, BINS) / BINS))
    counts = [np.bincount(np.searchsorted(edges, values, side="left"), minlength=len(edges) + 1) for values in (before, after)]
    return Drift(stability_index(*counts), chance_bound(len(edges) + 1, len(before), len(after)))


def drift_of_shares(before: float, n_before: float, after: float, n_after: float) -> Drift:
    """The same of a share of two outcomes, from the shares and how many cases each was counted in."""
    counts = [np.array([share * n, (1 - share) * n]) for share, n in ((before, n_before), (after, n_after))]
    return Drift(stability_index(*counts), chance_bound(2, n_before, n_after))


def stability_index(before: ArrayLike, after: ArrayLike) -> float:
    """Sum over bins of (a - b) ln(a / b), b and a the shares of the cases before and after; a bin that is empty on one side only
    counts as half a case there. Source: Siddiqi (2006); it is Kullback and Leibler's (1951) symmetric divergence."""
    sides = np.array([before, after], dtype=float)
    used = sides[:, sides.any(axis=0)]
    was, is_now = np.maximum(used, 0.5) / used.sum(axis=1, keepdims=True)
    return float(np.sum((is_now - was) * np.log(is_now / was)))


def chance_bound(bins: int, n_before: float, n_after: float) -> float:
    """What the index exceeds in `CHANCE_LEVEL` of the cases without any change: (1/n + 1/m) times chi-square of bins - 1.

    Source: Yurdakul & Naranjo (2020), Statistical properties of the population stability index, Journal of Risk Model
    Validation 14(4). For independent cases; of values that cling together chance gives more.
    """
    if bins < 2:
        return 0.0
    return float(chdtri(bins - 1, CHANCE_LEVEL) * (1 / n_before + 1 / n_after))


def outlying(trained: ArrayLike, values: ArrayLike) -> Floats:
    """How far each value lies outside the range of the training values, in their robust standard deviations; 0 within.

    Rows are cases, columns features. Where half of the training values or more are equal, anything outside is infinitely far.
    """
    known, asked = np.asarray(trained, dtype=float), np.asarray(values, dtype=float)
    deviation = ROBUST_DEVIATION * np.median(np.abs(known - np.median(known, axis=0)), axis=0)
    outside = np.maximum(np.maximum(known.min(axis=0) - asked, asked - known.max(axis=0)), 0.0)
    far = np.divide(outside, deviation, out=np.full_like(outside, np.inf), where=np.broadcast_to(deviation > 0, outside.shape))
    return np.where(outside > 0, far, 0.0)


def moved(drift: Any) -> list[str]:
    """What has moved by more than `LARGE` and than chance, of a drift document."""
    rows = {**drift.get("inputs", {}), PREDICTED: drift.get(PREDICTED, {})}
    return [name for name, row in rows.items() if row.get("word") == "moved"]


def still_moved(drift: Any, told: list[str]) -> list[str]:
    """What of some names is not stable again; all of them where nothing is known of today."""
    rows = {**drift.get("inputs", {}), PREDICTED: drift.get(PREDICTED, {})}
    return [name for name in told if rows.get(name, {}).get("word") != "stable"]


def moved_sentence(drift: Any, names: list[str]) -> str:
    """What has moved, in words."""
    rows = {**drift["inputs"], PREDICTED: drift[PREDICTED]}
    shown = ", ".join(f"{name} {rows[name]['index']:.2f} (chance alone: {rows[name]['chance']:.2f})" for name in names)
    first, last = drift["window"]
    return f"Drift: against {first} to {last} the last {drift['sessions']} sessions have moved above {LARGE:g}: {shown}."
