"""Yahoo as a source, over real connections to a local server that answers, and fails, as Yahoo does."""

import json
import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nightdesk.errors import BadData, Misconfigured, TryAgain
from nightdesk.market.checks import findings
from nightdesk.market.source import Source
from nightdesk.market.yahoo import ATTEMPTS, YahooSource
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars
from tests.bars import clean_bars
from tests.contracts.source_contract import SourceContract
from tests.yahoo_server import (
    PATH,
    ZONE,
    Chart,
    Fault,
    Listing,
    Reply,
    YahooServer,
    always,
    edited,
    slow,
    truncated,
    yahoo_server,
)

SESSIONS = exchange_sessions("XNYS").between(date(2022, 4, 1), date(2023, 6, 30))
FIRST, LAST = SESSIONS[0].date(), SESSIONS[-1].date()
SATURDAY = datetime(2023, 7, 1, 12, tzinfo=UTC)
PRICES = [Bars.open, Bars.high, Bars.low, Bars.close]


def traded(symbol: str, seed: int = 0, split: float = 4.0, at: int = 200) -> pd.DataFrame:
    """Bars as traded, with a split that the prices follow and two dividends."""
    bars = clean_bars(SESSIONS, [symbol], seed)
    bars.loc[at:, PRICES] /= split
    bars.loc[at, Bars.split] = split
    bars.loc[[100, 300], Bars.dividend] = [0.82, 0.25]
    return bars


@pytest.fixture
def server() -> Iterator[YahooServer]:
    with yahoo_server(SATURDAY) as running:
        running.listings = {"AAPL": Listing(traded("AAPL")), "^GSPC": Listing(clean_bars(SESSIONS, ["^GSPC"], 1), "INDEX")}
        yield running


@pytest.fixture
def source(server: YahooServer, tmp_path: Path) -> YahooSource:
    return new_source(server, tmp_path)


def new_source(server: YahooServer, cache: Path, timeout_s: float = 5.0, retry_wait_s: float = 0.001) -> YahooSource:
    return YahooSource(cache / "yahoo", lambda: server.now, server.url, timeout_s, retry_wait_s)


def at_open(day: str) -> int:
    return int(datetime.fromisoformat(f"{day}T09:30").replace(tzinfo=ZONE).timestamp())


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


def blanked(*keys: str, row: int = -1) -> Fault:
    def edit(chart: Chart) -> None:
        for key in keys:
            if len(chart.get("timestamp", ())) > max(row, 1):  # else it is only the answer that has the time zone
                chart["indicators"]["quote"][0][key][row] = None

    return edited(edit)


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


def dropped(*days: date) -> Fault:
    """An answer without the bars of some days; their actions stay."""

    def edit(chart: Chart) -> None:
        stamps = chart.get("timestamp", [])
        kept = [row for row, stamp in enumerate(stamps) if datetime.fromtimestamp(stamp, ZONE).date() not in days]
        chart["timestamp"] = [stamps[row] for row in kept]
        for series in (*chart["indicators"]["quote"], *chart["indicators"]["adjclose"]):
            series.update({key: [values[row] for row in kept] for key, values in series.items()})

    return edited(edit)


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


# what cannot be undone


def with_split(numerator: object, denominator: object, day: str = "2023-03-01") -> Fault:
    def edit(chart: Chart) -> None:
        event = {"date": at_open(day), "numerator": numerator, "denominator": denominator, "splitRatio": "?"}
        chart.setdefault("events", {}).setdefault("splits", {})["added"] = event

    return edited(edit)


def with_dividend(day: str, currency: str = "USD") -> Fault:
    def edit(chart: Chart) -> None:
        event = {"date": at_open(day), "amount": 0.5, "currency": currency}
        chart.setdefault("events", {}).setdefault("dividends", {})["added"] = event

    return edited(edit)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (with_split(4, 1, "2023-02-04"), "2023-02-04, a day without a bar"),
        (dropped(SESSIONS[200].date()), f"{SESSIONS[200]:%Y-%m-%d}, a day without a bar"),
        (with_split(4, 1, "2023-07-01"), "2023-07-01, a day without a bar"),
        (with_split(0, 1), "2023-03-01 had the ratio 0"),
        (with_split(4, 0), "2023-03-01 had the ratio inf"),
        (with_split(-4, 1), "2023-03-01 had the ratio -4"),
        (dropped(*SESSIONS[-10:].date), "ends on 2023-06-15, though it was traded on 2023-06-30"),
        (with_dividend("2023-02-04"), "dividend of AAPL on 2023-02-04, a day without a bar"),
        (with_dividend("2023-03-01", "CAD"), "2023-03-01 is in CAD"),
    ],
)
def test_what_was_traded_is_refused_where_it_cannot_be_known(
    server: YahooServer, source: YahooSource, fault: Fault, said: str
) -> None:
    server.fault = fault
    with pytest.raises(BadData, match="AAPL") as refused:
        source.fetch_bars(["AAPL"], FIRST, LAST)
    assert said in refused.value.message


def test_a_split_before_the_first_bar_changes_nothing(server: YahooServer, source: YahooSource) -> None:
    server.fault = with_split(7, 1, "2021-06-09")
    pd.testing.assert_frame_equal(source.fetch_bars(["AAPL"], FIRST, LAST), server.listings["AAPL"].bars, rtol=1e-6)


def test_a_dividend_whose_bar_is_late_comes_with_the_bar(server: YahooServer, source: YahooSource) -> None:
    late = SESSIONS[300]
    server.now = datetime.combine(late.date(), datetime.min.time(), ZONE).replace(hour=17)
    server.fault = dropped(late.date())
    bars = source.fetch_bars(["AAPL"], FIRST, late.date())
    pd.testing.assert_frame_equal(bars, server.listings["AAPL"].bars.iloc[:300], rtol=1e-6)
    server.fault = None
    assert source.fetch_bars(["AAPL"], FIRST, late.date())[Bars.dividend].iloc[-1] == pytest.approx(0.25)


# no answer


def removed(edit: Callable[[Chart], object]) -> Fault:
    return edited(lambda chart: (edit(chart), None)[1])


def emptied(chart: Chart) -> None:
    chart.pop("timestamp", None)
    chart["indicators"] = {"quote": [{}], "adjclose": [{}]}


FAILURES: dict[str, Fault] = {
    "429": always(429, "Too Many Requests\r\n"),
    "500": always(500, "internal error"),
    "502 html": always(502, "<html>bad gateway</html>"),
    "503 json": always(503, '{"chart":{"result":null,"error":{"code":"Unavailable","description":"busy"}}}'),
    "html": always(200, "<!doctype html><html><title>Yahoo</title></html>"),
    "will be right back": always(200, "<html><body>Will be right back...</body></html>"),
    "nothing": always(200, ""),
    "truncated": truncated,
    "404 of something else": always(404, "<html>no such page</html>"),
    "401": always(401, '{"finance":{"result":null,"error":{"code":"Unauthorized","description":"Invalid Crumb"}}}'),
    "no result": always(200, '{"chart":{"result":null,"error":null}}'),
    "empty result": always(200, '{"chart":{"result":[],"error":null}}'),
    "empty frame": edited(emptied),
    "no volume": removed(lambda chart: chart["indicators"]["quote"][0].pop("volume", None)),
    "unequal lengths": removed(lambda chart: chart["indicators"]["quote"][0]["close"].pop()),
    "no ratio": with_split(None, 1),
    "no time zone": removed(lambda chart: chart["meta"].pop("exchangeTimezoneName")),
    "other error": always(400, '{"chart":{"result":null,"error":{"code":"Bad Request","description":"Invalid input"}}}'),
}


@pytest.mark.parametrize("fault", FAILURES.values(), ids=FAILURES.keys())
def test_a_failure_is_to_be_tried_again_and_never_no_data(server: YahooServer, source: YahooSource, fault: Fault) -> None:
    server.now = datetime(2023, 6, 30, 17, tzinfo=ZONE)
    for _ in ("asked for its time zone first", "which is kept then"):
        server.fault = fault
        with pytest.raises(TryAgain, match=r"no bars of AAPL: .+"):
            source.fetch_bars(["AAPL"], FIRST, LAST)
        server.fault = None
        pd.testing.assert_frame_equal(source.fetch_bars(["AAPL"], FIRST, LAST), server.listings["AAPL"].bars, rtol=1e-6)


def test_an_answer_that_does_not_come_in_time_is_to_be_tried_again(server: YahooServer, tmp_path: Path) -> None:
    server.fault = slow(1.5)
    with pytest.raises(TryAgain, match=r"AAPL.*timed out"):
        new_source(server, tmp_path, timeout_s=0.1).fetch_bars(["AAPL"], FIRST, LAST)


def test_a_server_that_is_not_there_is_to_be_tried_again(tmp_path: Path) -> None:
    with yahoo_server(SATURDAY) as gone:
        pass
    with pytest.raises(TryAgain, match=r"AAPL.*connect"):
        new_source(gone, tmp_path).fetch_bars(["AAPL"], FIRST, LAST)


def test_one_failing_symbol_of_many_fails_them_all(server: YahooServer, source: YahooSource) -> None:
    server.listings["BAD"] = Listing(traded("BAD"))

    def only_bad(reply: object) -> object:
        document = json.loads(reply.body)  # type: ignore[attr-defined]
        symbol = document["chart"]["result"][0]["meta"]["symbol"]
        return always(500, "oops")(reply) if symbol == "BAD" else reply  # type: ignore[arg-type]

    server.fault = only_bad  # type: ignore[assignment]
    with pytest.raises(TryAgain, match="BAD"):
        source.fetch_bars(["AAPL", "BAD", "^GSPC"], FIRST, LAST)


def test_a_failure_that_passes_is_not_noticed(server: YahooServer, source: YahooSource) -> None:
    server.next_faults.extend([FAILURES["429"], FAILURES["html"], FAILURES["empty result"]])
    pd.testing.assert_frame_equal(source.fetch_bars(["AAPL"], FIRST, LAST), server.listings["AAPL"].bars, rtol=1e-6)


def test_a_refused_cookie_is_replaced_at_once_and_the_question_asked_again(server: YahooServer, tmp_path: Path) -> None:
    server.next_faults.append(FAILURES["401"])
    patient = new_source(server, tmp_path, retry_wait_s=1000.0)
    assert len(patient.fetch_bars(["AAPL"], FIRST, LAST)) == len(SESSIONS)


def test_an_empty_answer_is_a_failure_also_where_only_a_weekend_is_asked_for(server: YahooServer, source: YahooSource) -> None:
    saturday, sunday = date(2023, 7, 1), date(2023, 7, 2)
    assert source.fetch_bars(["AAPL"], saturday, sunday).empty
    server.fault = FAILURES["empty frame"]
    with pytest.raises(TryAgain, match="AAPL"):
        source.fetch_bars(["AAPL"], saturday, sunday)


def test_attempts_are_bounded(server: YahooServer, source: YahooSource) -> None:
    server.fault = FAILURES["500"]
    with pytest.raises(TryAgain, match="500"):
        source.fetch_bars(["AAPL"], FIRST, LAST)
    assert len(server.chart_requests()) == ATTEMPTS


def test_nobody_sleeps_past_the_deadline(server: YahooServer, tmp_path: Path) -> None:
    """A first wait of a thousand seconds, where the whole may take thirty: it ends without a second attempt."""
    server.fault = FAILURES["500"]
    with pytest.raises(TryAgain, match="500"):
        new_source(server, tmp_path, retry_wait_s=1000.0).fetch_bars(["AAPL"], FIRST, LAST)
    assert len(server.chart_requests()) == 1


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


# where it asks and what it leaves behind


@pytest.mark.parametrize("address", ["file:///etc/passwd", "ftp://127.0.0.1", "127.0.0.1:80", "http://", "https:///x"])
def test_an_address_of_another_kind_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(Misconfigured, match="yahoo_url"):
        YahooSource(tmp_path, lambda: SATURDAY, address)


def test_neither_a_redirection_nor_a_proxy_leads_away_from_the_address(
    server: YahooServer, source: YahooSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    with yahoo_server(SATURDAY) as elsewhere:
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, elsewhere.url)
        assert len(source.fetch_bars(["AAPL"], FIRST, LAST)) == len(SESSIONS)
        server.fault = always(302, "", headers=(("Location", f"{elsewhere.url}{PATH}AAPL"),))
        with pytest.raises(TryAgain, match="302"):
            source.fetch_bars(["AAPL"], FIRST, LAST)
        assert elsewhere.requests == []


def test_yfinance_neither_logs_nor_warns(server: YahooServer, source: YahooSource, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        source.fetch_bars(["AAPL"], FIRST, LAST)
        server.fault = FAILURES["429"]
        with pytest.raises(TryAgain):
            source.fetch_bars(["AAPL", "^GSPC"], FIRST, LAST)
    assert [record for record in caplog.records if record.name.startswith(("yfinance", "peewee"))] == []
    assert [str(warning.message) for warning in caught if "yfinance" in str(warning.filename)] == []


FETCH = """
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from nightdesk.market.yahoo import YahooSource
assert not {"yfinance", "curl_cffi"} & set(sys.modules), "they are imported only where bars are fetched"
source = YahooSource(Path(sys.argv[2]), lambda: datetime(2023, 7, 1, 12, tzinfo=UTC), sys.argv[1])
assert len(source.fetch_bars(["AAPL"], date(2023, 6, 1), date(2023, 6, 30))) == 21
"""


def test_a_process_writes_only_to_its_cache_and_says_nothing(server: YahooServer, tmp_path: Path) -> None:
    server.crumb = Reply(429, b"Too Many Requests", "text/plain")  # of which yfinance would tell
    home, cache = tmp_path / "home", tmp_path / "cache" / "yahoo"
    home.mkdir()
    kept = {key: value for key, value in os.environ.items() if not key.startswith("XDG_")}
    ran = subprocess.run(
        [sys.executable, "-c", FETCH, server.url, str(cache)],
        env=kept | {"HOME": str(home), "PYTHONPATH": str(Path(__file__).parents[2])},
        cwd=home,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")
    assert list(home.rglob("*")) == []
    assert {path.name for path in cache.iterdir()} >= {"tkr-tz.db", "cookies.db"}


def test_the_answer_is_the_callers_own(server: YahooServer, source: YahooSource) -> None:
    bars = source.fetch_bars(["AAPL"], FIRST, LAST)
    assert bars.dtypes.astype(str).to_dict() == {Bars.session: "datetime64[ns]", Bars.symbol: "str"} | dict.fromkeys(
        [*PRICES, Bars.volume, Bars.dividend, Bars.split], "float64"
    )
    assert np.isfinite(bars[PRICES]).all(axis=None)
