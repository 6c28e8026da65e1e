"""Whether the features of t look later than t, and how much history they need."""

from collections.abc import Iterator, Sequence
from datetime import date

import numpy as np
import pandas as pd

from nightdesk.audit.case import Case
from nightdesk.audit.found import KEYS, ROWS, Checked, Difference, Leak, differences, first_of_each, plain
from nightdesk.audit.perturbed import FUTURES, Change, cut_after, with_hole_at
from schemas.bars import Bars

ROUNDING = 1e-12
"""Relative: fewer rows may change the last bits of a sum, which is no leak. Where the rows stay, every bit must."""
STARTS = (199, 399, 499, 999, 1999)
"""Lengths of history, in sessions, as of freqtrade's recursive analysis."""
SETTLED = 1e-6
"""Relative change of a feature's last value from which on a longer history is said to matter."""
WARM_UP_SESSIONS = 5
SHORTEST = 60
"""No bars are cut to fewer sessions: some features cannot be computed at all on a handful."""
TOO_SHORT = f"no audited session has {SHORTEST} before it"
WHOLE_SAMPLE = 0.8
"""What looks so far of the way to the end of the bars is said to look at all of them."""


def future_check(case: Case) -> Checked:
    """Everything after t becomes noise, goes missing, grows tenfold: features up to t are the same to the bit."""
    changes = {name: change for name, change in FUTURES.items() if change is not cut_after}
    return _feature_check("future", case, case.sessions, changes, 0.0)


def cut_check(case: Case) -> Checked:
    """The bars end with t: features up to t are the same."""
    return _feature_check("history cut", case, _with_a_past(case), {"cut off": cut_after}, ROUNDING)


def _feature_check(check: str, case: Case, sessions: Sequence[date], changes: dict[str, Change], tolerance: float) -> Checked:
    failed: list[str] = []

    def found() -> Iterator[Leak]:
        seen: set[str] = set()
        for session in case.turns(check, sessions):
            for name, change in changes.items():
                now = case.tried_features(change(case.bars, session), failed)
                for difference in differences(case.features, now, session, tolerance) if now is not None else ():
                    if difference.column not in seen:
                        seen.add(difference.column)
                        case.leaking.add(difference.column)
                        yield named_difference(check, case, difference, session, name, change)

    return _checked(check, len(sessions) * len(changes), tuple(found()), failed)


def _checked(check: str, tries: int, leaks: tuple[Leak, ...], failed: list[str]) -> Checked:
    """What came of so many tries, some of which may have failed."""
    if len(failed) == tries:
        return Checked(check, 0, leaks, failed[0] if failed else TOO_SHORT)
    return Checked(check, tries - len(failed), (*leaks, *unmade(check, failed, tries)))


def unmade(check: str, failed: list[str], tries: int) -> Iterator[Leak]:
    """A warning where the features cannot be made of some of the changed bars: there nothing was tried."""
    if failed:
        said = (
            f"{len(failed)} of {tries} times the features could not be made of changed bars, and nothing was tried: {failed[0]}"
        )
        yield Leak(check, "features", None, "", "made", "not made", said, "warning")


def hole_check(case: Case) -> Checked:
    """Open, high, low and volume of t are missing: what is put in their place does not come from after t."""
    check, sessions = "missing values", _with_a_past(case)
    failed: list[str] = []

    def found() -> Iterator[Leak]:
        for session in case.turns(check, sessions):
            holed = with_hole_at(case.bars, session)
            tries = len(failed)
            whole, ended = (case.tried_features(bars, failed) for bars in (holed.copy(), cut_after(holed, session)))
            if whole is None or ended is None:
                del failed[tries + 1 :]
                continue
            for difference in differences(whole, ended, session, ROUNDING):
                case.leaking.add(difference.column)
                meaning = (
                    f"With open, high, low and volume of {session} missing, the value of {_day(difference)} changes when the "
                    f"bars end with {session}: what is missing is filled in from later bars."
                )
                yield _named(check, difference, meaning)

    return _checked(check, len(sessions), first_of_each(found()), failed)


def _with_a_past(case: Case) -> list[date]:
    """The sessions at which the bars can end without being too few for any feature."""
    return [session for session in case.sessions if len(case.index) > SHORTEST and session >= case.index[SHORTEST].date()]


def named_difference(check: str, case: Case, difference: Difference, session: date, name: str, change: Change) -> Leak:
    """The leak that a difference is, and how far it looks ahead, where the bars after the session were changed."""
    if difference.column == ROWS or difference.session is None:
        meaning = f"When what comes after {session} is {name}, there are other rows or columns up to that session."
        return _named(check, difference, meaning)
    reach = _reach(case, difference, change)
    left = len(case.index) - 1 - case.index.get_loc(difference.session)
    far = "on the whole sample" if reach > 10 and reach > WHOLE_SAMPLE * left else f"on bars up to {reach} session(s) later"
    meaning = f"The value of {_day(difference)} depends {far}: it changes when the bars after {session} are {_words(name)}."
    return _named(check, difference, meaning)


def _words(name: str) -> str:
    return "replaced by noise" if name == "noise" else name


def _reach(case: Case, difference: Difference, change: Change) -> int:
    """How many sessions later than its own the value looks: the least number beyond which a change leaves it as it was."""
    place = int(case.index.get_loc(difference.session))
    low, high = 0, len(case.index) - 1 - place
    while high - low > 1:
        middle = (low + high) // 2
        now = case.tried_features(change(case.bars, case.index[place + middle].date()), [])
        value = _value(now, difference) if now is not None else None
        same = value is not None and (value == difference.was or (pd.isna(value) and pd.isna(difference.was)))
        low, high = (low, middle) if same else (middle, high)
    return high


def _value(features: pd.DataFrame, difference: Difference) -> object:
    """That in the place of a difference, None where there is none."""
    rows = features[(features[KEYS[0]] == difference.session) & (features[KEYS[1]] == difference.symbol)]
    return rows[difference.column].iloc[0] if difference.column in rows and len(rows) else None


def warm_up_check(case: Case) -> Checked:
    """The last value from the last 199, 399, ... sessions is that from all of them, or the length that it takes is named."""
    check = "warm-up"
    sessions = [at for at in case.sessions if pd.Timestamp(at) >= case.index[min(STARTS[0], len(case.index) - 1)]]
    if not sessions:
        return Checked(check, 0, left_out=f"there are {len(case.index)} sessions, and the shortest history tried has {STARTS[0]}")

    def found() -> Iterator[Leak]:
        for session in case.turns(check, sessions[-WARM_UP_SESSIONS:][::-1]):
            yield from _unsettled(check, case, session)

    return Checked(check, len(sessions[-WARM_UP_SESSIONS:]), first_of_each(found()))


def _unsettled(check: str, case: Case, session: date) -> Iterator[Leak]:
    place = int(case.index.get_loc(pd.Timestamp(session)))
    starts = [start for start in STARTS if start <= place]
    ended = cut_after(case.bars, session)
    whole = _row(case.tried_features(ended, []), session)
    rows = [_row(case.tried_features(ended[ended[Bars.session] > case.index[place - start]], []), session) for start in starts]
    for column in whole.columns:
        if not pd.api.types.is_numeric_dtype(whole[column]):
            continue
        changes = [_relative_change(whole[column], row[column] if column in row else whole[column] * np.nan) for row in rows]
        if changes[0] > SETTLED:
            symbol = str(whole.index[0])
            first = rows[0][column].reindex(whole.index).iloc[0] if column in rows[0] else np.nan
            values = plain(whole[column].iloc[0]), plain(first)
            yield Leak(check, str(column), session, symbol, *values, _warm_up_meaning(starts, changes), "warning")


def _warm_up_meaning(starts: Sequence[int], changes: Sequence[float]) -> str:
    enough = len(changes)
    while enough and changes[enough - 1] <= SETTLED:
        enough -= 1
    short = f"From {starts[0]} sessions the last value differs by {changes[0]:.2g} (relative) from that of the whole history: "
    if enough == len(changes):
        return short + f"not even {starts[-1]} sessions are enough, the value depends on where the history begins."
    return short + f"it needs a history of {starts[enough]} sessions."


def _row(features: pd.DataFrame | None, session: date) -> pd.DataFrame:
    if features is None:
        return pd.DataFrame()
    rows = features[features[KEYS[0]] == pd.Timestamp(session)].set_index(KEYS[1]).drop(columns=KEYS[0])
    return rows.sort_index()


def _relative_change(was: pd.Series, now: pd.Series) -> float:
    """The largest over the symbols, infinite where one of the two is missing."""
    a, b = was.to_numpy(dtype=float), now.reindex(was.index).to_numpy(dtype=float)
    same = (a == b) | (np.isnan(a) & np.isnan(b))
    scale = np.maximum(np.abs(a), np.abs(b))
    with np.errstate(invalid="ignore", divide="ignore"):
        change = np.where(same, 0.0, np.abs(a - b) / scale)
    return float(np.nan_to_num(change, nan=np.inf).max(initial=0.0))


def _day(difference: Difference) -> str:
    return str(difference.session.date()) if difference.session is not None else "some session"


def _named(check: str, difference: Difference, meaning: str) -> Leak:
    session = difference.session.date() if difference.session is not None else None
    return Leak(check, difference.column, session, difference.symbol, plain(difference.was), plain(difference.now), meaning)
