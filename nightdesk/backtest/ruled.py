"""A walk without fits: what a rule or a table of weights wanted at each close."""

from datetime import date

import numpy as np
import pandas as pd

from nightdesk.backtest.walk import NONE, Walk
from nightdesk.day.ruled import NOT_FITTED
from nightdesk.errors import Misconfigured
from schemas.strategy import Strategy


def ruled_walk(strategy: Strategy, wanted: pd.DataFrame, sessions: pd.DatetimeIndex) -> Walk:
    """The rows of `sessions` of the target weights (sessions x instruments) that the day would have had."""
    symbols = tuple(sorted({row.signal for row in strategy.market.instruments}))
    nothing = np.full((len(sessions), len(symbols)), np.nan)
    why = (NOT_FITTED[strategy.kind],) * len(sessions)
    weights = wanted.reindex(sessions).to_numpy(dtype=float)
    return Walk(sessions, symbols, (), np.full(len(sessions), NONE), why, nothing, nothing, weights, 0)


def ruled_range(strategy: Strategy, wanted: pd.DataFrame, every: pd.DatetimeIndex, start: date | None) -> pd.DatetimeIndex:
    """The sessions to play: from `start`, without it from the first that has a weight, to the last.

    Raises `Misconfigured` where there is no weight, or where `start` is no day before the last session.
    """
    said = np.flatnonzero(wanted.reindex(every).notna().any(axis=1))
    if not len(said):
        what = f"The rule {strategy.rule.name}" if strategy.rule else "The table of weights"
        span = f"{len(every)} sessions from {every[0]:%Y-%m-%d} to {every[-1]:%Y-%m-%d}"
        raise Misconfigured(f"{what} of {strategy.name} wants nothing in the {span}.")
    if start is not None and not every[0].date() <= start < every[-1].date():
        raise Misconfigured.value(
            "start", start.isoformat(), f"{every[0].date()} to the last session but one, {every[-2].date()}"
        )
    first = every[said[0]] if start is None else pd.Timestamp(start)
    return every[every >= first]
