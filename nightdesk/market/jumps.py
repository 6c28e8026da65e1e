"""Prices that jump: a wrong unit, a split that is in the prices not once, or news. Pure.

A wrong unit or a split leaves traces that news does not: the gap is close to a ratio, the day's range and the money traded stay
as usual, often the opposite jump follows. Moves are measured in each symbol's own noise.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
import pandas as pd

from nightdesk.market.histories import Event, Histories

Kind = Literal["jump", "split_not_applied", "split_applied_twice", "split_unexplained", "large_move"]

HUGE: Final = np.log(8.0)
"""No news moves a price by this factor from one bar to the next without a wide range and much money traded."""
NOTABLE_NOISE: Final = 10.0
LARGE_MOVE: Final = 0.25
RATIOS: Final = np.log([2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 10.0, 12.0, 15.0, 20.0, 25.0, 30.0, 40.0, 50.0, 100.0])
RATIO_NOISE: Final = 12.0
"""A gap of a split's ratio that nobody recorded must be so many times the symbol's noise."""
SMALLEST_SPLIT, SPLIT_NOISE = 0.09, 8.0
"""A split must be so large, and so many times the noise, to be seen in the prices."""
CLEAR_SPLIT: Final = np.log(1.4)
"""By less than such a split a price also moves with news."""
SPLIT_REACH: Final = 60
"""A recorded split explains a jump of its ratio on another session that is at most so many bars away."""
WIDE, BUSY, BARS_BEFORE = 0.25, 4.0, 20
"""News: so wide a range, and so many times the shares or the money that were traded in the bars before."""
USUAL_MONEY: Final = 5.0
"""A calm bar: its money is neither so many times the usual nor as small a part of it."""


@dataclass(frozen=True)
class _Candidates:
    """Bars that moved much, ascending, and what is known of each."""

    row: np.ndarray
    moved: np.ndarray
    gapped: np.ndarray
    split: np.ndarray
    noise: np.ndarray
    calm: np.ndarray
    news: np.ndarray
    code: np.ndarray


def jump_events(bars: Histories) -> Iterator[Event]:
    """Blocks of bars on a wrong level and splits that are not in the prices once, as errors; other large moves as warnings."""
    found = _candidates(bars)
    kinds = _kinds(bars, found)
    soft = (kinds == "large_move") & (np.abs(found.moved) >= np.maximum(LARGE_MOVE, NOTABLE_NOISE * found.noise))
    for at in np.flatnonzero(soft):
        row = found.row[at]
        says = f"moves by {np.expm1(found.moved[at]):+.0%} on {bars.date_of(row)} with no action"
        yield Event("large_move", "warning", found.row[at : at + 1], row, says)
    hard = np.flatnonzero(kinds != "large_move")
    for code in np.unique(found.code[hard]):
        yield from _level_events(bars, found, kinds, hard[found.code[hard] == code])


def _candidates(bars: Histories) -> _Candidates:
    noise = bars.noise[bars.code]
    size, split = np.abs(bars.moved), np.abs(bars.log_split)
    wrong_split = (split >= np.maximum(SMALLEST_SPLIT, SPLIT_NOISE * noise)) & (size > 0.5 * split)
    much = size >= np.minimum(HUGE, np.maximum(LARGE_MOVE, NOTABLE_NOISE * noise))
    row = np.flatnonzero((much | wrong_split) & ~bars.is_first)
    shares = _over_usual(bars, row, bars.volume)
    money = _over_usual(bars, row, bars.close * bars.volume)
    spread, usual = bars.spread[row], bars.usual_spread[bars.code[row]]
    news = (spread >= np.maximum(WIDE, 3 * usual)) & ~(np.fmax(money, shares) < BUSY)
    calm = (spread <= 3 * usual + 0.01) & ~(money > USUAL_MONEY) & ~(money < 1 / USUAL_MONEY)
    return _Candidates(row, bars.moved[row], bars.gapped[row], bars.log_split[row], noise[row], calm, news, bars.code[row])


def _over_usual(bars: Histories, row: np.ndarray, amount: np.ndarray) -> np.ndarray:
    """An amount over its median in the bars before; NaN where it is not known."""
    at = row[:, None] - np.arange(1, BARS_BEFORE + 1)
    before = np.where(at >= bars.starts[bars.code[row]][:, None], amount[np.maximum(at, 0)], np.nan)
    middle = pd.DataFrame(np.where(before > 0, before, np.nan)).median(axis=1).to_numpy(float)
    return np.where(amount[row] > 0, amount[row] / middle, np.nan)


def _kinds(bars: Histories, found: _Candidates) -> np.ndarray:
    """What each candidate is."""
    size, ratio = np.abs(found.moved), np.abs(found.split)
    kinds = np.full(len(size), "large_move", dtype=object)
    close = np.maximum(0.05, 3 * found.noise)
    nearest = RATIOS[np.abs(size[:, None] - RATIOS).argmin(axis=1)]
    like_split = (np.abs(size - nearest) <= close) & (np.abs(np.abs(found.gapped) - nearest) <= close)
    unrecorded = like_split & found.calm & (size >= RATIO_NOISE * found.noise)
    kinds[unrecorded | (found.calm & _like_a_split_nearby(bars, found))] = "split_unexplained"
    kinds[(size >= np.maximum(HUGE, 5 * found.noise)) & (~found.news | _reversed(found))] = "jump"
    kinds[(kinds == "jump") & _like_a_split_nearby(bars, found)] = "split_unexplained"
    kinds[(kinds == "split_unexplained") & _is_power_of_ten(size, found.noise)] = "jump"
    for kind, rest in (("split_not_applied", found.moved - found.split), ("split_applied_twice", found.moved + found.split)):
        reach = np.where(
            (ratio >= CLEAR_SPLIT) | found.calm, np.clip(5 * found.noise, 0.35 * ratio, 0.45 * ratio), 3 * found.noise
        )
        kinds[(ratio >= np.maximum(SMALLEST_SPLIT, SPLIT_NOISE * found.noise)) & (np.abs(rest) <= reach)] = kind
    return _with_way_back(found, kinds)


def _with_way_back(found: _Candidates, kinds: np.ndarray) -> np.ndarray:
    """A large move that takes a wrong one back is the end of the wrong block, whatever it looks like."""
    hard, back = kinds != "large_move", _takes_back(found)
    ends = np.zeros(len(kinds), dtype=bool)
    ends[1:] |= back & hard[:-1]
    ends[:-1] |= back & hard[1:]
    return np.where(ends & ~hard, "jump", kinds)


def _is_power_of_ten(size: np.ndarray, noise: np.ndarray) -> np.ndarray:
    tens = size / np.log(10.0)
    away = np.abs(tens - np.round(tens)) * np.log(10.0)
    near: np.ndarray = (away <= np.maximum(0.1, 4 * noise)) & (tens > 0.5)
    return near


def _like_a_split_nearby(bars: Histories, found: _Candidates) -> np.ndarray:
    """Whether the move has the ratio of a split of the symbol that is recorded on another of its bars, not far away."""
    splits = np.flatnonzero(np.abs(bars.log_split) >= SMALLEST_SPLIT)
    alike = np.zeros(len(found.row), dtype=bool)
    if len(splits):
        reach = np.maximum(0.05, 4 * found.noise)
        notable = np.abs(found.moved) >= np.maximum(0.3, NOTABLE_NOISE * found.noise)
        for shift in (-1, 0, 1, 2):  # the splits next to the bar; more than a few within reach do not happen
            at = splits[np.clip(np.searchsorted(splits, found.row) + shift - 1, 0, len(splits) - 1)]
            near = (np.abs(at - found.row) <= SPLIT_REACH) & (at != found.row) & (bars.code[at] == found.code)
            alike |= near & notable & (np.abs(np.abs(bars.log_split[at]) - np.abs(found.moved)) <= reach)
    return alike


def _takes_back(found: _Candidates) -> np.ndarray:
    """Whether each candidate but the first takes the move of the one before it back, in the same symbol."""
    rest = np.abs(found.moved[1:] + found.moved[:-1])
    back: np.ndarray = (found.code[1:] == found.code[:-1]) & (rest <= np.maximum(0.35, 6 * found.noise[1:]))
    return back


def _reversed(found: _Candidates) -> np.ndarray:
    """Whether the next or the previous candidate of the symbol takes the move back."""
    back = np.zeros(len(found.row), dtype=bool)
    back[1:] |= _takes_back(found)
    back[:-1] |= _takes_back(found)
    return back


def _level_events(bars: Histories, found: _Candidates, kinds: np.ndarray, mine: np.ndarray) -> Iterator[Event]:
    """The bars of one symbol that are not on its own level: the level on which most of its bars stand (the newer, of two)."""
    start, end = bars.starts[found.code[mine[0]]], bars.starts[found.code[mine[0]] + 1]
    edges = np.concatenate([[start], found.row[mine], [end]])
    levels = _levels(found.moved[mine], max(0.35, 6 * float(found.noise[mine[0]])))
    counts = np.array([np.diff(edges)[levels == level].sum() for level in levels])
    own = levels[np.flatnonzero(counts == counts.max())[-1]]
    named: set[int] = set()
    for block in np.flatnonzero(levels != own):
        at = mine[max(int(block) - 1, 0)]
        named.add(int(at))
        rows = np.arange(edges[block], edges[block + 1])
        yield _level_event(bars, found, kinds[at], int(at), rows, float(np.exp(levels[block] - own)))
    for at in mine:
        if kinds[at] in ("split_not_applied", "split_applied_twice") and int(at) not in named:
            yield _level_event(bars, found, kinds[at], int(at), found.row[at : at + 1], float(np.exp(found.moved[at])))


def _levels(moves: np.ndarray, reach: float) -> np.ndarray:
    """The level of each stretch between jumps, as the sum of jumps before it; levels within `reach` are one."""
    levels = [0.0]
    for move in moves:
        reached = levels[-1] + float(move)
        nearest = min(levels, key=lambda level: abs(level - reached))
        levels.append(nearest if abs(nearest - reached) <= reach else reached)
    return np.array(levels)


def _level_event(bars: Histories, found: _Candidates, kind: Kind, at: int, rows: np.ndarray, factor: float) -> Event:
    edge = int(found.row[at])
    day, close, before = bars.date_of(edge), bars.close[edge], bars.previous_close[edge]
    first, last = bars.date_of(int(rows[0])), bars.date_of(int(rows[-1]))
    span = f"{first}" if len(rows) == 1 else f"{first} to {last}"
    if kind == "jump":
        return Event(
            "jump", "error", rows, edge, f"stands at {factor:.4g} times its own level on {span}, and no action explains it"
        )
    if kind == "split_unexplained":
        says = f"moves like a split on {day} (close {close:g} after {before:g}), where none is recorded"
        return Event(kind, "error", np.union1d(rows, [edge]), edge, says)
    way = "is not in its prices" if kind == "split_not_applied" else "is in its prices twice"
    says = f"has a split of {np.exp(found.split[at]):g} on {day} that {way}: close {close:g} after {before:g}"
    return Event(kind, "error", np.union1d(rows, [edge]), edge, says)


def range_events(bars: Histories) -> Iterator[Event]:
    """Bars of which the high or the low alone is far away from open and close."""
    top, bottom = np.maximum(bars.open, bars.close), np.minimum(bars.open, bars.close)
    least = np.maximum(HUGE, 5 * bars.noise[bars.code])
    for row in np.flatnonzero((np.log(bars.high / top) >= least) | (np.log(bottom / bars.low) >= least)):
        values = f"low {bars.low[row]:g}, open {bars.open[row]:g}, close {bars.close[row]:g}, high {bars.high[row]:g}"
        says = f"has a high or low that cannot be of the same bar on {bars.date_of(row)} ({values})"
        yield Event("bar_range", "error", np.array([row]), int(row), says)
