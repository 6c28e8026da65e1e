"""Whether a feature looks ahead on a few sessions only: bars are changed far apart from each other, many in one go."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nightdesk.audit.case import Case
from nightdesk.audit.feature_checks import named_difference, unmade
from nightdesk.audit.found import KEYS, Checked, Leak, differences
from nightdesk.audit.perturbed import noisy_after, other_on

Floats = NDArray[np.float64]
PASSES_A_SESSION = 2
"""So many times the number of audited sessions the features are made here."""
REACH = 10
"""Sessions between what one changed bar leaves behind and the next one: there nothing may differ."""
MEMORIES = (5, 25, 75, 252, np.inf)
"""Features are tried together that remember a bar for about as many sessions; for more than a year is for ever."""
LONGEST_MEMORY = 252
FAR = 75
"""Sessions between changed bars for what remembers them for ever."""
FORGOTTEN = 1e-9
"""Relative: of a bar that has left a moving sum, rounding stays."""
SUSPECTS = 6
"""So many values a feature, those that moved most, are tried for themselves."""


@dataclass(frozen=True, slots=True)
class Suspect:
    """A value that moved where none should: by so much more than the value before it."""

    column: str
    place: int
    jump: float


def single_check(case: Case) -> Checked:
    """Bars of single sessions are changed: what comes before each of them stays, where nothing remembers the one before it.

    A value that does not is tried for itself, with everything after it changed, and only then is it a leak. So a leak on rare
    days is found, which the audited sessions may miss.
    """
    check, names = "single sessions", [name for name in _numbers(case.features) if name not in case.leaking]
    if not names:
        return Checked(check, 0, left_out="every feature was found to look ahead already")
    suspects: list[Suspect] = []
    failed: list[str] = []
    passes = _passes(case, names, _memories(case, names))
    sessions = [case.index[each.offset].date() for each in passes]
    tried = 0
    for each, _ in zip(passes, case.turns(check, sessions), strict=True):
        places = np.arange(each.offset, len(case.index), each.apart)
        made = case.tried_features(other_on(case.bars, case.index[places]), failed)
        if made is not None:
            tried += len(places)
            suspects += _suspects(each.names, _moved(case, each.names, made), places, each.memory)
    leaks = tuple(_confirmed(check, case, suspects))
    return Checked(check, tried, (*leaks, *unmade(check, failed, len(passes))), "" if tried else failed[0])


@dataclass(frozen=True, slots=True)
class Pass:
    """Every bar that is `apart` sessions from the one before, from `offset` on, is changed, for some features."""

    offset: int
    apart: int
    names: list[str]
    memory: Floats


def _passes(case: Case, names: list[str], memory: Floats) -> list[Pass]:
    """What forgets soon is tried apart from what forgets late: with fewer sessions between changed bars, all are soon tried."""
    made: list[Pass] = []
    group = np.searchsorted(MEMORIES, memory)
    for of in (group == one for one in np.unique(group)):
        longest = memory[of].max() if np.isfinite(memory[of]).all() else FAR
        apart = min(int(longest) + REACH + 1, len(case.index))
        chosen = [name for name, one in zip(names, of, strict=True) if one]
        for offset in np.linspace(0, apart, min(apart, PASSES_A_SESSION * len(case.sessions)), endpoint=False):
            made.append(Pass(int(offset), apart, chosen, memory[of]))
    return made


def _memories(case: Case, names: list[str]) -> Floats:
    """For how many sessions a changed bar is seen in each feature."""
    at = len(case.index) // 3
    made = case.tried_features(other_on(case.bars, case.index[[at]]), [])
    if made is None:
        return np.full(len(names), np.inf)
    seen = _moved(case, names, made)[at:] > FORGOTTEN
    longest = np.where(seen.any(axis=0), len(seen) - 1 - seen[::-1].argmax(axis=0), 0)
    return np.where(longest > LONGEST_MEMORY, np.inf, longest.astype(float))


def _moved(case: Case, names: list[str], made: pd.DataFrame) -> Floats:
    """Sessions x features: the largest relative change over the symbols, 2 where a value is there in one of the two only."""
    was = case.features.set_index(KEYS)[names].sort_index()
    now = made.set_index(KEYS).reindex(index=was.index, columns=names)
    a, b = was.to_numpy(dtype=float), now.to_numpy(dtype=float)
    with np.errstate(invalid="ignore", divide="ignore"):
        change = np.where((a == b) | (np.isnan(a) & np.isnan(b)), 0.0, np.abs(a - b) / np.maximum(np.abs(a), np.abs(b)))
    moved = np.zeros((len(case.index), len(names)))
    np.maximum.at(moved, case.index.get_indexer(was.index.get_level_values(0)), np.nan_to_num(change, nan=2.0))
    return moved


def _suspects(names: list[str], moved: Floats, places: NDArray[np.int64], memory: Floats) -> list[Suspect]:
    """The values that moved although no changed bar is behind them, or it is forgotten.

    Of what remembers for ever those close before a changed bar are looked at.
    The largest one for each feature, by how much more it moved than the value of the session before it.
    """
    at = np.arange(len(moved))
    behind = np.searchsorted(places, at, side="right") - 1
    since = np.where(behind >= 0, at - places[np.maximum(behind, 0)], np.iinfo(np.int64).max)
    ahead = np.append(places, len(moved) + REACH)[behind + 1] - at
    looked = np.where(np.isinf(memory), (ahead <= REACH)[:, None], since[:, None] > np.where(np.isinf(memory), 0, memory))
    jump = np.where(looked, moved - np.vstack([np.zeros((1, len(names))), moved[:-1]]), 0.0)
    tops = jump.argmax(axis=0)
    return [
        Suspect(name, int(top), jump[top, k])
        for k, (name, top) in enumerate(zip(names, tops, strict=True))
        if jump[top, k] > FORGOTTEN
    ]


def _confirmed(check: str, case: Case, suspects: list[Suspect]) -> Iterator[Leak]:
    """The first suspect of each feature that is a leak: with everything after it changed, it changes."""
    for name in dict.fromkeys(one.column for one in suspects):
        most = sorted((one for one in suspects if one.column == name), key=lambda one: -one.jump)[:SUSPECTS]
        for place in sorted({one.place for one in most}):
            session = case.index[place].date()
            made = case.tried_features(noisy_after(case.bars, session), [])
            found = [one for one in differences(case.features, made, session) if one.column == name] if made is not None else []
            if found:
                case.leaking.add(name)
                yield named_difference(check, case, found[0], session, "noise", noisy_after)
                break


def _numbers(features: pd.DataFrame) -> list[str]:
    return [name for name in features.columns if name not in KEYS and pd.api.types.is_numeric_dtype(features[name])]
