"""Dividends against prices, against each other, and against the vendor's adjusted close. Pure."""

from collections.abc import Iterator
from typing import Final

import numpy as np

from nightdesk.market.histories import Event, Histories

LARGE_DIVIDEND: Final = 0.02
NOT_FALLEN, NOT_FALLEN_NOISE = 0.6, 8.0
FUND_NOT_FALLEN, FUND_NOT_FALLEN_NOISE = 0.3, 4.0
"""A large dividend is in doubt where this share of it, and so many times the noise, is missing in the fall of the price.
The value of a fund that is not traded falls by what it pays, on the day."""
CLEAR_NOISE, TOGETHER_NOISE = 5.0, 6.0
"""Of two or more dividends, each the first many times the noise, the second many times are enough for all of them together."""
SAME_WITHIN, TWICE_WITHIN = 0.15, 8
"""Two dividends that differ by less than this share, and are fewer bars apart than these, may be one."""
ONCE_SHARE, ONCE_NOISE = 0.7, 3.0
"""They are one where this share of the smaller, and so many times the noise, is missing in the fall over both days."""
REGULAR_GAP: Final = 35
TINY_AMOUNT, TINY_SHARE, SOME = 1e-3, 5e-4, 3
"""Nobody pays so small a part of a pound or dollar, and of the price, so many times."""
TENTH_OF_PENNY: Final = 5e-4
"""Adjusted closes are rounded: a factor that moves by less is not taken for a move."""


def dividend_events(bars: Histories) -> Iterator[Event]:
    """Dividends that cannot be right beside the prices or beside the symbol's other dividends."""
    yield from _not_in_the_price(bars)
    paying = np.flatnonzero((bars.dividend > 0) & ~bars.is_first)
    for code in np.unique(bars.code[paying]):
        mine = paying[bars.code[paying] == code]
        yield from _too_small(bars, mine)
        yield from _tiny(bars, mine)
        yield from _twice(bars, mine)


def _not_in_the_price(bars: Histories) -> Iterator[Event]:
    row = np.flatnonzero(bars.paid >= LARGE_DIVIDEND)
    paid, code = bars.paid[row], bars.code[row]
    fall, move, noise = _fall(paid), _move(bars, row), bars.noise[code]
    missing = fall + move
    fund = _never_traded(bars)[code]
    least_share = np.where(fund, FUND_NOT_FALLEN, NOT_FALLEN)
    least_noise = np.where(fund, FUND_NOT_FALLEN_NOISE, NOT_FALLEN_NOISE)
    known = fund | (bars.volume[row] > 0) | (paid >= 0.5)
    clear = known & (fall >= CLEAR_NOISE * noise)
    share, together = _together(missing, fall, np.where(clear, code, len(bars.symbols)))
    alone = missing >= least_noise * noise
    with_others = clear & (share >= least_share) & (together >= np.minimum(TOGETHER_NOISE, least_noise) * noise)
    for at in np.flatnonzero(known & (missing >= least_share * fall) & (alone | with_others)):
        says = (
            f"has a dividend of {bars.dividend[row[at]]:g} on {bars.date_of(row[at])}, {paid[at]:.1%} of the close before, "
            f"but the price moved by {np.expm1(move[at]):+.1%}"
        )
        yield Event("dividend_implausible", "error", row[at : at + 1], int(row[at]), says)


def _fall(paid: np.ndarray) -> np.ndarray:
    """The fall of the log price that dividends, as shares of the close before, call for."""
    fall: np.ndarray = -np.log1p(-np.minimum(paid, 0.9))
    return fall


def _move(bars: Histories, row: np.ndarray) -> np.ndarray:
    """Log move from the close before to the open or the close, whichever is lower."""
    move: np.ndarray = np.log(np.minimum(bars.open[row], bars.close[row]) / bars.previous_close[row]) + bars.log_split[row]
    return move


def _together(missing: np.ndarray, fall: np.ndarray, group: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each dividend what its group misses of its falls: the share, by least squares, and that share of the falls' norm.

    Both are 0 in a group of one.
    """
    both, own = np.bincount(group, weights=missing * fall), np.bincount(group, weights=fall**2)
    both = np.where(np.bincount(group) > 1, both, 0.0)[group]
    return both / own[group], both / np.sqrt(own[group])


def _never_traded(bars: Histories) -> np.ndarray:
    never: np.ndarray = np.bincount(bars.code, weights=bars.volume > 0, minlength=len(bars.symbols)) == 0
    return never


def _too_small(bars: Histories, mine: np.ndarray) -> Iterator[Event]:
    """One dividend in the place of a regular one, a hundred times smaller than the others, which are alike."""
    if len(mine) < 5:
        return
    paid = bars.paid[mine]
    small = np.flatnonzero(paid < np.median(paid) / 30)
    if len(small) != 1 or not 0 < small[0] < len(mine) - 1:
        return
    at = int(small[0])
    others = np.delete(paid, at)
    middle = np.median(others)
    alike = (others > middle / 3).all() and (others < middle * 3).all()
    gaps = np.diff(np.delete(mine, at))
    in_place = gaps[at - 1] >= 1.6 * np.median(np.delete(gaps, at - 1))
    if alike and in_place and middle / 2.5 < 100 * paid[at] < middle * 2.5:
        says = f"has a dividend of {bars.dividend[mine[at]]:g} on {bars.date_of(mine[at])}, a hundredth of its other dividends"
        yield Event("dividend_implausible", "error", mine[at : at + 1], int(mine[at]), says)


def _tiny(bars: Histories, mine: np.ndarray) -> Iterator[Event]:
    """Dividends that are all so small, of a symbol that pays seldom, that they can only be in another unit than the price."""
    tiny = mine[(bars.dividend[mine] < TINY_AMOUNT) & (bars.paid[mine] < TINY_SHARE)]
    if len(tiny) >= SOME and np.median(np.diff(tiny)) >= REGULAR_GAP:
        days = f"from {bars.date_of(tiny[0])} to {bars.date_of(tiny[-1])}"
        least = f"{bars.dividend[tiny].min():g}, {bars.paid[tiny].min():.3%} of the close before"
        says = f"has {len(tiny)} dividends {days} as small as {least}"
        yield Event("dividend_implausible", "error", tiny, int(tiny[0]), says)


def _twice(bars: Histories, mine: np.ndarray) -> Iterator[Event]:
    """Two dividends of one size within days, of a symbol that pays seldom: an error where the price fell for one only."""
    if len(mine) < 2:
        return
    gaps, amounts = np.diff(mine), bars.dividend[mine]
    for at in np.flatnonzero(gaps < TWICE_WITHIN):
        ratio = amounts[at + 1] / amounts[at]
        same = abs(ratio - 1) <= SAME_WITHIN
        alike = same or abs(ratio * 100 - 1) <= SAME_WITHIN or abs(ratio / 100 - 1) <= SAME_WITHIN
        others = np.delete(gaps, at)
        if alike and (not len(others) or np.median(others) >= REGULAR_GAP):
            days = f"{bars.date_of(mine[at])} and {bars.date_of(mine[at + 1])}"
            once = _fell_once(bars, mine[at : at + 2], same)
            but = ", but the price fell for one" if once else "; the price does not say so"
            says = f"has two dividends within days that may be one: {amounts[at]:g} and {amounts[at + 1]:g} on {days}{but}"
            yield Event("dividend_twice", "error" if once else "warning", mine[at : at + 2], int(mine[at]), says)


def _fell_once(bars: Histories, pair: np.ndarray, same: bool) -> bool:
    """Whether the price fell for one of two dividends only; of those on neighbouring bars each is asked for alone."""
    fall = _fall(bars.paid[pair])
    first, last = int(pair[0]), int(pair[1])
    if same and last == first + 1:
        return bool((_move(bars, pair) > -0.5 * fall).any())
    move = np.log(bars.close[last] / bars.previous_close[first]) + bars.log_split[first : last + 1].sum()
    least = ONCE_SHARE * (fall.min() if same else fall.max())
    noise = bars.noise[bars.code[first]] * np.sqrt(last - first + 1)
    return bool(fall.sum() + move >= max(least, ONCE_NOISE * noise))


def adjustment_events(bars: Histories) -> Iterator[Event]:
    """Where the vendor's adjusted close does not follow from its own closes, dividends and splits."""
    if not np.nan_to_num(bars.adjusted).any():
        return
    yield from _not_positive(bars)
    adjusted = np.where((bars.adjusted > 0) & np.isfinite(bars.adjusted), bars.adjusted, np.nan)
    factor = np.log(adjusted / bars.close)
    moved = np.concatenate([[0.0], np.diff(factor)]) - bars.log_split
    moved[bars.is_first | ~np.isfinite(moved)] = np.nan
    meant = -np.log1p(-np.minimum(bars.paid, 0.99))
    slack = TENTH_OF_PENNY + _rounding(bars, adjusted)
    off = np.abs(moved - meant)
    paying = bars.paid > 0
    none = ~paying & (off > slack)
    missing = paying & (meant > 3 * slack) & (np.abs(moved) <= slack + 0.1 * meant)
    wrong = paying & (off > slack + 0.2 * meant) & ~missing
    for row in np.flatnonzero(none | missing | wrong):
        yield _adjustment_event(bars, int(row), bool(missing[row]), float(np.expm1(-moved[row])))


def _adjustment_event(bars: Histories, row: int, missing: bool, moved: float) -> Event:
    day, rows = bars.date_of(row), np.array([row])
    if bars.paid[row] == 0:
        fell = abs(bars.moved[row] - np.log1p(moved)) <= 4 * bars.noise[bars.code[row]] and moved < -LARGE_DIVIDEND
        says = f"has closes adjusted by {moved:+.2%} before {day}, where no dividend is recorded"
        return Event("adjusted_without_dividend", "warning" if fell else "error", rows, row, says)  # fell: as by a spin-off
    dividend = f"has a dividend of {bars.dividend[row]:g} ({bars.paid[row]:.2%} of the close before) on {day}"
    if missing:
        return Event("dividend_not_adjusted", "error", rows, row, f"{dividend} that its adjusted closes leave out")
    says = f"{dividend}, but its adjusted closes before it are lowered by {-moved:.2%}"
    return Event("dividend_adjusted_wrong", "error", rows, row, says)


def _not_positive(bars: Histories) -> Iterator[Event]:
    broken = np.flatnonzero((bars.adjusted <= 0) | np.isinf(bars.adjusted))
    for code in np.unique(bars.code[broken]):
        rows = broken[bars.code[broken] == code]
        days = f"from {bars.date_of(rows[0])} to {bars.date_of(rows[-1])}"
        says = f"has adjusted closes that are not finite numbers above zero, {days}"
        yield Event("dividend_adjusted_wrong", "error", rows, int(rows[0]), says)


def _rounding(bars: Histories, adjusted: np.ndarray) -> np.ndarray:
    """How much the logarithm of adjusted over close can move between two bars because both are rounded decimals."""
    unit = np.full(len(bars.symbols), 1e-2)
    for decimals in (2, 3, 4, 5):
        scaled = adjusted * 10.0**decimals
        uneven = np.abs(scaled - np.round(scaled)) > 1e-6 * np.abs(scaled) + 1e-6
        finer = np.bincount(bars.code, weights=uneven, minlength=len(bars.symbols)) > 0.02 * np.diff(bars.starts)
        unit = np.where(finer, 10.0 ** -(decimals + 1), unit)
    error = np.nan_to_num(unit[bars.code] / adjusted)
    both: np.ndarray = error + np.concatenate([error[:1], error[:-1]])
    return both
