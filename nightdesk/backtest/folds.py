"""How right each fit was on the sessions that it traded, and how real the opens were at which the book filled."""

from collections.abc import Iterable, Iterator

import numpy as np
import pandas as pd
from scipy.special import betaincinv

from nightdesk.backtest.walk import Walk
from nightdesk.performance.page.tearsheet import Fold, YearOfOpens
from schemas.bars import Bars
from schemas.fills import Fills
from schemas.labels import Labels
from schemas.strategy import Strategy

ERROR = 0.05
"""Two-sided, of the interval of a fold's accuracy."""


def labels_of(walk: Walk, target: pd.DataFrame) -> np.ndarray:
    """What was predicted as it came out, sessions x data symbols of the walk; NaN where it is not known."""
    was = target.pivot(index=Labels.session, columns=Labels.symbol, values=Labels.label)
    label: np.ndarray = was.reindex(index=walk.sessions, columns=list(walk.symbols)).to_numpy(dtype=float)
    return label


def folds(walk: Walk, target: pd.DataFrame) -> tuple[Fold, ...]:
    """A fold for each fit that traded: its predictions of those sessions, which it had not seen, beside its training majority.

    The interval is Clopper and Pearson's (1934), exact where rows do not depend on one another.
    """
    label = labels_of(walk, target)
    judged = ~np.isnan(walk.predicted) & ~np.isnan(label)
    return tuple(_folds(walk, label, judged))


def _folds(walk: Walk, label: np.ndarray, judged: np.ndarray) -> Iterator[Fold]:
    for place in np.unique(walk.champion[walk.champion >= 0]):
        rows = judged & (walk.champion == place)[:, None]
        n = int(rows.sum())
        if not n:
            continue
        sessions = walk.sessions[rows.any(axis=1)]
        right = int((walk.predicted[rows] == label[rows]).sum())
        majority = walk.fits[place].made.facts.majority
        baseline = float((label[rows] == majority).mean())
        lower, upper = interval(right, n)
        yield Fold(sessions[0].date(), sessions[-1].date(), n, right / n, baseline, lower, upper)


def interval(right: int, n: int) -> tuple[float, float]:
    """The two-sided interval of a share, exact for independent rows (Clopper and Pearson 1934)."""
    lower = float(betaincinv(right, n - right + 1, ERROR / 2)) if right else 0.0
    upper = float(betaincinv(right + 1, n - right, 1 - ERROR / 2)) if right < n else 1.0
    return lower, upper


def repeated_opens(
    bars: pd.DataFrame, fills: pd.DataFrame, strategy: Strategy, warned: Iterable[tuple[str, int]]
) -> tuple[YearOfOpens, ...]:
    """The (symbol, year) pairs that the checks warn of and in which the book filled: how often the open was the close before."""
    prices = {row.instrument: row.prices for row in strategy.market.instruments}
    filled = pd.DataFrame({"symbol": fills[Fills.instrument].map(prices), "year": fills[Fills.session].dt.year})
    counted = filled.groupby(["symbol", "year"]).size()
    ordered = bars.sort_values([Bars.symbol, Bars.session])
    before = ordered.groupby(Bars.symbol)[Bars.close].shift()
    same = (ordered[Bars.open] == before).where(before.notna())
    share = same.astype(float).groupby([ordered[Bars.symbol], ordered[Bars.session].dt.year]).mean()
    named = [pair for pair in sorted(set(warned)) if pair in counted.index]
    return tuple(YearOfOpens(symbol, year, float(share[symbol, year]), int(counted[symbol, year])) for symbol, year in named)
