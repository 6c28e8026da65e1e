"""Dividends and splits from Alpaca's corporate actions; kinds and fields as alpaca-py 0.44 has them (corporate_actions.py)."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightdesk.errors import BadData
from nightdesk.market.alpaca import AlpacaSource
from nightdesk.market.alpaca_actions import actions, other_actions, with_actions
from nightdesk.market.checks import findings
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars
from tests.alpaca_data_server import (
    ACTIONS_PATH,
    AlpacaServer,
    running,
)
from tests.alpaca_market import FIRST, LAST, seeded_server, source_at
from tests.bars import clean_bars

quick = settings(max_examples=12, deadline=None, database=None)


@pytest.fixture
def server() -> Iterator[AlpacaServer]:
    with seeded_server() as made:
        yield made


@pytest.fixture
def source(server: AlpacaServer) -> AlpacaSource:
    return source_at(server)


def act(kind: str, **row: Any) -> dict[str, list[dict[str, Any]]]:
    return {kind: [row]}


def applied(raw: dict[str, list[dict[str, Any]]], bars: pd.DataFrame) -> list[tuple[str, str, float, float]]:
    rows = with_actions(bars, actions(raw))
    acted = rows[(rows[Bars.dividend] != 0) | (rows[Bars.split] != 1)]
    return [(row.symbol, str(row.session)[:10], row.dividend, row.split) for row in acted.itertuples()]


WEEK = clean_bars(exchange_sessions("XNYS").between(date(2025, 1, 6), date(2025, 1, 17)), ["AAPL", "META"], seed=3)
"""Two weeks with an unscheduled close, 2025-01-09 (President Carter's funeral)."""


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (act("cash_dividends", symbol="AAPL", ex_date="2025-01-10", rate=0.25), (0.25, 1.0)),
        (act("forward_splits", symbol="AAPL", ex_date="2025-01-10", new_rate=3, old_rate=2), (0.0, 1.5)),
        (act("reverse_splits", symbol="AAPL", ex_date="2025-01-10", new_rate=1, old_rate=50), (0.0, 0.02)),
        (act("stock_dividends", symbol="AAPL", ex_date="2025-01-10", rate=0.05), (0.0, 1.05)),
    ],
)
def test_each_kind_of_action_is_in_the_bar_of_its_ex_date(raw: Any, expected: tuple[float, float]) -> None:
    assert applied(raw, WEEK) == [("AAPL", "2025-01-10", *expected)]


def test_a_regular_and_a_special_dividend_of_one_day_are_added() -> None:
    row = {"symbol": "AAPL", "ex_date": "2025-01-10"}
    assert applied({"cash_dividends": [{**row, "rate": 0.25}, {**row, "rate": 2.0}]}, WEEK) == [("AAPL", "2025-01-10", 2.25, 1.0)]


def test_an_ex_date_on_which_the_exchange_was_closed_unexpectedly_moves_to_the_next_bar() -> None:
    assert applied(act("cash_dividends", symbol="AAPL", ex_date="2025-01-09", rate=1.0), WEEK) == [
        ("AAPL", "2025-01-10", 1.0, 1.0)
    ]


def test_an_ex_date_without_a_bar_is_the_same_from_wherever_the_request_begins() -> None:
    bars = clean_bars(exchange_sessions("XNYS").between(date(2025, 1, 2), date(2025, 1, 31)), ["AAPL"], seed=3)
    raw = act("forward_splits", symbol="AAPL", ex_date="2025-01-09", process_date="2025-01-09", new_rate=2, old_rate=1)
    with running(AlpacaServer(datetime(2025, 3, 3, tzinfo=UTC), bars, raw)) as server:
        fetched = source_at(server).fetch_bars(["AAPL"], date(2025, 1, 10), date(2025, 1, 31))
    assert fetched[Bars.split].tolist() == [2.0] + [1.0] * (len(fetched) - 1)


@pytest.mark.parametrize("day", ["2024-12-20", "2025-01-18"])
def test_an_action_before_the_first_bar_or_after_the_last_belongs_to_none(day: str) -> None:
    assert applied(act("forward_splits", symbol="AAPL", ex_date=day, new_rate=2, old_rate=1), WEEK) == []


def test_an_action_without_an_ex_date_is_refused_by_name() -> None:
    with pytest.raises(BadData, match="AAPL"):
        actions(act("cash_dividends", symbol="AAPL", rate=1.0))


def test_a_split_without_its_rates_reaches_the_checks_as_not_finite() -> None:
    bars = with_actions(WEEK, actions(act("forward_splits", symbol="AAPL", ex_date="2025-01-10", new_rate=2)))
    found = findings(bars, ["AAPL", "META"], pd.DatetimeIndex(WEEK[Bars.session].unique()))
    assert [(row.code, row.symbol, row.sessions) for row in found] == [("not_finite", "AAPL", (date(2025, 1, 10),))]


def test_actions_of_a_former_name_count_and_those_of_a_names_former_bearer_do_not() -> None:
    """Facebook took over the name META on 2022-06-09; an exchange-traded fund had it before, and became METV in January."""
    changes = [
        {"id": "1", "old_symbol": "META", "new_symbol": "METV", "process_date": "2022-01-31"},
        {"id": "2", "old_symbol": "FB", "new_symbol": "META", "process_date": "2022-06-09"},
    ]
    dividend = {"rate": 1.0, "ex_date": "2021-12-15", "process_date": "2021-12-20"}
    raw = {
        "name_changes": changes,
        "cash_dividends": [{**dividend, "id": "3", "symbol": "META"}, {**dividend, "id": "4", "symbol": "FB", "rate": 7.0}],
    }
    bars = clean_bars(exchange_sessions("XNYS").between(date(2021, 12, 1), date(2021, 12, 31)), ["META"], seed=1)
    with running(AlpacaServer(datetime(2023, 1, 3, tzinfo=UTC), bars, raw)) as server:
        fetched = source_at(server).fetch_bars(["META"], date(2021, 12, 1), date(2021, 12, 31))
        assert [row.query["symbols"] for row in server.asked_for(ACTIONS_PATH)] == ["META", "FB"]
    acted = fetched[fetched[Bars.dividend] > 0]
    assert [(str(row.session)[:10], row.dividend) for row in acted.itertuples()] == [("2021-12-15", 7.0)]


def test_a_spin_off_is_told_beside_the_split_of_its_day() -> None:
    """Honeywell on 2026-06-29: one new share for two, and a spin-off, as Alpaca lists them."""
    day = {"ex_date": "2026-06-29", "process_date": "2026-06-29"}
    raw = {
        "reverse_splits": [{**day, "symbol": "HON", "new_rate": 1, "old_rate": 2}],
        "spin_offs": [{**day, "source_symbol": "HON", "new_symbol": "HONA", "source_rate": 1, "new_rate": 1}],
        "cash_mergers": [{"acquirer_symbol": "HON", "acquiree_symbol": "OTHER", "rate": 5, "effective_date": "2026-06-29"}],
    }
    (note,) = other_actions(raw, ["HON"], date(2026, 6, 1), date(2026, 6, 30))
    assert "HON among the spin offs of 2026-06-29" in note
    assert other_actions(raw, ["HON"], date(2026, 6, 1), date(2026, 6, 28)) == []
    assert actions(raw)[[Bars.symbol, Bars.split]].to_numpy().tolist() == [["HON", 0.5]]


def test_what_bars_cannot_hold_is_in_the_notes_of_the_frame(server: AlpacaServer, source: AlpacaSource) -> None:
    assert "notes" not in source.fetch_bars(["KO"], FIRST, LAST).attrs
    day = {"ex_date": "2020-08-20", "process_date": "2020-08-20"}
    server.actions["spin_offs"] = [{**day, "source_symbol": "KO", "new_symbol": "NEW", "id": "s"}]
    (note,) = source.fetch_bars(["KO"], FIRST, LAST).attrs["notes"]
    assert "KO" in note and "2020-08-20" in note


@given(st.lists(st.tuples(st.integers(0, len(WEEK) - 1), st.sampled_from([0.25, 0.5, 2.0, 4.0]), st.booleans()), max_size=6))
@quick
def test_actions_on_the_days_of_bars_are_exactly_those_that_were_listed(plan: list[tuple[int, float, bool]]) -> None:
    dividend, split = np.zeros(len(WEEK)), np.ones(len(WEEK))
    raw: dict[str, list[dict[str, Any]]] = {"cash_dividends": [], "forward_splits": []}
    for row, rate, pays in plan:
        named = {"symbol": WEEK.at[row, Bars.symbol], "ex_date": str(WEEK.at[row, Bars.session])[:10]}
        if pays:
            dividend[row] += rate
            raw["cash_dividends"].append({**named, "rate": rate})
        else:
            split[row] *= rate
            raw["forward_splits"].append({**named, "new_rate": rate, "old_rate": 1})
    expected = WEEK.assign(**{Bars.dividend: dividend, Bars.split: split})
    pd.testing.assert_frame_equal(with_actions(WEEK, actions(raw)), expected)
