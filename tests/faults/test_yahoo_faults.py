"""Yahoo as a source where it fails, over real connections to a local server that fails as Yahoo does."""

import logging
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nightdesk.errors import BadData, Misconfigured, TryAgain
from nightdesk.market.yahoo import ATTEMPTS, YahooSource
from nightdesk.market.yahoo_chart import ChartSession
from schemas.bars import Bars
from tests.yahoo_cases import (
    FIRST,
    LAST,
    PRICES,
    SATURDAY,
    SESSIONS,
    dropped,
    emptied,
    new_source,
    removed,
    seeded_server,
    traded,
    with_dividend,
    with_split,
)
from tests.yahoo_server import (
    PATH,
    ZONE,
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


@pytest.fixture
def server() -> Iterator[YahooServer]:
    with seeded_server() as running:
        yield running


@pytest.fixture
def source(server: YahooServer, tmp_path: Path) -> YahooSource:
    return new_source(server, tmp_path)


# what cannot be undone


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

    def only_bad(reply: Reply) -> Reply:
        return always(500, "oops")(reply) if b'"symbol": "BAD"' in reply.body else reply

    server.fault = only_bad
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


def test_a_symbol_is_asked_for_a_few_times_only(server: YahooServer, source: YahooSource) -> None:
    server.fault = FAILURES["500"]
    with pytest.raises(TryAgain, match="500"):
        source.fetch_bars(["AAPL"], FIRST, LAST)
    assert len(server.chart_requests()) == ATTEMPTS


def test_nobody_sleeps_past_the_deadline(server: YahooServer, tmp_path: Path) -> None:
    """A first wait of 13 seconds, where the whole may take 12: the first attempt is the last, and its reason is given."""
    server.fault = FAILURES["500"]
    with pytest.raises(TryAgain, match="500"):
        new_source(server, tmp_path, timeout_s=2.0, retry_wait_s=13.0).fetch_bars(["AAPL"], FIRST, LAST)
    assert len(server.chart_requests()) == 1


def test_no_request_goes_on_after_the_deadline(server: YahooServer) -> None:
    session = ChartSession(server.url, timeout_s=5.0)
    session.give_up_after(0.0)
    with pytest.raises(TryAgain, match="AAPL: it was asked in vain"):
        session.get(f"https://query2.finance.yahoo.com{PATH}AAPL", params={})
    assert server.requests == []


def test_a_symbol_without_a_time_zone_is_not_searched_for_elsewhere(
    server: YahooServer, source: YahooSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("yfinance.base._tz_info_fetch_ctr", 0)  # so often yfinance searches in one process
    error = '{"code":"Bad Request","description":"Data doesn\'t exist for startDate = 1, endDate = 2"}'
    server.fault = always(400, '{"chart":{"result":null,"error":' + error + "}}")
    with pytest.raises(TryAgain, match="time zone"):
        source.fetch_bars(["AAPL"], FIRST, LAST)
    assert [path for path in server.requests if "quoteSummary" in path] == []


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
