"""Leaks on few days are found, and features that cannot be made of changed bars do not end the audit."""

import numpy as np
import pandas as pd
import pytest

from nightdesk.audit.audited import Audited
from nightdesk.audit.perturbed import audit_sessions, other_on
from nightdesk.audit.report import Audit, audit
from nightdesk.errors import Misconfigured
from nightdesk.features.panels import Panels
from tests.auditing import Feature, features_of, found, two_symbols

BARS = two_symbols(240)
INDEX = pd.DatetimeIndex(BARS["session"].unique())
AUDITED = 13
ONE_DAY = next(day for day in INDEX[150:] if day.date() not in audit_sessions(INDEX, AUDITED))


def returns(prices: Panels) -> pd.DataFrame:
    return prices.close.pct_change(fill_method=None)


def ahead_on(panel: pd.DataFrame, days: np.ndarray, sessions: int = 1) -> pd.DataFrame:
    """The panel, on some days that of a later session."""
    return panel.where(~np.repeat(days[:, None], panel.shape[1], axis=1), panel.shift(-sessions))


def mean(prices: Panels) -> pd.DataFrame:
    return prices.close.rolling(10).mean()


PLANTED: dict[str, Feature] = {
    "one_day": lambda prices: ahead_on(returns(prices), prices.close.index == ONE_DAY),
    "one_day_of_a_mean": lambda prices: ahead_on(mean(prices), prices.close.index == ONE_DAY),
    "one_day_of_an_exponential_mean": lambda prices: ahead_on(prices.close.ewm(alpha=0.8).mean(), prices.close.index == ONE_DAY),
    "five_sessions_ahead": lambda prices: ahead_on(returns(prices), prices.close.index == ONE_DAY, 5),
}
HONEST: dict[str, Feature] = {
    "returns": returns,
    "mean": mean,
    "exponential": lambda prices: prices.close.ewm(alpha=0.8).mean(),
    "so_far": lambda prices: prices.close / prices.close.expanding().mean(),
    "highest_so_far": lambda prices: prices.close / prices.close.cummax(),
}


@pytest.fixture(scope="module")
def audited() -> Audit:
    return audit(Audited(name="rare", features=features_of(**PLANTED, **HONEST)), BARS, AUDITED)


@pytest.mark.parametrize("name", list(PLANTED))
def test_a_leak_on_a_day_that_is_not_audited_is_found_on_that_day(name: str, audited: Audit) -> None:
    (leak,) = [leak for leak in audited.leaks if leak.what == name]
    assert (leak.check, leak.session) == ("single sessions", ONE_DAY.date())
    assert f"up to {5 if name == 'five_sessions_ahead' else 1} session(s) later" in leak.meaning


def test_what_remembers_is_not_taken_for_what_looks_ahead(audited: Audit) -> None:
    assert found(audited) == {"single sessions": set(PLANTED)}


def test_changed_bars_are_others_on_the_days_asked_and_the_same_elsewhere() -> None:
    days = INDEX[[38, 100]]
    made, at = other_on(BARS, days), BARS["session"].isin(days)
    pd.testing.assert_frame_equal(made[~at], BARS[~at])
    changed = made.loc[at, ["open", "high", "low", "volume"]] / BARS.loc[at, ["open", "high", "low", "volume"]]
    assert ((changed > 1.9) | (changed < 0.6)).all(axis=None)
    paid = INDEX[int(np.flatnonzero(BARS["dividend"].to_numpy()[::2])[0]) - 1]
    before = BARS["session"] == paid
    pd.testing.assert_series_equal(other_on(BARS, pd.DatetimeIndex([paid])).loc[before, "close"], BARS.loc[before, "close"])


def fails_where(wrong: object, sentence: str) -> Audited:
    """A feature without a leak, which refuses some bars as a file behind the fence would."""

    def features(bars: pd.DataFrame) -> pd.DataFrame:
        if wrong(bars):  # type: ignore[operator]  # a test of bars
            raise Misconfigured(sentence)
        return features_of(**{name: HONEST[name] for name in ("returns", "mean")})(bars)

    return Audited(name="refusing", features=features)


def test_bars_that_a_feature_refuses_are_a_warning_and_the_others_are_tried() -> None:
    made = audit(fails_where(lambda bars: bars["close"].isna().any(), "mine.py, line 3: no NaN."), BARS, 2)
    told = next(one for one in made.findings if one.check == "future")
    assert not made.leaks and told.severity == "warning"
    assert (
        told.meaning
        == "2 of 6 times the features could not be made of changed bars, and nothing was tried: mine.py, line 3: no NaN."
    )
    assert next(one for one in made.checks if one.check == "future").tried == 4


def test_a_check_that_could_not_be_tried_at_all_is_left_out_and_says_why() -> None:
    made = audit(fails_where(lambda bars: len(bars) < len(BARS), "mine.py, line 3: too few."), BARS, 2)
    cut = next(one for one in made.checks if one.check == "history cut")
    assert (cut.result, cut.left_out) == ("left out", "mine.py, line 3: too few.")
