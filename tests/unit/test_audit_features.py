"""Features that look ahead are found and named, honest ones are not."""

import numpy as np
import pandas as pd
import pytest

from nightdesk.audit.audited import Audited
from nightdesk.audit.perturbed import FUTURES, audit_sessions
from nightdesk.audit.report import Audit, audit
from nightdesk.features.matrix import FEATURES
from nightdesk.features.panels import Panels, forward_adjusted
from tests.auditing import Feature, audit_of_features, features_of, found, two_symbols

BARS = two_symbols()
INDEX = pd.DatetimeIndex(BARS["session"].unique())
AUDITED = 8


def returns(prices: Panels) -> pd.DataFrame:
    return prices.close.pct_change(fill_method=None)


def misaligned(prices: Panels) -> pd.DataFrame:
    """The closes without the first, put back one row too high."""
    later = np.vstack([prices.close.to_numpy()[1:], np.full((1, prices.close.shape[1]), np.nan)])
    return pd.DataFrame(later, index=prices.close.index, columns=prices.close.columns)


def at_month_ends(prices: Panels) -> pd.DataFrame:
    """The next session's return, in the last session of each month only."""
    months = prices.close.index.to_period("M")
    last = np.append(months[1:] != months[:-1], False)
    return returns(prices).where(~np.column_stack([last, last]), returns(prices).shift(-1))


def before_large_moves(prices: Panels) -> pd.DataFrame:
    later = returns(prices).shift(-1)
    return returns(prices).where(~(later.abs() > 0.02), 0.0)


def backward_adjusted(prices: Panels) -> pd.DataFrame:
    paid = 1.0 - prices.dividend / prices.close.shift(1)
    return prices.close * paid[::-1].cumprod()[::-1].shift(-1).fillna(1.0)


def weekly_mean(prices: Panels) -> pd.DataFrame:
    return prices.close.groupby(prices.close.index.to_period("W")).transform("mean")


PLANTED: dict[str, Feature] = {
    "shift": lambda prices: prices.close.shift(-1) / prices.close,
    "next_close": lambda prices: prices.close.shift(-1),
    "centred": lambda prices: prices.close.rolling(11, center=True).mean(),
    "normalised": lambda prices: (prices.close - prices.close.mean()) / prices.close.std(),
    "resampled": lambda prices: prices.close.resample("W-FRI").last().reindex(prices.close.index, method="bfill"),
    "weekly_mean": weekly_mean,
    "backfilled_start": lambda prices: prices.close.rolling(20).mean().bfill(),
    "backfilled_hole": lambda prices: prices.volume.bfill(),
    "interpolated_hole": lambda prices: prices.volume.interpolate(),
    "ranked": lambda prices: prices.close.rank(pct=True),
    "mean_imputed": lambda prices: prices.close.rolling(5).std().fillna(prices.close.rolling(5).std().mean()),
    "median_imputed_hole": lambda prices: prices.volume.fillna(prices.volume.median()),
    "misaligned": misaligned,
    "month_ends": at_month_ends,
    "one_millionth": lambda prices: prices.close * (1.0 + 1e-6 * np.sign(returns(prices).shift(-1).fillna(0.0))),
    "tiny": lambda prices: prices.close * (1.0 + 1e-15 * (prices.close.shift(-1) > prices.close)),
    "before_large_moves": before_large_moves,
    "backward_adjusted": backward_adjusted,
    "reversed": lambda prices: prices.close[::-1].ewm(span=10).mean()[::-1],
    "smoothed": lambda prices: prices.close.apply(lambda one: pd.Series(np.convolve(one, np.ones(5) / 5, "same"), one.index)),
    "labelled_ahead": lambda prices: (prices.close.shift(-5) > prices.close).astype(float),
    "largest_yet_to_come": lambda prices: prices.high / prices.high.max(),
    "length": lambda prices: prices.close * 0.0 + len(prices.close),
    "other_symbol": lambda prices: prices.close[["BBB", "AAA"]].set_axis(["AAA", "BBB"], axis=1).shift(-2),
}
HONEST: dict[str, Feature] = {
    "range_": lambda prices: prices.high - prices.low,
    "returns": returns,
    "mean": lambda prices: prices.close.rolling(20).mean(),
    "deviation": lambda prices: prices.close.rolling(20).std(),
    "exponential": lambda prices: prices.close.ewm(span=10).mean(),
    "ranked_so_far": lambda prices: prices.close.rolling(60, min_periods=1).rank(pct=True),
    "ranked_across": lambda prices: prices.close.rank(axis=1, pct=True),
    "filled_forward": lambda prices: prices.volume.ffill(),
    "last_friday": lambda prices: prices.close[prices.close.index.day_of_week == 4].reindex(prices.close.index, method="ffill"),
    "adjusted": lambda prices: forward_adjusted(prices).close.pct_change(fill_method=None),
}
OURS: dict[str, Feature] = {
    name: lambda prices, feature=feature: feature(forward_adjusted(prices)) for name, feature in FEATURES.items()
}


@pytest.fixture(scope="module")
def audited() -> Audit:
    """All at once, so that one audit serves all tests of it."""
    return audit_of_features(AUDITED, **PLANTED, **HONEST, **OURS)


@pytest.mark.parametrize("name", list(PLANTED))
def test_a_planted_leak_is_found_and_named_in_words(name: str, audited: Audit) -> None:
    leaks = [leak for leak in audited.leaks if leak.what == name]
    assert leaks
    for leak in leaks:
        assert leak.session is not None and leak.was != leak.now
        assert leak.symbol in ("AAA", "BBB") and leak.meaning.endswith(".")


@pytest.mark.parametrize("name", [*HONEST, *OURS])
def test_honest_features_and_those_of_the_desk_are_clean(name: str, audited: Audit) -> None:
    assert [leak for leak in audited.leaks if leak.what == name] == []


@pytest.mark.parametrize(
    ("name", "sessions"), [("shift", 1), ("misaligned", 1), ("centred", 5), ("smoothed", 2), ("labelled_ahead", 5)]
)
def test_how_far_a_leak_reaches_is_told(name: str, sessions: int, audited: Audit) -> None:
    leak = next(leak for leak in audited.leaks if leak.what == name and leak.check == "future")
    assert f"on bars up to {sessions} session(s) later" in leak.meaning


@pytest.mark.parametrize("name", ["normalised", "length"])
def test_what_looks_at_all_bars_is_called_that(name: str, audited: Audit) -> None:
    leak = next(leak for leak in audited.leaks if leak.what == name)
    assert "on the whole sample" in leak.meaning


def test_values_and_session_of_a_leak_are_those_of_the_bars(audited: Audit) -> None:
    leak = next(leak for leak in audited.leaks if leak.what == "next_close" and leak.check == "future")
    at = INDEX.get_loc(pd.Timestamp(leak.session))
    close = features_of(close=lambda prices: prices.close)(BARS).set_index(["session", "symbol"])["close"]
    assert leak.was == repr(float(close[(INDEX[at + 1], leak.symbol)]))
    assert leak.session == audit_sessions(INDEX, AUDITED)[0]


def test_a_column_that_only_the_future_brings_is_a_leak() -> None:
    def by_year(bars: pd.DataFrame) -> pd.DataFrame:
        keys = bars[["session", "symbol"]]
        years = pd.get_dummies(bars["session"].dt.year, prefix="year", dtype=float)
        return pd.concat([keys, years], axis=1)

    assert "year_2017" in found(audit(Audited(name="years", features=by_year), BARS, 9))["history cut"]


def test_a_window_longer_than_the_shortest_history_is_told_as_warm_up_and_is_no_leak() -> None:
    made = audit_of_features(long=lambda prices: prices.close.rolling(300).mean(), short=HONEST["mean"])
    (told,) = made.findings
    assert (told.what, told.severity, made.leaks) == ("long", "warning", ())
    assert "needs a history of 399 sessions" in told.meaning and told.now == "nan"


def test_a_value_that_depends_on_the_first_session_is_told_too() -> None:
    (told,) = audit_of_features(level=lambda prices: prices.close / prices.close.iloc[0]).findings
    assert told.check == "warm-up" and "where the history begins" in told.meaning


def test_audited_sessions_have_the_edges_of_months_and_the_ends_of_the_bars() -> None:
    chosen = pd.DatetimeIndex(audit_sessions(INDEX, 50))
    months = INDEX.to_period("M")
    last = INDEX[:-1][months[1:] != months[:-1]]
    assert len(chosen) == 50 and chosen.is_monotonic_increasing and chosen.is_unique
    assert chosen.isin(last).sum() >= 14 and INDEX[1] in chosen and INDEX[-2] in chosen and INDEX[-1] not in chosen
    assert len(set(chosen.day_of_week)) == 5
    assert audit_sessions(INDEX, 10_000) == [stamp.date() for stamp in INDEX[:-1]]
    assert len(audit_sessions(INDEX, 1)) == 1


@pytest.mark.parametrize("name", list(FUTURES))
def test_no_change_of_the_future_touches_the_past(name: str) -> None:
    session = INDEX[200].date()
    before, now = BARS[BARS["session"] <= INDEX[200]], FUTURES[name](BARS, session)
    pd.testing.assert_frame_equal(now[now["session"] <= INDEX[200]].reset_index(drop=True), before.reset_index(drop=True))
    later = BARS[BARS["session"] > INDEX[200]]["close"].to_numpy()
    changed = now[now["session"] > INDEX[200]]["close"].to_numpy()
    assert len(changed) == 0 or (changed != later).all()
