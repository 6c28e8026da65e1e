"""Yahoo as a source, over real connections to a local server that answers as Yahoo does."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import pandas as pd
import pytest

from nightdesk.errors import Misconfigured
from nightdesk.market.checks import findings
from nightdesk.market.source import Source
from nightdesk.market.yahoo import YahooSource
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars
from tests.bars import clean_bars
from tests.contracts.source_contract import SourceContract
from tests.yahoo_cases import (
    FIRST,
    LAST,
    PRICES,
    SATURDAY,
    SESSIONS,
    at_open,
    blanked,
    dropped,
    new_source,
    seeded_server,
    traded,
)
from tests.yahoo_server import ZONE, Chart, Listing, YahooServer, edited, yahoo_server


@pytest.fixture
def server() -> Iterator[YahooServer]:
    with seeded_server() as running:
        yield running


@pytest.fixture
def source(server: YahooServer, tmp_path: Path) -> YahooSource:
    return new_source(server, tmp_path)


class TestYahooSource(SourceContract):
    symbols = ("AAPL", "^GSPC")
    first = FIRST
    last = LAST

    @pytest.fixture
    def source(self, server: YahooServer, tmp_path: Path) -> Source:
        return new_source(server, tmp_path)


# what was traded


def test_prices_volume_and_actions_come_back_as_traded(server: YahooServer, source: YahooSource) -> None:
    bars = source.fetch_bars(["AAPL"], FIRST, LAST)
    pd.testing.assert_frame_equal(bars, server.listings["AAPL"].bars, rtol=1e-6)
    sent = server.chart("AAPL", datetime(2022, 1, 1, tzinfo=UTC), SATURDAY)
    assert sent["indicators"]["quote"][0]["close"][0] == pytest.approx(bars[Bars.close][0] / 4)


def test_apple_before_its_split_of_2020_costs_what_was_paid_for_it(server: YahooServer, source: YahooSource) -> None:
    """Yahoo's figures after the split, 4 for 1 on 2020-08-31. As traded, in Tiingo's record: close 499.23 and volume 46,907,479
    on 2020-08-28; Apple paid 0.82 a share before the split, with its ex-date 2020-08-07."""
    days = [at_open(day) for day in ("2020-08-07", "2020-08-28", "2020-08-31")]
    meta = {"currency": "USD", "symbol": "AAPL", "instrumentType": "EQUITY", "exchangeTimezoneName": "America/New_York"}
    quote = {
        "open": [113.205002, 126.012497, 127.580002],
        "high": [113.675003, 126.442497, 131.0],
        "low": [110.292503, 124.577499, 126.0],
        "close": [111.112503, 124.807503, 129.039993],
        "volume": [198045612, 187629916, 225702700],
    }
    events = {
        "dividends": {str(days[0]): {"amount": 0.205, "date": days[0]}},
        "splits": {str(days[2]): {"date": days[2], "numerator": 4.0, "denominator": 1.0, "splitRatio": "4:1"}},
    }
    server.charts["AAPL"] = {"meta": meta, "timestamp": days, "events": events, "indicators": {"quote": [quote]}}
    server.now = datetime(2020, 9, 1, 1, tzinfo=UTC)
    bars = source.fetch_bars(["AAPL"], date(2020, 8, 1), date(2020, 8, 31))
    assert bars[Bars.session].dt.strftime("%F").to_list() == ["2020-08-07", "2020-08-28", "2020-08-31"]
    assert bars[Bars.close].to_list() == pytest.approx([444.45, 499.23, 129.04], rel=1e-6)
    assert bars[Bars.open].to_list() == pytest.approx([452.82, 504.05, 127.58], rel=1e-6)
    assert bars[Bars.volume].to_list() == [49_511_403, 46_907_479, 225_702_700]
    assert bars[Bars.dividend].to_list() == pytest.approx([0.82, 0.0, 0.0])
    assert bars[Bars.split].to_list() == [1.0, 1.0, 4.0]
    before = source.fetch_bars(["AAPL"], date(2020, 8, 28), date(2020, 8, 28))
    assert before[Bars.close].to_list() == pytest.approx([499.23], rel=1e-6)


def test_a_past_that_yahoo_rescales_on_the_day_of_a_split_stays_as_it_was_traded(
    server: YahooServer, source: YahooSource
) -> None:
    eve, day = SESSIONS[199], SESSIONS[200]
    server.now = datetime.combine(eve.date(), datetime.min.time(), ZONE).replace(hour=17)
    before = source.fetch_bars(["AAPL"], FIRST, eve.date())
    sent_before = server.chart("AAPL", datetime(2022, 1, 1, tzinfo=UTC), server.now)
    server.now = datetime.combine(day.date(), datetime.min.time(), ZONE).replace(hour=17)
    after = source.fetch_bars(["AAPL"], FIRST, day.date())
    sent_after = server.chart("AAPL", datetime(2022, 1, 1, tzinfo=UTC), server.now)
    closes = [chart["indicators"]["quote"][0]["close"][0] for chart in (sent_before, sent_after)]
    assert closes[0] == pytest.approx(4 * closes[1])
    pd.testing.assert_frame_equal(after.iloc[:-1], before, rtol=1e-6)
    assert after[Bars.split].iloc[-1] == 4.0


def test_a_merger_of_shares_is_undone_too(server: YahooServer, source: YahooSource) -> None:
    """Yahoo rounds to whole shares after the merger, eight of which were one: volume is known to four of the old ones."""
    server.listings["ZZ"] = Listing(traded("ZZ", split=0.125))
    bars, expected = source.fetch_bars(["ZZ"], FIRST, LAST), server.listings["ZZ"].bars
    pd.testing.assert_frame_equal(bars.drop(columns=Bars.volume), expected.drop(columns=Bars.volume), rtol=1e-6)
    assert (bars[Bars.volume] - expected[Bars.volume]).abs().max() <= 4


def test_capital_gains_are_dividends(server: YahooServer, source: YahooSource) -> None:
    gains = {SESSIONS[100].date(): 1.5, SESSIONS[150].date(): 2.0}
    server.listings["FUND"] = Listing(traded("FUND"), "ETF", gains=gains)
    bars = source.fetch_bars(["FUND"], FIRST, LAST)
    assert bars[Bars.dividend].iloc[[100, 150, 300]].to_list() == pytest.approx([0.82 + 1.5, 2.0, 0.25])
    assert (bars[Bars.dividend] > 0).sum() == 3


def test_many_symbols_keep_their_own_bars(server: YahooServer, source: YahooSource) -> None:
    server.listings = {f"M{number}": Listing(traded(f"M{number}", number)) for number in range(12)}
    bars = source.fetch_bars(list(server.listings), FIRST, LAST)
    expected = pd.concat([listing.bars for listing in server.listings.values()]).sort_values([Bars.session, Bars.symbol])
    pd.testing.assert_frame_equal(bars, expected.reset_index(drop=True), rtol=1e-6)


def test_two_sources_in_one_process_keep_apart(server: YahooServer, tmp_path: Path) -> None:
    with yahoo_server(SATURDAY) as other:
        other.listings["AAPL"] = Listing(traded("AAPL", seed=9))
        sources = [new_source(here, tmp_path / name) for here, name in ((server, "a"), (other, "b"), (server, "a"))]
        closes = [source.fetch_bars(["AAPL"], FIRST, LAST)[Bars.close][0] for source in sources]
        assert closes == pytest.approx([here.listings["AAPL"].bars[Bars.close][0] for here in (server, other, server)])
        assert [(tmp_path / name / "yahoo" / "tkr-tz.db").is_file() for name in "ab"] == [True, True]


# days that are not whole


def test_the_bar_of_a_session_that_still_runs_is_not_given_for_the_day_before(server: YahooServer, source: YahooSource) -> None:
    server.now = datetime(2023, 6, 29, 11, 17, 23, tzinfo=ZONE)
    bars = source.fetch_bars(["AAPL"], FIRST, date(2023, 6, 28))
    assert bars[Bars.session].max() == pd.Timestamp("2023-06-28")
    live = server.chart("AAPL", datetime(2023, 6, 29, tzinfo=ZONE), server.now)["timestamp"]
    assert len(live) == 1 and live[0] % 60 != 0
    asked_for = source.fetch_bars(["AAPL"], date(2023, 6, 29), date(2023, 6, 29))
    assert asked_for[Bars.session].to_list() == [pd.Timestamp("2023-06-29")]


def test_a_split_of_the_session_that_runs_is_undone_for_the_days_before(server: YahooServer, source: YahooSource) -> None:
    day = SESSIONS[200].date()
    server.now = datetime.combine(day, datetime.min.time(), ZONE).replace(hour=10, minute=31, second=5)
    bars = source.fetch_bars(["AAPL"], FIRST, SESSIONS[199].date())
    pd.testing.assert_frame_equal(bars, server.listings["AAPL"].bars.iloc[:200], rtol=1e-6)


def test_a_last_row_without_prices_keeps_its_volume_and_is_named_by_the_checks(server: YahooServer, source: YahooSource) -> None:
    server.fault = blanked("open", "high", "low", "close")
    bars = source.fetch_bars(["AAPL"], FIRST, LAST)
    assert bars[PRICES].iloc[-1].isna().all()
    assert bars[Bars.volume].iloc[-1] == server.listings["AAPL"].bars[Bars.volume].iloc[-1]
    named = [(row.code, row.sessions) for row in findings(bars, ["AAPL"], SESSIONS) if row.severity == "error"]
    assert ("not_finite", (LAST,)) in named


def test_a_row_with_one_price_missing_is_not_filled(server: YahooServer, source: YahooSource) -> None:
    server.fault = blanked("close", row=50)
    bars = source.fetch_bars(["AAPL"], FIRST, LAST)
    assert bars[PRICES].iloc[50].isna().to_list() == [False, False, False, True]
    assert not bars.drop(index=50).isna().any(axis=None)


def test_no_volume_beside_missing_prices_is_not_a_volume_of_0(server: YahooServer, source: YahooSource) -> None:
    server.fault = blanked("open", "volume", row=50)
    assert source.fetch_bars(["AAPL"], FIRST, LAST)[[Bars.open, Bars.volume]].iloc[50].isna().all()


def test_a_row_with_nothing_in_it_is_no_bar(server: YahooServer, source: YahooSource) -> None:
    def edit(chart: Chart) -> None:
        for series in (*chart["indicators"]["quote"], *chart["indicators"]["adjclose"]):
            series.update({key: [*values[:-1], None] for key, values in series.items()})

    server.fault = edited(edit)
    bars = source.fetch_bars(["AAPL"], FIRST, LAST)
    pd.testing.assert_frame_equal(bars, server.listings["AAPL"].bars.iloc[:-1], rtol=1e-6)


@pytest.mark.parametrize("rows", [slice(50, 53), slice(-2, None)], ids=["in between", "at the end"])
def test_sessions_that_yahoo_lacks_for_days_are_absent_and_nothing_else_changes(
    server: YahooServer, source: YahooSource, rows: slice
) -> None:
    absent = [stamp.date() for stamp in SESSIONS[rows]]
    server.fault = dropped(*absent)
    bars = source.fetch_bars(["AAPL"], FIRST, LAST)
    whole = server.listings["AAPL"].bars
    pd.testing.assert_frame_equal(bars, whole[~whole[Bars.session].isin(SESSIONS[rows])].reset_index(drop=True), rtol=1e-6)
    assert {day for row in findings(bars, ["AAPL"], SESSIONS) for day in row.sessions} == set(absent)


# what is not to be had


def test_an_unknown_symbol_among_many_is_refused_by_name_and_asked_for_once(server: YahooServer, source: YahooSource) -> None:
    with pytest.raises(Misconfigured, match=r"'NOSUCH'.*symbol may be delisted"):
        source.fetch_bars(["AAPL", "NOSUCH", "^GSPC"], FIRST, LAST)
    assert len([path for path in server.chart_requests() if "NOSUCH" in path]) == 1


def test_a_symbol_without_bars_in_the_span_gives_no_rows(server: YahooServer, source: YahooSource) -> None:
    typed = source.fetch_bars(["AAPL"], FIRST, LAST).iloc[:0]
    older = clean_bars(exchange_sessions("XNYS").between(date(2015, 1, 2), date(2015, 6, 30)), ["GONE"], 1)
    server.listings["GONE"] = Listing(older)
    server.listings["LATER"] = Listing(clean_bars(SESSIONS[300:], ["LATER"], 1))
    server.listings["SOON"] = Listing(
        clean_bars(exchange_sessions("XNYS").between(date(2023, 8, 1), date(2023, 8, 4)), ["SOON"], 1)
    )
    for symbol in ("GONE", "LATER", "SOON"):
        pd.testing.assert_frame_equal(source.fetch_bars([symbol], FIRST, SESSIONS[299].date()), typed)
    assert set(source.fetch_bars(["AAPL", "GONE", "LATER"], FIRST, LAST)[Bars.symbol]) == {"AAPL", "LATER"}


def test_days_that_have_not_come_give_no_rows(server: YahooServer, source: YahooSource) -> None:
    assert source.fetch_bars(["AAPL"], date(2024, 1, 2), date(2024, 1, 5)).empty


@pytest.mark.parametrize("currency", ["GBp", "EUR", None])
def test_prices_in_another_currency_are_refused(server: YahooServer, source: YahooSource, currency: str) -> None:
    server.listings["VOD.L"] = Listing(traded("VOD.L"), currency=currency)
    with pytest.raises(Misconfigured, match=r"currency of VOD\.L.*USD"):
        source.fetch_bars(["VOD.L"], FIRST, LAST)


@pytest.mark.parametrize(
    "symbol", ["../../x", "", "AAPL?qty=1", "AAPL\0", "A" * 10_000, "aapl", "AAPL\n", "^", "A/B", "A%2FB", "http://x", "A B", "Ä"]
)
def test_a_symbol_of_another_form_is_refused_and_nothing_is_sent(server: YahooServer, source: YahooSource, symbol: str) -> None:
    with pytest.raises(Misconfigured, match="symbol was") as refused:
        source.fetch_bars(["AAPL", symbol], FIRST, LAST)
    assert len(refused.value.message) < 300
    assert server.requests == []
