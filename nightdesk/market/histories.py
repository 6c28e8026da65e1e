"""The bars of a raw frame in an order that checks can read: each symbol's sound bars, one after another. Pure."""

from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Final, Literal

import numpy as np
import pandas as pd

from schemas.bars import Bars

ADJUSTED_CLOSE: Final = "adjusted_close"
"""The vendor's close adjusted for dividends and splits: a column that a raw frame may have beside those of `Bars`."""

PRICES: Final = [Bars.open, Bars.high, Bars.low, Bars.close]
DAY_NS: Final = 86_400_000_000_000
DAY_0: Final = date(1970, 1, 1).toordinal()
NO_DAY: Final = np.iinfo(np.int64).min // DAY_NS

USUAL_NOISE: Final = 0.02
"""The noise of a symbol whose closes hardly ever move."""
LEAST_NOISE: Final = 0.002
ENOUGH_MOVES: Final = 10
"""With fewer moves than these a few wrong bars could make the median: then only moves below `SMALL_MOVE` are counted."""
SMALL_MOVE: Final = 0.35
MAD_TO_STD: Final = 1.4826


@dataclass(frozen=True)
class Keys:
    """Who and when each row of a raw frame is: `code` counts the sorted `symbols` (-1: none), `day` is days since 1970.

    `order` sorts the rows by symbol and day, `repeated` marks a row whose symbol and day stand above it already.
    """

    symbols: list[str]
    code: np.ndarray
    day: np.ndarray
    order: np.ndarray
    repeated: np.ndarray


def row_keys(bars: pd.DataFrame) -> Keys:
    code, names = pd.factorize(bars[Bars.symbol], sort=True)
    day = bars[Bars.session].to_numpy("datetime64[ns]").astype(np.int64) // DAY_NS
    joint = code.astype(np.int64) * (day.max(initial=0) - day.min(initial=0) + 1) + day
    order = np.argsort(joint, kind="stable")
    repeated = np.zeros(len(bars), dtype=bool)
    repeated[order[1:]] = joint[order[1:]] == joint[order[:-1]]
    return Keys([str(name) for name in names], code, day, order, repeated & (code >= 0) & (day > NO_DAY))


@dataclass(frozen=True)
class Event:
    """Something about bars of one symbol. `rows` are named, `edge` is the one that a person releases for all of them.

    `rows` and `edge` count the bars of `Histories`; the sentence is the symbol and `says`.
    """

    code: str
    severity: Literal["error", "warning"]
    rows: np.ndarray
    edge: int
    says: str


@dataclass(frozen=True)
class Histories:
    """Sound bars as parallel arrays, symbol by symbol and by day within a symbol.

    `log_split` and `dividend` are the actions since the bar before, also those of rows that are not sound themselves.
    `adjusted` is NaN throughout where the frame has no such column. A move of a symbol's first bar is 0.
    """

    symbols: list[str]
    code: np.ndarray
    day: np.ndarray
    open: np.ndarray
    high: np.ndarray
    low: np.ndarray
    close: np.ndarray
    volume: np.ndarray
    dividend: np.ndarray
    log_split: np.ndarray
    adjusted: np.ndarray

    @cached_property
    def starts(self) -> np.ndarray:
        """Where each symbol's bars begin, and after them the number of all bars."""
        return np.searchsorted(self.code, np.arange(len(self.symbols) + 1))

    @cached_property
    def is_first(self) -> np.ndarray:
        first = np.zeros(len(self.code), dtype=bool)
        first[self.starts[:-1][np.diff(self.starts) > 0]] = True
        return first

    @cached_property
    def previous_close(self) -> np.ndarray:
        """The close before, of a first bar its own."""
        before = np.concatenate([self.close[:1], self.close[:-1]])
        return np.where(self.is_first, self.close, before)

    @cached_property
    def paid(self) -> np.ndarray:
        """The dividend as a share of the close before it, in old shares; 0 on a first bar."""
        with np.errstate(over="ignore"):
            paid = self.dividend * np.exp(self.log_split) / self.previous_close
        return np.where(self.is_first, 0.0, paid)

    @cached_property
    def moved(self) -> np.ndarray:
        """Log move from close to close that no action explains."""
        return self._unexplained(self.close)

    @cached_property
    def gapped(self) -> np.ndarray:
        """Log move from the close to the next open that no action explains."""
        return self._unexplained(self.open)

    def _unexplained(self, price: np.ndarray) -> np.ndarray:
        plain: np.ndarray = np.log(price / self.previous_close) + self.log_split
        paying = np.flatnonzero((self.paid > 0) & (self.paid < 0.95))
        without = plain[paying] - np.log1p(-self.paid[paying])
        plain[paying] = np.where(np.abs(without) < np.abs(plain[paying]), without, plain[paying])
        plain[self.is_first] = 0.0
        return plain

    @cached_property
    def spread(self) -> np.ndarray:
        """Log of high over low."""
        spread: np.ndarray = np.log(self.high / self.low)
        return spread

    @cached_property
    def noise(self) -> np.ndarray:
        """A symbol's usual log move a session: median of the moves that are not zero, scaled to a standard deviation."""
        size = np.abs(self.moved)
        moves = size > 1e-12
        many = np.bincount(self.code[moves], minlength=len(self.symbols)) >= ENOUGH_MOVES
        counted = moves & (many[self.code] | (size < SMALL_MOVE))
        middle = self._medians(size[counted], self.code[counted])
        noise: np.ndarray = np.maximum(LEAST_NOISE, np.where(np.isnan(middle), USUAL_NOISE, MAD_TO_STD * middle))
        return noise

    @cached_property
    def usual_spread(self) -> np.ndarray:
        """A symbol's median spread."""
        return self._medians(self.spread, self.code)

    def _medians(self, values: np.ndarray, code: np.ndarray) -> np.ndarray:
        medians: np.ndarray = pd.Series(values).groupby(code).median().reindex(range(len(self.symbols))).to_numpy(float)
        return medians

    def date_of(self, row: int | np.integer) -> date:
        return date.fromordinal(DAY_0 + int(self.day[row]))


def histories(bars: pd.DataFrame, keys: Keys, sound: np.ndarray) -> Histories:
    """The rows that are `sound`, have a symbol and a day, and are not repeated; `bars` as the caller gave them."""
    known = (keys.code >= 0) & (keys.day > NO_DAY) & ~keys.repeated
    if known.all():
        rows, kept = keys.order, sound[keys.order]
    else:
        rows = keys.order[known[keys.order]]
        kept = sound[rows]
    took = rows[kept]
    numbers = {name: bars[name].to_numpy(float)[took] for name in [*PRICES, Bars.volume]}
    split, dividend = bars[Bars.split].to_numpy(float)[rows], bars[Bars.dividend].to_numpy(float)[rows]
    log_split = np.log(np.where(np.isfinite(split) & (split > 0), split, 1.0))
    dividend = np.where(np.isfinite(dividend) & (dividend > 0), dividend, 0.0)
    if not kept.all():
        log_split, dividend = _since_last(log_split, kept), _since_last(dividend, kept)
    adjusted = bars[ADJUSTED_CLOSE].to_numpy(float)[took] if ADJUSTED_CLOSE in bars else np.full(len(took), np.nan)
    return Histories(
        keys.symbols, keys.code[took], keys.day[took], **numbers, dividend=dividend, log_split=log_split, adjusted=adjusted
    )


def _since_last(amounts: np.ndarray, kept: np.ndarray) -> np.ndarray:
    """For each kept row the sum from after the kept row before to itself."""
    at = np.flatnonzero(kept)
    return np.add.reduceat(amounts[: at[-1] + 1], np.concatenate([[0], at[:-1] + 1])) if len(at) else amounts[:0]
