"""Which values of stored bars the vendor has changed since, and whether that is harmless. Pure."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Final

import numpy as np
import pandas as pd

from schemas.bars import Bars
from schemas.findings import Restatement

KEY: Final = [Bars.session, Bars.symbol]
PRICES: Final = [Bars.open, Bars.high, Bars.low, Bars.close]
VALUES: Final = [*PRICES, Bars.volume, Bars.dividend, Bars.split]
VOLUME, DIVIDEND = VALUES.index(Bars.volume), VALUES.index(Bars.dividend)
STORED: Final = "_stored"
SAME: Final = 1e-6
"""A value that moved by less than this share of itself is the same value."""
RATIO_TOLERANCE: Final = 1e-4
"""So far, as a share, a rescaled value may be from the value times the ratio, as vendors round,"""
RATIO_SHARE: Final = 0.02
"""but no farther than this share of what the ratio changes: a small dividend must not explain anything else."""
VOLUME_TOLERANCE: Final = 0.01


def restatements(bars: pd.DataFrame, stored: pd.DataFrame, tolerance: float, late_volume_since: date) -> list[Restatement]:
    """Every value of a stored bar that is another one in `bars`, by session, symbol and column.

    Both are `Bars`, `stored` with one version of each bar; a bar that only one of them has is not looked at. Explained are
    "late volume", on sessions from `late_volume_since` on, and "split" or "dividend", where the vendor has rescaled all of the
    symbol's bars before an action by its ratio. Changes of a price, dividend or split by more than the share `tolerance` that
    nothing explains are "quarantined"; of a volume never: it is reported.
    """
    both = bars.merge(stored[[*KEY, *VALUES]], on=KEY, suffixes=("", STORED)).sort_values(KEY, ignore_index=True)
    now, was = both[VALUES].to_numpy(float), both[[f"{column}{STORED}" for column in VALUES]].to_numpy(float)
    changed = ~np.isclose(now, was, rtol=SAME, atol=0.0, equal_nan=True)
    rescaled = sorted(set(both.loc[changed[:, : len(PRICES)].all(axis=1), Bars.symbol]))
    why = np.full(now.shape, "", dtype="<U11")
    why[:, VOLUME] = np.where(both[Bars.session] >= pd.Timestamp(late_volume_since), "late volume", "")
    for symbol, own in _actions(bars, stored, rescaled).groupby(Bars.symbol):
        rows = np.flatnonzero(both[Bars.symbol] == symbol)
        why[rows] = _rescaling(both.loc[rows, Bars.session].to_numpy(), now[rows], was[rows], own, why[rows])
    far = ~np.isclose(now, was, rtol=tolerance, atol=0.0, equal_nan=True)
    aside = changed & far & (why == "") & (np.array(VALUES) != Bars.volume)
    return _records(both, changed, was, now, why, aside)


def bars_to_store(bars: pd.DataFrame, restated: Iterable[Restatement]) -> pd.DataFrame:
    """The bars without those that have a quarantined value: a bar is set aside whole."""
    aside = [(pd.Timestamp(row.session), row.symbol) for row in restated if row.done == "quarantined"]
    return bars[~pd.MultiIndex.from_frame(bars[KEY]).isin(aside)].reset_index(drop=True) if aside else bars


def _records(
    both: pd.DataFrame, changed: np.ndarray, was: np.ndarray, now: np.ndarray, why: np.ndarray, aside: np.ndarray
) -> list[Restatement]:
    rows, columns = np.nonzero(changed)
    sessions, symbols = both[Bars.session].iloc[rows].dt.date, both[Bars.symbol].iloc[rows]
    before, after = was[changed].tolist(), now[changed].tolist()
    reasons, done = why[changed].tolist(), np.where(aside[changed], "quarantined", "stored").tolist()
    fields = [VALUES[column] for column in columns]
    return list(map(Restatement, sessions, symbols, fields, before, after, reasons, done))


def _actions(bars: pd.DataFrame, stored: pd.DataFrame, symbols: list[str]) -> pd.DataFrame:
    """The actions of some symbols, by session: by what a split and by what a dividend rescales the prices before it.

    The dividend's ratio is 1 - dividend / previous close, that of CRSP and of Yahoo's adjusted close.
    """
    columns = [*KEY, Bars.close, Bars.dividend, Bars.split]
    ours, theirs = (frame.loc[frame[Bars.symbol].isin(symbols), columns] for frame in (stored, bars))
    rows = ours.merge(theirs, on=KEY, how="outer", suffixes=(STORED, ""), sort=True)
    split, dividend, close = (
        rows[f"{column}{STORED}"].where(rows[f"{column}{STORED}"].fillna(none) != none, rows[column].fillna(none))
        for column, none in ((Bars.split, 1.0), (Bars.dividend, 0.0), (Bars.close, 0.0))
    )
    previous = close.groupby(rows[Bars.symbol]).shift()
    ratios = rows[KEY].assign(split=1 / split, dividend=1 - dividend * split / previous)
    acts = (split != 1) | (dividend != 0)
    return ratios[acts & (ratios["split"] > 0) & (ratios["dividend"] > 0)]


def _rescaling(sessions: np.ndarray, now: np.ndarray, was: np.ndarray, actions: pd.DataFrame, why: np.ndarray) -> np.ndarray:
    """The reasons for one symbol's rows, completed by the first rescaling that fits all of its bars before an action."""
    for until, by_split, ratio in _rescalings(sessions, actions):
        past = sessions < until
        expected = was[past] * ratio[past, None]
        room = np.minimum(RATIO_TOLERANCE, RATIO_SHARE * np.abs(1 - ratio[past]))[:, None]
        fits = np.abs(now[past] - expected) <= room * np.abs(expected)
        volume = np.isclose(now[past, VOLUME], was[past, VOLUME] / by_split[past], rtol=VOLUME_TOLERANCE, atol=1.0)
        split = (by_split != 1).any()
        if fits[:, : len(PRICES)].all() and (not split or (volume | (why[past, VOLUME] != "")).all()):
            why = why.copy()
            why[past, : len(PRICES)] = "split" if split else "dividend"
            if split:
                why[past, DIVIDEND] = np.where(fits[:, DIVIDEND], "split", "")
                why[past, VOLUME] = np.where(volume, "split", why[past, VOLUME])
            return why
    return why


def _rescalings(sessions: np.ndarray, actions: pd.DataFrame) -> Iterator[tuple[np.datetime64, np.ndarray, np.ndarray]]:
    """What a vendor may have done: rescaled for the newest n splits, dividends, or both together.

    Each is the session of the newest action, the ratio of the splits and that of all the actions, at each of `sessions`.
    """
    dividends_alone, splits_alone = actions.assign(split=1.0), actions.assign(dividend=1.0)
    for acts in (splits_alone, dividends_alone, actions):
        acts = acts[(acts["split"] != 1) | (acts["dividend"] != 1)].sort_values(Bars.session, ascending=False)
        by_split, ratio = np.ones(len(sessions)), np.ones(len(sessions))
        for when, split, dividend in zip(acts[Bars.session].to_numpy(), acts["split"], acts["dividend"], strict=True):
            before = sessions < when
            by_split, ratio = np.where(before, by_split * split, by_split), np.where(before, ratio * split * dividend, ratio)
            if before.any():
                yield acts[Bars.session].max().to_datetime64(), by_split, ratio
