"""A bar that few symbols of a universe lack is a warning: those symbols hold, the day goes on."""

from datetime import date

import pandas as pd
import pytest

from nightdesk.market.checks import findings, with_coverage
from nightdesk.sessions import exchange_sessions
from schemas.findings import Finding
from tests.bars import clean_bars

SESSIONS = exchange_sessions("XNYS").between(date(2018, 1, 1), date(2018, 12, 31))


def universe_without(*absent: tuple[int, int]) -> tuple[tuple[Finding, ...], pd.DatetimeIndex, int]:
    """What is found where a universe of fifty lacks some bars, each as (session, symbol)."""
    expected, symbols = SESSIONS[:20], [f"S{number:02d}" for number in range(50)]
    bars = clean_bars(expected, symbols, seed=0)
    gone = [session * len(symbols) + symbol for session, symbol in absent]
    return findings(bars.drop(index=gone), symbols, expected), expected, len(symbols)


@pytest.mark.parametrize("session", [5, 19])
def test_a_bar_that_one_of_many_lacks_is_a_warning_but_two_below_the_coverage_are_errors(session: int) -> None:
    one, _, n_symbols = universe_without((session, 7))
    assert [finding.severity for finding in one] == ["error"]
    assert [finding.severity for finding in with_coverage(one, n_symbols, 0.98)] == ["warning"]
    two, _, _ = universe_without((session, 7), (session, 8))
    assert [finding.severity for finding in with_coverage(two, n_symbols, 0.98)] == ["error", "error"]


def test_two_symbols_that_lack_different_sessions_are_warnings() -> None:
    found, _, n_symbols = universe_without((5, 7), (6, 8))
    assert {finding.severity for finding in with_coverage(found, n_symbols, 0.98)} == {"warning"}


def test_a_symbol_of_which_one_session_is_short_of_symbols_stays_an_error() -> None:
    found, _, n_symbols = universe_without((5, 7), (6, 7), (6, 8))
    severity = {finding.symbol: finding.severity for finding in with_coverage(found, n_symbols, 0.98)}
    assert severity == {"S07": "error", "S08": "error"}


def test_symbols_that_had_not_started_do_not_count_for_the_coverage() -> None:
    found, expected, n_symbols = universe_without((5, 7))
    young = [expected[0].date()] * 10 + [expected[10].date()] * 40
    assert [finding.severity for finding in with_coverage(found, n_symbols, 0.98, young)] == ["error"]
    assert [finding.severity for finding in with_coverage(found, n_symbols, 0.90, young)] == ["warning"]


def test_the_only_symbol_of_a_strategy_may_lack_nothing() -> None:
    expected = SESSIONS[:5]
    found = findings(clean_bars(expected, ["AAPL"], seed=0).drop(index=2), ["AAPL"], expected)
    assert [finding.severity for finding in with_coverage(found, 1, 1.0)] == ["error"]
