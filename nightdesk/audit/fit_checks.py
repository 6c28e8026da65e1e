"""Whether labels, fits, signals and fills use what is not known yet."""

from collections.abc import Iterator
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from nightdesk.audit.audited import Fitted
from nightdesk.audit.case import Case, quietly
from nightdesk.audit.estimators import changed_part
from nightdesk.audit.feature_checks import ROUNDING
from nightdesk.audit.found import KEYS, Checked, Leak, differences, first_of_each, plain
from nightdesk.audit.perturbed import FUTURES, cut_after, disturbed, tenfold_after
from schemas.labels import Labels

SHUFFLES = 5
BEYOND_CHANCE = 4.0
"""Standard errors: luck alone comes so far once in 16,000 times."""
PREDICTED = "predicted"


def horizon_check(case: Case) -> Checked:
    """Every label ends after its session, and none that a fit uses ends after the decision."""
    check = "label horizon"
    if case.audited.labels is None:
        return Checked(check, 0, left_out="there are no labels")

    def found() -> Iterator[Leak]:
        for session in case.turns(check, case.sessions):
            known = case.known_labels(case.bars.copy(), session)
            late = known[known[Labels.label_end] > pd.Timestamp(session)]
            for row in late.head(1).itertuples():
                said = f"A fit at the close of {session} uses a label that is known at the close of {row.label_end.date()} only."
                yield Leak(check, Labels.label_end, row.session.date(), row.symbol, str(session), plain(row.label_end), said)
            unborn = known[known[Labels.label_end] <= known[Labels.session]]
            for row in unborn.head(1).itertuples():
                said = "The label is said to end before anything could happen: splits can not purge by it."
                values = plain(row.session), plain(row.label_end)
                yield Leak(check, "label_end of the past", row.session.date(), row.symbol, *values, said)

    return Checked(check, len(case.sessions), first_of_each(found()))


def label_check(case: Case) -> Checked:
    """Everything after t is changed or cut off: the labels that a fit at t uses are the same."""
    check = "training labels"
    if case.audited.labels is None:
        return Checked(check, 0, left_out="there are no labels")

    def found() -> Iterator[Leak]:
        for session in case.turns(check, case.sessions):
            was = case.known_labels(case.bars.copy(), session)
            for name, change in FUTURES.items():
                now = case.known_labels(change(case.bars, session), session)
                for one in differences(was, now, session):
                    said = (
                        f"A label that a fit at the close of {session} uses changes when the bars after it are {name}: "
                        "it ends later than its label_end says."
                    )
                    day = one.session.date() if one.session is not None else None
                    yield Leak(check, one.column, day, one.symbol, plain(one.was), plain(one.now), said)

    return Checked(check, len(case.sessions) * len(FUTURES), first_of_each(found()))


def model_check(case: Case) -> Checked:
    """The features after t are changed: the model fitted at the close of t is the same to the bit."""
    check, sessions = "model", _fit_sessions(case)
    hows = [how for how in FUTURES if how != "cut off"]

    def found() -> Iterator[Leak]:
        for session in case.turns(check, sessions):
            was, known = case.fit_at(session), case.known_labels(case.bars.copy(), session)
            later = (case.features[KEYS[0]] > pd.Timestamp(session)).to_numpy()
            for how in hows:
                features = disturbed(case.features, later, _numbers(case.features), how)
                said = f"The fit at the close of {session} depends on features of later sessions."
                yield from _changed_model(check, session, was, case.refitted(features, known), said)

    return _fits_checked(check, case, first_of_each(found()), len(sessions) * len(hows))


def train_only_check(case: Case) -> Checked:
    """Features and labels of the test part, and labels that reach into it, are changed: the tested model stays, to the bit."""
    check, sessions = "fit on train only", _fit_sessions(case)[-2:]

    def found() -> Iterator[Leak]:
        for session in case.turns(check, sessions):
            was = case.fit_at(session)
            if was is not None and was.test_first is not None:
                for said, features, labels in _other_tests(case, session, pd.Timestamp(was.test_first)):
                    yield from _changed_model(check, session, was, case.refitted(features, labels), said)

    return _fits_checked(check, case, first_of_each(found()), len(sessions) * 3)


def _other_tests(case: Case, session: date, tested: pd.Timestamp) -> Iterator[tuple[str, pd.DataFrame, pd.DataFrame]]:
    features, known = cut_after(case.features, session), case.known_labels(case.bars.copy(), session)
    in_test = (features[KEYS[0]] >= tested).to_numpy()
    at = f"at the close of {session}, whose test part begins with {tested.date()},"
    other = disturbed(features, in_test, _numbers(features), "noise")
    yield f"The fit {at} depends on the features of its test part: something was fitted on everything.", other, known
    reaches = ((known[Labels.session] < tested) & (known[Labels.label_end] >= tested)).to_numpy()
    yield f"The fit {at} trains on labels that end in the test part: it purges too little.", features, _flipped(known, reaches)
    tests = (known[Labels.session] >= tested).to_numpy()
    yield f"The fit {at} depends on the labels of its test part.", features, _flipped(known, tests)


def _flipped(labels: pd.DataFrame, rows: Any) -> pd.DataFrame:
    return labels.assign(**{Labels.label: labels[Labels.label].where(~rows, 1 - labels[Labels.label])})


def shuffle_check(case: Case) -> Checked:
    """With its labels shuffled, a fit is right in its test as often as two things that know nothing of each other."""
    check = "shuffled labels"
    sessions = _fit_sessions(case)[-1:]
    tested: list[pd.DataFrame] = []
    for session in case.turns(check, [at for at in sessions for _ in range(SHUFFLES)]):
        known = case.known_labels(case.bars.copy(), session)
        shuffled = np.random.default_rng(len(tested)).permutation(known[Labels.label].to_numpy())
        made = case.refitted(cut_after(case.features, session), known.assign(**{Labels.label: shuffled}))
        tested.append(made.test_predictions if made is not None else pd.DataFrame())
    shown = [table for table in tested if len(table) > 1]
    if not shown:
        return Checked(check, 0, left_out=_no_fit(case))
    return Checked(check, len(shown), tuple(_beyond_chance(check, sessions[0], shown)))


def _beyond_chance(check: str, session: date, tested: list[pd.DataFrame]) -> Iterator[Leak]:
    """Matches of two sequences in random order: mean and variance of the hypergeometric distribution."""
    right = expected = variance = 0.0
    count = sum(len(table) for table in tested)
    for table in tested:
        n, up, said = len(table), table[Labels.label].mean(), table[PREDICTED].mean()
        right += float((table[Labels.label] == table[PREDICTED]).sum())
        expected += n * (up * said + (1 - up) * (1 - said))
        variance += 4 * n * n * up * (1 - up) * said * (1 - said) / (n - 1)
    bound = BEYOND_CHANCE * variance**0.5
    if abs(right - expected) > bound:
        said = (
            f"On shuffled labels there is nothing to learn, and yet {right / count:.3f} of the test is right, "
            f"where chance gives {expected / count:.3f} +- {bound / count:.3f}: the fit knows its test."
        )
        yield Leak(check, "test accuracy", session, "", f"{expected / count:.4f}", f"{right / count:.4f}", said)


def signal_check(case: Case) -> Checked:
    """The features after t are changed or cut off: the signal of t is the same."""
    check, signal = "signal", case.audited.signal
    if signal is None:
        return Checked(check, 0, left_out="there is no signal")
    estimator = case.last_estimator()
    if case.audited.fit is not None and estimator is None:
        return Checked(check, 0, left_out=_no_fit(case))

    def signals(features: pd.DataFrame, session: date) -> pd.DataFrame:
        return quietly(signal, features, estimator, session).assign(**{KEYS[0]: pd.Timestamp(session)})

    def found() -> Iterator[Leak]:
        for session in case.turns(check, case.sessions):
            was = signals(case.features.copy(), session)
            later = (case.features[KEYS[0]] > pd.Timestamp(session)).to_numpy()
            for how in FUTURES:
                now = signals(disturbed(case.features, later, _numbers(case.features), how), session)
                for one in differences(was, now, session, ROUNDING if how == "cut off" else 0.0):
                    said = f"What is wanted at the close of {session} changes when the features after it are {how}."
                    yield Leak(check, one.column, session, one.symbol, plain(one.was), plain(one.now), said)

    return Checked(check, len(case.sessions) * len(FUTURES), first_of_each(found()))


def execution_check(case: Case) -> Checked:
    """A fill is in a session after that of its decision, and its price is not one that was known then."""
    check, fills = "execution lag", case.audited.fills
    if fills is None:
        return Checked(check, 0, left_out="there are no fills")

    def found() -> Iterator[Leak]:
        for session in case.turns(check, case.sessions):
            was, now = (quietly(fills, bars, session) for bars in (case.bars.copy(), tenfold_after(case.bars, session)))
            dearer = dict(zip(now["instrument"], now["price"], strict=True))
            for row in was.itertuples():
                if row.session <= pd.Timestamp(session):
                    said = (
                        f"An order decided at the close of {session} is filled on {row.session.date()}, before it can be there."
                    )
                    yield Leak(check, "session", session, row.instrument, str(session), plain(row.session), said)
                elif dearer.get(row.instrument) == row.price:
                    said = f"An order decided at the close of {session} is filled at a price that no later bar has any part in."
                    yield Leak(check, "price", session, row.instrument, plain(row.price), plain(row.price), said)

    return Checked(check, len(case.sessions), first_of_each(found()))


def _fit_sessions(case: Case) -> list[date]:
    """Where there is a usable fit to compare with."""
    usable = [case.fit_at(session) for session in case.model_sessions]
    pairs = zip(case.model_sessions, usable, strict=True)
    return [session for session, made in pairs if made is not None and made.estimator is not None]


def _fits_checked(check: str, case: Case, leaks: tuple[Leak, ...], tried: int) -> Checked:
    return Checked(check, tried, leaks, "" if tried else _no_fit(case))


def _no_fit(case: Case) -> str:
    made = next(filter(None, map(case.fit_at, reversed(case.model_sessions))), None)
    return f"no fit is usable: {made.reason}" if made is not None else "there is no fit"


def _changed_model(check: str, session: date, was: Fitted | None, now: Fitted | None, said: str) -> Iterator[Leak]:
    if was is None or now is None:
        return
    if now.estimator is None:
        yield Leak(check, "the fit", session, "", "usable", now.reason, f"{said} It then gives no model at all.")
        return
    part = changed_part(was.estimator, now.estimator)
    if part is not None:
        yield Leak(check, part.name, session, "", part.was, part.now, said)


def _numbers(features: pd.DataFrame) -> list[str]:
    return [name for name in features.columns if name not in KEYS and pd.api.types.is_numeric_dtype(features[name])]
