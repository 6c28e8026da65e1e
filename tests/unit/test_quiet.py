"""Closes that stay, sessions without volume, and opens that repeat the close."""

from datetime import date

import numpy as np
import pandas as pd
import pytest

from nightdesk.market.checks import findings
from nightdesk.market.histories import PRICES
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars
from tests.bars import clean_bars

SESSIONS = exchange_sessions("XNYS").between(date(2018, 1, 1), date(2018, 12, 31))


def quiet_bars(idle: range, volume: float) -> tuple[pd.DataFrame, pd.DatetimeIndex]:
    """Sixty bars of which those in `idle` repeat the one before them, flat and with the volume given."""
    expected = SESSIONS[:60]
    bars = clean_bars(expected, ["AAPL"], seed=3)
    bars.loc[list(idle), PRICES] = bars.at[idle[0] - 1, Bars.close]
    bars.loc[list(idle), Bars.volume] = volume
    return bars, expected


def test_a_traded_symbol_that_stands_still_without_volume_is_an_error() -> None:
    bars, expected = quiet_bars(range(20, 26), volume=0.0)
    found = {finding.code: finding for finding in findings(bars, ["AAPL"], expected)}
    assert found["stale_closes"].severity == "error"
    assert set(found["stale_closes"].sessions) >= set(expected[20:26].date)


@pytest.mark.parametrize(("idle", "volume"), [(range(20, 26), 5000.0), (range(10, 58), 0.0)])
def test_equal_closes_with_volume_or_of_a_symbol_that_is_seldom_traded_are_a_warning(idle: range, volume: float) -> None:
    bars, expected = quiet_bars(idle, volume)
    found = {finding.code: finding for finding in findings(bars, ["AAPL"], expected)}
    assert found["stale_closes"].severity == "warning"
    assert {finding.severity for finding in found.values()} == {"warning"}


def test_four_equal_closes_are_nothing() -> None:
    bars, expected = quiet_bars(range(20, 23), volume=5000.0)
    assert "stale_closes" not in {finding.code for finding in findings(bars, ["AAPL"], expected)}


def test_a_session_without_volume_is_a_warning_and_none_for_an_index_that_never_has_any() -> None:
    expected = SESSIONS[:40]
    bars = clean_bars(expected, ["AAPL", "^GSPC"], seed=5)
    bars.loc[(bars[Bars.symbol] == "^GSPC") | (bars[Bars.session] == expected[7]), Bars.volume] = 0.0
    (finding,) = findings(bars, ["AAPL", "^GSPC"], expected)
    assert (finding.code, finding.severity, finding.symbol) == ("no_volume", "warning", "AAPL")
    assert finding.sessions == (expected[7].date(),)


@pytest.mark.parametrize(("repeats", "warned"), [(4, False), (5, True)])
def test_opens_that_repeat_the_close_warn_above_a_tenth_of_the_year(repeats: int, warned: bool) -> None:
    bars = clean_bars(SESSIONS[:41], ["AAPL"], seed=1)
    rows = np.arange(1, repeats + 1)
    bars.loc[rows, Bars.open] = bars.loc[rows - 1, Bars.close].to_numpy()
    bars[Bars.high] = bars[PRICES].max(axis=1)
    bars[Bars.low] = bars[PRICES].min(axis=1)
    assert [finding.code for finding in findings(bars, ["AAPL"], SESSIONS[:41])] == ["open_repeats_close"] * warned
