"""What can go wrong between the Alpaca source and its server becomes the right error, and never shows a key."""

import io
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pandas as pd
import pytest
from pydantic import SecretStr

from nightdesk import alpaca_http
from nightdesk.errors import Misconfigured, NightdeskError, TryAgain
from nightdesk.market.alpaca import AlpacaSource
from tests.alpaca_data_server import (
    ACTIONS_PATH,
    BARS_PATH,
    KEY_ID,
    SECRET_KEY,
    AlpacaServer,
    Asked,
    Reply,
    at_close,
    told,
)
from tests.alpaca_market import FIRST, LAST, of, seeded_server, source_at


@pytest.fixture
def server() -> Iterator[AlpacaServer]:
    with seeded_server() as made:
        yield made


@pytest.fixture
def source(server: AlpacaServer) -> AlpacaSource:
    return source_at(server)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alpaca_http, "FIRST_WAIT_S", 0.01)
    monkeypatch.setattr(alpaca_http, "TIMEOUT_S", 0.15)


BROKEN = {
    "busy": told(429, {"code": 42910000, "message": "rate limit exceeded"}),
    "internal error": told(500, {"message": "internal server error"}),
    "page of a gateway": Reply(502, b"<html><h1>502 Bad Gateway</h1></html>", {"Content-Type": "text/html"}),
    "gateway timeout": told(504, {"code": 50410000, "message": "request timed out"}),
    "empty answer": Reply(200, b""),
    "page instead of data": Reply(200, b"<html>maintenance</html>", {"Content-Type": "text/html"}),
    "truncated": Reply(200, b'{"bars":{"AAPL":[{"t":"2020-08-'),
    "dropped": Reply(200, b'{"bars":{"AAPL":[{"t":"2020-08-', promised=5000),
    "silence": Reply(silent=True),
}


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
@pytest.mark.usefixtures("impatient")
def test_what_fails_for_a_moment_is_asked_again(server: AlpacaServer, source: AlpacaSource, fault: Reply) -> None:
    server.faults = [fault, fault]
    pd.testing.assert_frame_equal(source.fetch_bars(["AAPL"], FIRST, LAST), of(server.bars, ["AAPL"]))
    assert len(server.asked_for(BARS_PATH)) == 3


@pytest.mark.parametrize("fault", BROKEN.values(), ids=BROKEN)
@pytest.mark.usefixtures("impatient")
def test_what_keeps_failing_ends_in_try_again_after_four_attempts(
    server: AlpacaServer, source: AlpacaSource, fault: Reply
) -> None:
    server.faults = [fault] * 10
    with pytest.raises(TryAgain, match="Alpaca") as error:
        source.fetch_bars(["AAPL"], FIRST, LAST)
    assert len(server.asked) == 4
    assert_no_secret(error.value)


@pytest.mark.usefixtures("impatient")
def test_a_failure_in_the_middle_of_the_pages_costs_one_page_not_all(server: AlpacaServer, source: AlpacaSource) -> None:
    pages = -(-len(of(server.bars, ["AAPL"], FIRST - timedelta(10))) // 10)
    sound = AlpacaServer(server.now, server.bars, server.actions, page_size=10)
    server.always = lambda asked: sound.reply(asked) if len(server.asked) % 2 else BROKEN["busy"]
    pd.testing.assert_frame_equal(source.fetch_bars(["AAPL"], FIRST, LAST), of(server.bars, ["AAPL"]))
    assert pages > 4 and len(server.asked_for(BARS_PATH)) == 2 * pages - 1


@pytest.mark.usefixtures("impatient")
def test_no_server_at_all_is_try_again() -> None:
    source = AlpacaSource(KEY_ID, SecretStr(SECRET_KEY), lambda: at_close(LAST), "http://127.0.0.1:9")
    with pytest.raises(TryAgain, match="ConnectionError"):
        source.fetch_bars(["AAPL"], FIRST, LAST)


@pytest.mark.usefixtures("impatient")
def test_corporate_actions_that_fail_are_never_taken_for_none(server: AlpacaServer, source: AlpacaSource) -> None:
    server.always = lambda asked: (
        BROKEN["internal error"]
        if asked.path == ACTIONS_PATH
        else AlpacaServer(server.now, server.bars, server.actions).reply(asked)
    )
    with pytest.raises(TryAgain, match="500"):
        source.fetch_bars(["AAPL"], FIRST, LAST)


@pytest.mark.usefixtures("impatient")
def test_a_rate_limit_is_waited_out_as_long_as_its_reset_says(server: AlpacaServer, source: AlpacaSource) -> None:
    """A limiter that opens again a second later: four attempts without a wait would all end before."""
    opens: list[float] = []

    def limited(asked: Asked) -> Reply:
        clock = datetime.now(UTC).timestamp()
        opens.append(int(clock) + 2.0)
        if clock < opens[0]:
            return told(429, {"message": "rate limit exceeded"}, **{"X-RateLimit-Reset": str(int(opens[0]))})
        return AlpacaServer(server.now, server.bars, server.actions).reply(asked)

    server.always = limited
    assert len(source.fetch_bars(["AAPL"], FIRST, LAST)) == len(of(server.bars, ["AAPL"]))


def test_the_wait_for_a_reset_is_read_from_the_servers_own_clock() -> None:
    headers = {"Date": "Wed, 30 Sep 2020 20:30:00 GMT"}
    reset = parsedate_to_datetime(headers["Date"]).timestamp()
    waits = [alpaca_http.seconds_until_reset({**headers, "X-RateLimit-Reset": str(reset + ahead)}) for ahead in (7, -5, 9999)]
    assert waits == [7.0, 0.0, 60.0]
    assert alpaca_http.seconds_until_reset(headers) is None
    assert alpaca_http.seconds_until_reset({**headers, "X-RateLimit-Reset": "soon"}) is None


REFUSALS = {
    "bad key": told(401, {"message": "unauthorized."}),
    "bad key as a page": Reply(401, b"<html>401 Authorization Required</html>", {"Content-Type": "text/html"}),
    "forbidden": told(403, {"code": 40310000, "message": f"forbidden for {KEY_ID} with {SECRET_KEY}"}),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_refused_keys_are_named_but_never_shown(server: AlpacaServer, source: AlpacaSource, refusal: Reply) -> None:
    server.faults = [refusal, refusal]
    with pytest.raises(Misconfigured, match="APCA_API_KEY_ID and APCA_API_SECRET_KEY") as error:
        source.fetch_bars(["AAPL"], FIRST, LAST)
    assert len(server.asked) == 2
    assert_no_secret(error.value)


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
def test_keys_that_a_gateway_refuses_once_are_tried_again(server: AlpacaServer, source: AlpacaSource, refusal: Reply) -> None:
    server.faults = [refusal]
    assert not source.fetch_bars(["AAPL"], FIRST, LAST).empty


def test_a_wrong_key_is_refused_by_the_server(server: AlpacaServer) -> None:
    with pytest.raises(Misconfigured, match="401"):
        source_at(server, secret="another").fetch_bars(["AAPL"], FIRST, LAST)


@pytest.mark.parametrize(("key_id", "secret"), [("", SECRET_KEY), (KEY_ID, ""), ("", "")])
def test_a_missing_key_is_named_before_anything_is_asked(server: AlpacaServer, key_id: str, secret: str) -> None:
    with pytest.raises(Misconfigured, match="APCA_API_KEY_ID and APCA_API_SECRET_KEY"):
        source_at(server, key_id, secret).fetch_bars(["AAPL"], FIRST, LAST)
    assert server.asked == []


@pytest.mark.parametrize("url", ["data.alpaca.markets", "file:///etc", "http://", "https:///v2"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(Misconfigured, match="address"):
        AlpacaSource(KEY_ID, SecretStr(SECRET_KEY), lambda: at_close(LAST), url).fetch_bars(["AAPL"], FIRST, LAST)


WRONG_SYMBOLS = ["^GSPC", "", "aapl", "../../x", "AAPL?qty=1", "AAPL,KO", "A\0", "A\n", "A" * 10_000]


@pytest.mark.parametrize("symbol", WRONG_SYMBOLS, ids=lambda symbol: repr(symbol[:12]))
def test_a_symbol_that_alpaca_cannot_have_never_leaves(server: AlpacaServer, source: AlpacaSource, symbol: str) -> None:
    with pytest.raises(Misconfigured, match="symbol") as error:
        source.fetch_bars(["AAPL", symbol], FIRST, LAST)
    assert server.asked == []
    assert len(error.value.message) < 300


def test_a_symbol_that_the_server_calls_invalid_is_refused_by_name(source: AlpacaSource) -> None:
    with pytest.raises(Misconfigured, match="invalid symbol: BRK-B"):
        source.fetch_bars(["AAPL", "BRK-B"], FIRST, LAST)


def test_a_long_message_of_the_server_is_cut(server: AlpacaServer, source: AlpacaSource) -> None:
    server.faults = [told(400, {"message": "no " * 5000})]
    with pytest.raises(Misconfigured, match="400") as error:
        source.fetch_bars(["AAPL"], FIRST, LAST)
    assert len(error.value.message) < 300


def test_a_redirection_is_refused_and_not_followed(server: AlpacaServer, source: AlpacaSource) -> None:
    server.faults = [Reply(302, b"", {"Location": f"{server.url}/elsewhere"})]
    with pytest.raises(Misconfigured, match="302"):
        source.fetch_bars(["AAPL"], FIRST, LAST)
    assert len(server.asked) == 1


def test_a_page_that_comes_twice_ends_the_paging(server: AlpacaServer, source: AlpacaSource) -> None:
    server.always = lambda asked: told(200, {"bars": {}, "next_page_token": "again"})
    with pytest.raises(TryAgain, match="twice"):
        source.fetch_bars(["AAPL"], FIRST, LAST)
    assert len(server.asked) == 2


@pytest.mark.parametrize(
    "value",
    [
        {},
        [],
        7,
        "bars",
        None,
        {"bars": None},
        {"bars": 3},
        {"bars": {"AAPL": 3}},
        {"bars": {"AAPL": [3]}},
        {"quotes": [], "bars": {}},
    ],
)
@pytest.mark.usefixtures("impatient")
def test_an_answer_of_another_form_is_never_taken_for_no_bars(server: AlpacaServer, source: AlpacaSource, value: Any) -> None:
    server.always = lambda asked: told(200, value)
    with pytest.raises(TryAgain, match="Alpaca"):
        source.fetch_bars(["AAPL"], FIRST, LAST)


@pytest.mark.usefixtures("impatient")
def test_nothing_that_is_logged_holds_the_secret(server: AlpacaServer, source: AlpacaSource) -> None:
    stream = io.StringIO()
    handler, root = logging.StreamHandler(stream), logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    try:
        server.faults = [BROKEN["busy"], told(403, {"message": SECRET_KEY})]
        with pytest.raises(Misconfigured):
            source.fetch_bars(["AAPL"], FIRST, LAST)
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    assert BARS_PATH in stream.getvalue()
    assert SECRET_KEY not in stream.getvalue() + repr(source) + str(vars(source))
    assert KEY_ID not in stream.getvalue() + repr(source)


def assert_no_secret(error: NightdeskError) -> None:
    """Neither in the sentence nor in the facts, nor in any error that it came from."""
    seen: BaseException | None = error
    while seen is not None:
        assert isinstance(seen, NightdeskError)
        text = f"{seen!s} {seen!r} {seen.values}"
        assert SECRET_KEY not in text and KEY_ID not in text
        seen = seen.__cause__ or seen.__context__
