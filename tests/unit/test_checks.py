"""Clean bars pass; one planted corruption of each kind is found, and nothing else."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightdesk.errors import BadData
from nightdesk.market.checks import CHECKS, SET_ASIDE, checks_passed, findings, raise_errors
from nightdesk.market.histories import PRICES
from nightdesk.market.row_checks import NUMBERS
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars
from tests.bars import clean_bars

SESSIONS = exchange_sessions("XNYS").between(date(2018, 1, 1), date(2018, 12, 31))
CLOSED = [pd.Timestamp("2018-01-01"), pd.Timestamp("2018-01-06"), pd.Timestamp("2018-12-05"), pd.Timestamp("2018-12-25")]
SYMBOLS = ["^GSPC", "AAPL", "BRK.B", "ZM"]
quick = settings(max_examples=8, deadline=None, database=None)

Panel = tuple[pd.DataFrame, list[str], pd.DatetimeIndex]
Planted = tuple[pd.DataFrame, tuple[date, str]]


@st.composite
def panels(draw: st.DrawFn) -> Panel:
    """Clean bars whose symbols may start late, with their symbols and expected sessions; at least three bars a symbol."""
    start, length = draw(st.integers(0, 200)), draw(st.integers(3, 30))
    expected = SESSIONS[start : start + length]
    symbols = sorted(draw(st.sets(st.sampled_from(SYMBOLS), min_size=1)))
    bars = clean_bars(expected, symbols, seed=draw(st.integers(0, 2**32 - 1)))
    first_bar = {symbol: expected[draw(st.integers(0, length - 3))] for symbol in symbols}
    return bars[bars[Bars.session] >= bars[Bars.symbol].map(first_bar)].reset_index(drop=True), symbols, expected


def bar(bars: pd.DataFrame, row: int) -> tuple[date, str]:
    return bars.at[row, Bars.session].date(), bars.at[row, Bars.symbol]


def inner_row(draw: st.DrawFn, bars: pd.DataFrame) -> int:
    """A row that is neither its symbol's first nor its last."""
    inner = bars.duplicated(Bars.symbol) & bars.duplicated(Bars.symbol, keep="last")
    return int(draw(st.sampled_from(list(bars.index[inner]))))


def with_cell(bars: pd.DataFrame, row: int, column: str, value: float) -> Planted:
    changed = bars.copy()
    changed.at[row, column] = value
    return changed, bar(bars, row)


def missing_session(draw: st.DrawFn, bars: pd.DataFrame) -> Planted:
    row = inner_row(draw, bars)
    return bars.drop(index=row), bar(bars, row)


def missing_last_bar(draw: st.DrawFn, bars: pd.DataFrame) -> Planted:
    symbol = draw(st.sampled_from(sorted(bars[Bars.symbol].unique())))
    row = bars.index[bars[Bars.symbol] == symbol][-1]
    return bars.drop(index=row), bar(bars, row)


def extra_session(draw: st.DrawFn, bars: pd.DataFrame) -> Planted:
    row = inner_row(draw, bars)
    last = bars[Bars.session].max()
    closed = draw(st.sampled_from([day for day in CLOSED if day < last]))
    added = bars.loc[[row]].assign(session=closed.as_unit("ns"))
    return pd.concat([bars, added]).sort_values([Bars.session, Bars.symbol]), (closed.date(), bar(bars, row)[1])


def unfinished_bar(draw: st.DrawFn, bars: pd.DataFrame) -> Planted:
    row = bars.index[-1]
    after = bars.at[row, Bars.session] + pd.Timedelta(days=draw(st.integers(1, 4)))
    added = bars.loc[[row]].assign(session=after)
    return pd.concat([bars, added]), (after.date(), bar(bars, row)[1])


def duplicate(draw: st.DrawFn, bars: pd.DataFrame) -> Planted:
    row = inner_row(draw, bars)
    return pd.concat([bars.loc[:row], bars.loc[row:]]), bar(bars, row)


def conflicting_duplicate(draw: st.DrawFn, bars: pd.DataFrame) -> Planted:
    row = inner_row(draw, bars)
    other = bars.loc[[row]].assign(volume=bars.at[row, Bars.volume] + draw(st.integers(1, 9)))
    return pd.concat([bars.loc[:row], other, bars.loc[row + 1 :]]), bar(bars, row)


def unsorted(draw: st.DrawFn, bars: pd.DataFrame) -> Planted:
    row = draw(st.integers(0, len(bars) - 2))
    return pd.concat([bars.drop(index=row), bars.loc[[row]]]), bar(bars, row)


def not_finite(draw: st.DrawFn, bars: pd.DataFrame) -> Planted:
    value = draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    return with_cell(bars, inner_row(draw, bars), draw(st.sampled_from(NUMBERS)), value)


def not_positive(draw: st.DrawFn, bars: pd.DataFrame) -> Planted:
    column, value = draw(st.sampled_from([*PRICES, Bars.split])), draw(st.sampled_from([0.0, -0.01, -1e9]))
    return with_cell(bars, inner_row(draw, bars), column, value)


def low_above_open_close(draw: st.DrawFn, bars: pd.DataFrame) -> Planted:
    row = inner_row(draw, bars)
    return with_cell(bars, row, Bars.low, bars.loc[row, [Bars.open, Bars.close]].min() * 1.000001)


def high_below_open_close(draw: st.DrawFn, bars: pd.DataFrame) -> Planted:
    row = inner_row(draw, bars)
    return with_cell(bars, row, Bars.high, bars.loc[row, [Bars.open, Bars.close]].max() * 0.999999)


def negative_volume(draw: st.DrawFn, bars: pd.DataFrame) -> Planted:
    return with_cell(bars, inner_row(draw, bars), Bars.volume, -1.0)


def negative_dividend(draw: st.DrawFn, bars: pd.DataFrame) -> Planted:
    return with_cell(bars, inner_row(draw, bars), Bars.dividend, -0.01)


CORRUPTIONS: dict[str, Callable[[st.DrawFn, pd.DataFrame], Planted]] = {
    corrupt.__name__: corrupt
    for corrupt in (
        missing_session,
        missing_last_bar,
        extra_session,
        unfinished_bar,
        duplicate,
        conflicting_duplicate,
        unsorted,
        not_finite,
        not_positive,
        low_above_open_close,
        high_below_open_close,
        negative_volume,
        negative_dividend,
    )
}


ELSEWHERE = {
    "test_jumps": {"jump", "split_not_applied", "split_applied_twice", "split_unexplained", "bar_range", "large_move"},
    "test_actions": {
        "dividend_implausible",
        "dividend_twice",
        "dividend_not_adjusted",
        "adjusted_without_dividend",
        "dividend_adjusted_wrong",
    },
    "test_quiet": {"stale_closes", "no_volume", "open_repeats_close"},
    "below": {"time_zone"},
}


def test_every_check_has_a_test() -> None:
    assert set(CORRUPTIONS).union(*ELSEWHERE.values()) == set(CHECKS)


def test_bars_are_set_aside_for_what_is_wrong_with_them_not_for_what_is_absent() -> None:
    assert set(CHECKS) >= SET_ASIDE
    assert not SET_ASIDE & {"missing_session", "missing_last_bar", "unsorted", "time_zone", "duplicate"}


@quick
@given(panels())
def test_clean_bars_of_symbols_that_start_late_have_no_findings(panel: Panel) -> None:
    found = findings(*panel)
    assert found == ()
    assert checks_passed(found) == len(CHECKS)
    raise_errors(found)


@pytest.mark.parametrize("code", CORRUPTIONS)
@quick
@given(data=st.data())
def test_one_planted_corruption_is_named_with_its_bar_and_nothing_else(code: str, data: st.DataObject) -> None:
    bars, symbols, expected = data.draw(panels())
    corrupted, (session, symbol) = CORRUPTIONS[code](data.draw, bars)
    found = findings(corrupted, symbols, expected)
    assert [(one.code, one.severity, one.symbol, one.sessions) for one in found] == [(code, "error", symbol, (session,))]
    assert symbol in found[0].message and session.isoformat() in found[0].message
    assert checks_passed(found) == len(CHECKS) - 1


@quick
@given(st.data())
def test_corruptions_of_two_kinds_are_both_found(data: st.DataObject) -> None:
    bars, symbols, expected = data.draw(panels())
    corrupted, _ = negative_volume(data.draw, bars)
    corrupted, _ = missing_last_bar(data.draw, corrupted)
    assert [finding.code for finding in findings(corrupted, symbols, expected)] == ["missing_last_bar", "negative_volume"]


def five_bars() -> tuple[pd.DataFrame, pd.DatetimeIndex]:
    expected = SESSIONS[-5:]
    return clean_bars(expected, ["AAPL"], seed=0), expected


def test_a_violated_relation_is_shown_with_its_values() -> None:
    bars, expected = five_bars()
    bars.loc[4, PRICES] = [2500.0, 2510.0, 2505.0, 2508.0]
    (finding,) = findings(bars, ["AAPL"], expected)
    assert finding.message == "AAPL breaks low <= open, close: 2018-12-31 (low 2505.0, open 2500.0)."


def test_many_offences_are_cut_to_the_first_few_but_all_are_named_as_sessions() -> None:
    bars, expected = five_bars()
    bars.loc[:, Bars.volume] = -1.0
    (finding,) = findings(bars, ["AAPL"], expected)
    assert finding.sessions == tuple(expected.date)
    assert finding.message == (
        "AAPL has a negative volume: 2018-12-24 (volume -1.0), 2018-12-26 (volume -1.0), 2018-12-27 (volume -1.0) and 2 more."
    )


def test_a_symbol_without_any_bar_is_missing_its_last_one() -> None:
    bars, expected = five_bars()
    (finding,) = findings(bars, ["AAPL", "ZM"], expected)
    assert (finding.code, finding.symbol) == ("missing_last_bar", "ZM")
    assert finding.message == "The bar of 2018-12-31 has not come yet for ZM, nor has any before it."


def test_an_empty_frame_is_missing_the_last_bar_of_each_symbol() -> None:
    bars, expected = five_bars()
    found = findings(bars.iloc[:0], ["AAPL", "ZM"], expected)
    assert [(finding.code, finding.symbol) for finding in found] == [("missing_last_bar", "AAPL"), ("missing_last_bar", "ZM")]


def test_a_bar_without_a_session_is_not_finite() -> None:
    bars, expected = five_bars()
    bars.loc[len(bars)] = bars.loc[4]
    bars.loc[5, Bars.session] = pd.NaT
    (finding,) = findings(bars, ["AAPL"], expected)
    assert (finding.code, finding.sessions) == ("not_finite", ())
    assert "NaT" in finding.message


def test_raised_errors_list_every_error_but_no_warning() -> None:
    expected = SESSIONS[:40]
    bars = clean_bars(expected, ["AAPL"], seed=0)
    bars.loc[1:, Bars.open] = bars[Bars.close].shift()[1:]
    bars[Bars.high] = bars[PRICES].max(axis=1)
    bars[Bars.low] = bars[PRICES].min(axis=1)
    warned = findings(bars, ["AAPL"], expected)
    assert [(finding.severity, finding.code) for finding in warned] == [("warning", "open_repeats_close")]
    raise_errors(warned)
    bars.loc[3, Bars.volume] = -1.0
    bars.loc[5, Bars.dividend] = np.nan
    found = findings(bars, ["AAPL"], expected)
    with pytest.raises(BadData) as refusal:
        raise_errors(found)
    assert refusal.value.values["findings"] == found[:2]
    assert [finding.code for finding in found] == ["negative_volume", "not_finite", "open_repeats_close"]
    assert "negative volume" in refusal.value.message and "not a finite number" in refusal.value.message
    assert "previous close" not in refusal.value.message


STAMPS = {
    "a time zone": lambda session: session.dt.tz_localize("America/New_York"),
    "UTC": lambda session: session.dt.tz_localize("UTC"),
    "a time of day": lambda session: session + pd.Timedelta(hours=16),
    "two time zones": lambda session: pd.Series(
        [str(day) + ("-05:00" if row % 2 else "-04:00") for row, day in enumerate(session)], dtype=object
    ),
}


@pytest.mark.parametrize("written", STAMPS)
def test_stamps_that_are_no_plain_dates_are_named_and_their_wall_dates_are_checked(written: str) -> None:
    bars, expected = five_bars()
    bars.loc[3, Bars.volume] = -1.0
    stamped = bars.assign(session=STAMPS[written](bars[Bars.session]))
    of_volume, of_zone = findings(stamped, ["AAPL"], expected)
    assert (of_volume.code, of_volume.sessions) == ("negative_volume", (expected[3].date(),))
    assert (of_zone.code, of_zone.severity, of_zone.sessions) == ("time_zone", "error", tuple(expected.date))


def test_one_session_with_a_time_of_day_is_named_alone() -> None:
    bars, expected = five_bars()
    bars.loc[2, Bars.session] += pd.Timedelta(hours=9, minutes=30)
    (finding,) = findings(bars, ["AAPL"], expected)
    assert (finding.code, finding.sessions) == ("time_zone", (expected[2].date(),))


def test_a_row_without_sound_prices_hands_its_split_to_the_next_bar() -> None:
    expected = SESSIONS[:40]
    bars = clean_bars(expected, ["AAPL"], seed=2)
    bars.loc[20:, PRICES] /= 4
    bars.loc[20, Bars.split] = 4.0
    bars.loc[20, PRICES] = np.nan
    (finding,) = findings(bars, ["AAPL"], expected)
    assert (finding.code, finding.sessions) == ("not_finite", (expected[20].date(),))
