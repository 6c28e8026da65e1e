"""The Alpaca source keeps the contract over a real connection: what it asks, and what it makes of the answers."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import pytest

from nightdesk.market import alpaca
from nightdesk.market.alpaca import AlpacaSource
from nightdesk.market.checks import findings
from nightdesk.market.source import Source
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars
from tests.alpaca_data_server import (
    ACTIONS_PATH,
    BARS_PATH,
    KEY_ID,
    SECRET_KEY,
    AlpacaServer,
    Asked,
    running,
    told,
)
from tests.alpaca_market import FIRST, LAST, of, seeded_server, source_at, with_cells
from tests.bars import clean_bars
from tests.contracts.source_contract import SourceContract


@pytest.fixture
def server() -> Iterator[AlpacaServer]:
    with seeded_server() as made:
        yield made


@pytest.fixture
def source(server: AlpacaServer) -> AlpacaSource:
    return source_at(server)


class TestAlpacaSource(SourceContract):
    symbols = ("AAPL", "KO", "BRK.B")
    first, last = FIRST, LAST

    @pytest.fixture
    def source(self, server: AlpacaServer) -> Source:
        server.page_size = 23
        return source_at(server)


# what is asked


def test_every_page_is_turned_and_the_bars_are_those_of_the_server(server: AlpacaServer, source: AlpacaSource) -> None:
    server.page_size = 7
    bars = source.fetch_bars(["KO", "AAPL"], FIRST, LAST)
    pd.testing.assert_frame_equal(bars, of(server.bars, ["AAPL", "KO"]))
    assert len(server.asked_for(BARS_PATH)) == -(-len(of(server.bars, ["AAPL", "KO"], FIRST - timedelta(10))) // 7)


def test_more_than_a_thousand_actions_are_all_fetched(server: AlpacaServer, source: AlpacaSource) -> None:
    old = {"symbol": "KO", "rate": 1.0, "ex_date": "2020-07-01", "process_date": "2020-08-01"}
    server.actions["cash_dividends"] = [{**old, "id": str(number)} for number in range(1500)] + server.actions["cash_dividends"]
    bars = source.fetch_bars(["KO"], FIRST, LAST)
    assert bars.loc[bars[Bars.dividend] > 0, Bars.dividend].tolist() == [0.41]
    assert [row.query["limit"] for row in server.asked_for(ACTIONS_PATH)] == ["1000", "1000"]


def test_bars_are_asked_for_daily_raw_and_from_all_exchanges(server: AlpacaServer, source: AlpacaSource) -> None:
    source.fetch_bars(["AAPL", "KO"], FIRST, LAST)
    (asked,) = server.asked_for(BARS_PATH)
    wanted = {"symbols": "AAPL,KO", "timeframe": "1Day", "adjustment": "raw", "feed": "sip", "limit": "10000"}
    assert wanted.items() <= asked.query.items()
    assert (asked.headers["apca-api-key-id"], asked.headers["apca-api-secret-key"]) == (KEY_ID, SECRET_KEY)


@pytest.mark.parametrize("minutes", [0, 5, 20, 60 * 24])
def test_the_end_is_at_least_fifteen_minutes_old(server: AlpacaServer, source: AlpacaSource, minutes: int) -> None:
    server.now = datetime(2020, 9, 30, 20, 15, tzinfo=UTC) + timedelta(minutes=minutes)
    source.fetch_bars(["AAPL"], FIRST, date(2099, 1, 1))
    (asked,) = server.asked_for(BARS_PATH)
    assert timedelta(minutes=15) <= server.now - datetime.fromisoformat(asked.query["end"]) < timedelta(minutes=20)


def test_a_past_request_ends_with_its_last_day_in_new_york(server: AlpacaServer, source: AlpacaSource) -> None:
    source.fetch_bars(["AAPL"], date(2020, 8, 14), date(2020, 8, 20))
    (asked,) = server.asked_for(BARS_PATH)
    assert datetime.fromisoformat(asked.query["end"]) == datetime(2020, 8, 21, 3, 59, 59, tzinfo=UTC)


def test_many_symbols_are_asked_for_in_several_requests(
    server: AlpacaServer, source: AlpacaSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alpaca, "SYMBOLS_A_REQUEST", 2)
    bars = source.fetch_bars(["KO", "AAPL", "BRK.B"], FIRST, LAST)
    pd.testing.assert_frame_equal(bars, of(server.bars, ["AAPL", "BRK.B", "KO"]))
    assert [row.query["symbols"] for row in server.asked_for(BARS_PATH)] == ["AAPL,BRK.B", "KO"]


def test_a_day_that_has_not_come_is_not_asked_for(server: AlpacaServer, source: AlpacaSource) -> None:
    assert source.fetch_bars(["AAPL"], LAST + timedelta(20), LAST + timedelta(30)).empty
    assert [row.query["timeframe"] for row in server.asked_for(BARS_PATH)] == ["12Month"]


# what comes back


def test_apples_split_is_beside_the_raw_closes_of_both_days(source: AlpacaSource) -> None:
    bars = source.fetch_bars(["AAPL"], date(2020, 8, 28), date(2020, 8, 31))
    assert bars[[Bars.close, Bars.split]].to_numpy().tolist() == [[499.23, 1.0], [129.04, 4.0]]


@pytest.mark.parametrize(("first", "last", "hours"), [("2020-03-06", "2020-03-09", "54"), ("2020-10-30", "2020-11-02", "45")])
def test_sessions_around_a_change_of_the_clocks_are_new_yorks_days(first: str, last: str, hours: str) -> None:
    bars = clean_bars(pd.DatetimeIndex([first, last]), ["AAPL"], seed=1)
    with running(AlpacaServer(datetime(2021, 1, 4, tzinfo=UTC), bars)) as server:
        fetched = source_at(server).fetch_bars(["AAPL"], date.fromisoformat(first), date.fromisoformat(last))
        asked = Asked(BARS_PATH, server.asked_for(BARS_PATH)[0].query, server.asked_for(BARS_PATH)[0].headers)
        wire = json.loads(server.reply(asked).body)["bars"]["AAPL"]
    assert [point["t"] for point in wire] == [f"{first}T0{hours[0]}:00:00Z", f"{last}T0{hours[1]}:00:00Z"]
    assert [str(day)[:10] for day in fetched[Bars.session]] == [first, last]


def test_a_dividend_that_is_paid_months_later_is_in_its_ex_dates_bar(server: AlpacaServer, source: AlpacaSource) -> None:
    server.actions["cash_dividends"][0]["process_date"] = "2021-03-01"
    bars = source.fetch_bars(["AAPL"], FIRST, date(2020, 8, 10))
    assert bars.loc[bars[Bars.dividend] > 0, [Bars.session, Bars.dividend]].to_numpy().tolist() == [
        [pd.Timestamp("2020-08-07"), 0.82]
    ]


def test_a_value_that_is_no_number_reaches_the_checks(server: AlpacaServer, source: AlpacaSource) -> None:
    server.bars = with_cells(server.bars, "AAPL", "2020-08-05", close=float("nan"))
    bars = source.fetch_bars(["AAPL"], FIRST, LAST)
    found = findings(bars, ["AAPL"], exchange_sessions("XNYS").between(FIRST, LAST))
    assert [(row.code, row.sessions) for row in found if row.severity == "error"] == [("not_finite", (date(2020, 8, 5),))]


def test_points_with_more_less_and_finer_fields_are_read(server: AlpacaServer, source: AlpacaSource) -> None:
    point = {"t": "2020-08-05T04:00:00.123456789Z", "o": 1, "h": 2, "l": 1, "c": 1.5, "new": {}}
    server.faults = [told(200, {"bars": {"AAPL": [point]}, "next_page_token": None})]
    (row,) = source.fetch_bars(["AAPL"], FIRST, LAST).itertuples()
    assert (row.session, row.close) == (pd.Timestamp("2020-08-05"), 1.5)
    assert np.isnan(row.volume)


def test_a_point_without_an_instant_reaches_the_checks(server: AlpacaServer, source: AlpacaSource) -> None:
    point = {"t": "soon", "o": 1, "h": 2, "l": 1, "c": 1.5, "v": "many"}
    server.faults = [told(200, {"bars": {"AAPL": [point]}, "next_page_token": None})]
    bars = source.fetch_bars(["AAPL"], FIRST, LAST)
    found = findings(bars, ["AAPL"], exchange_sessions("XNYS").between(FIRST, LAST))
    assert "AAPL has a value that is not a finite number" in " ".join(row.message for row in found)


def test_a_symbol_that_is_not_listed_yet_has_no_rows(server: AlpacaServer, source: AlpacaSource) -> None:
    server.bars = server.bars[(server.bars[Bars.symbol] != "KO") | (server.bars[Bars.session] >= "2020-09-01")]
    bars = source.fetch_bars(["AAPL", "KO"], FIRST, date(2020, 8, 20))
    assert set(bars[Bars.symbol]) == {"AAPL"}
