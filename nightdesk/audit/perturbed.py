"""Bars and tables whose future is another one, and the sessions at which that is tried."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from schemas.bars import Bars

SEED = 7
PRICES = [Bars.open, Bars.high, Bars.low, Bars.close]
VALUES = [*PRICES, Bars.volume, Bars.dividend]
EARLY = (1, 4, 9, 19, 49, 99, 199)
"""Places near the start of the bars, where windows fill up and what is missing is filled in."""


def noisy_after(bars: pd.DataFrame, session: date) -> pd.DataFrame:
    """The bars with all that comes after the session replaced by noise of another size, actions included."""
    future = _after(bars, session)
    drawn, count = np.random.default_rng(SEED), int(future.sum())
    noise = pd.DataFrame(drawn.lognormal(3.0, 0.5, (count, len(VALUES))), columns=VALUES)
    noise[Bars.dividend] = drawn.uniform(0.0, 0.2, count) * drawn.integers(0, 2, count)
    noise[Bars.split] = drawn.choice([0.5, 1.0, 2.0], count)
    return _replaced(bars, future, noise)


def missing_after(bars: pd.DataFrame, session: date) -> pd.DataFrame:
    """The bars with every value after the session missing; the rows stay."""
    future = _after(bars, session)
    return _replaced(bars, future, bars.loc[future, [*VALUES, Bars.split]] * np.nan)


def tenfold_after(bars: pd.DataFrame, session: date) -> pd.DataFrame:
    """The bars with prices, volumes and dividends after the session ten times as large."""
    future = _after(bars, session)
    return _replaced(bars, future, bars.loc[future, VALUES] * 10.0)


def cut_after(bars: pd.DataFrame, session: date) -> pd.DataFrame:
    """The rows up to the session: of bars, or of any table with a `session`."""
    return bars[~_after(bars, session)].reset_index(drop=True)


def with_hole_at(bars: pd.DataFrame, session: date) -> pd.DataFrame:
    """The bars without open, high, low and volume in the session; its close stays."""
    at = (bars[Bars.session] == pd.Timestamp(session)).to_numpy()
    return _replaced(bars, at, bars.loc[at, [Bars.open, Bars.high, Bars.low, Bars.volume]] * np.nan)


def other_on(bars: pd.DataFrame, sessions: pd.DatetimeIndex) -> pd.DataFrame:
    """The bars with the prices and the volume of some sessions two to four times as large, or as small; actions stay.

    The close before a dividend or a split stays too: all that comes after is adjusted by it.
    """
    drawn, at = np.random.default_rng(SEED), bars[Bars.session].isin(sessions).to_numpy()
    paid = (bars[Bars.dividend].fillna(0.0) != 0) | (bars[Bars.split].fillna(1.0) != 1)
    before = paid.groupby(bars[Bars.symbol]).shift(-1, fill_value=False).to_numpy(dtype=bool)
    columns = [*PRICES, Bars.volume]
    larger = np.exp(drawn.choice([-1.0, 1.0], (int(at.sum()), 1)) * drawn.uniform(np.log(2), np.log(4), (int(at.sum()), 5)))
    changed = bars.loc[at, columns] * larger
    changed[Bars.close] = changed[Bars.close].where(~before[at], bars.loc[at, Bars.close])
    return _replaced(bars, at, changed)


Change = Callable[[pd.DataFrame, date], pd.DataFrame]
FUTURES: dict[str, Change] = {
    "noise": noisy_after,
    "missing": missing_after,
    "ten times as large": tenfold_after,
    "cut off": cut_after,
}
"""What the bars after a session become."""


def disturbed(table: pd.DataFrame, rows: NDArray[np.bool_], columns: list[str], how: str) -> pd.DataFrame:
    """The table with the columns of some rows "noise", "missing", "ten times as large", or these rows "cut off"."""
    if how == "cut off":
        return table[~rows].reset_index(drop=True)
    values = table.loc[rows, columns].astype(float)
    if how == "noise":
        spread = np.nan_to_num(table[columns].astype(float).std().to_numpy(), nan=1.0) + 1.0
        values = values * 0.0 + np.random.default_rng(SEED).normal(5.0, 3.0, values.shape) * spread
    return _replaced(table, rows, values * (np.nan if how == "missing" else 10.0 if how == "ten times as large" else 1.0))


def audit_sessions(sessions: pd.DatetimeIndex, count: int) -> list[date]:
    """`count` of the sessions but the last, in order: near the start, at the edges of months, the last but one, and evenly."""
    usable = sessions[:-1]
    if count >= len(usable):
        return [stamp.date() for stamp in usable]
    months = usable.to_period("M")
    last = np.flatnonzero(months[1:] != months[:-1])
    early = [place for place in EARLY if place < len(usable)][: count // 4]
    wanted = {len(usable) - 1, *early}
    wanted |= set(_evenly(last, min(count // 3, len(last))))
    wanted |= set(_evenly(last + 1, min(count // 6, len(last))))
    rest = np.array(sorted(set(range(len(usable))) - wanted))
    wanted |= set(_evenly(rest, max(0, count - len(wanted))))
    return [usable[place].date() for place in sorted(wanted)]


def _evenly(places: NDArray[np.int64], count: int) -> list[int]:
    chosen = np.linspace(0, len(places) - 1, count).round().astype(int)
    return [int(place) for place in places[chosen]]


def _after(table: pd.DataFrame, session: date) -> NDArray[np.bool_]:
    after: NDArray[np.bool_] = (table[Bars.session] > pd.Timestamp(session)).to_numpy()
    return after


def _replaced(table: pd.DataFrame, rows: NDArray[np.bool_], values: pd.DataFrame) -> pd.DataFrame:
    changed = table.copy()
    changed.loc[rows, list(values.columns)] = values.to_numpy()
    return changed
