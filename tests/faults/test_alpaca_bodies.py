"""Answers that are odd as bytes: what is not certain is never read as flat, nor as a yes to an order."""

import gzip
import json
import socket
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from pydantic import SecretStr

from nightdesk import alpaca_http
from nightdesk.brokers.alpaca import AlpacaBroker
from nightdesk.errors import TryAgain
from tests.alpaca_data_server import KEY_ID, SECRET_KEY, Reply
from tests.alpaca_faults import Fault
from tests.alpaca_replies import send
from tests.alpaca_world import AlpacaWorld

JSON = {"Content-Type": "application/json"}
PACKED = {**JSON, "Content-Encoding": "gzip"}
POSITION = b'{"symbol": "SPY", "qty": "7", "side": "long"}'
ROWS = b"[" + POSITION + b"]"
READABLE = {
    "packed": Reply(200, gzip.compress(ROWS), PACKED),
    "with a byte order mark": Reply(200, b"\xef\xbb\xbf" + ROWS, JSON),
    "called a page": Reply(200, ROWS, {"Content-Type": "text/html; charset=iso-8859-1"}),
    "called utf-16": Reply(200, ROWS, {"Content-Type": "application/json; charset=utf-16"}),
    "called by no name": Reply(200, ROWS),
    "number as a number": Reply(200, ROWS.replace(b'"7"', b"7.0"), JSON),
    "number with an exponent": Reply(200, ROWS.replace(b'"7"', b'"0.7E1"'), JSON),
}
UNREADABLE = {
    "packed badly": Reply(200, ROWS, PACKED),
    "packed and cut": Reply(200, gzip.compress(ROWS)[:-12], PACKED),
    "nested without end": Reply(200, b"[" * 200_000, JSON),
    "nested deeply": Reply(200, b'[{"symbol": "SPY", "qty": ' + b"[" * 5_000 + b"]" * 5_000 + b"}]", JSON),
    "field twice": Reply(200, ROWS.replace(b'"qty": "7"', b'"qty": "7", "qty": "0"'), JSON),
    "symbol of half a pair": Reply(200, ROWS.replace(b"SPY", b"\\ud800"), JSON),
    "symbol with a line feed": Reply(200, ROWS.replace(b"SPY", b"SPY\\n"), JSON),
    "not utf-8": Reply(200, ROWS.replace(b"SPY", b"\xff\xfe"), JSON),
    "number of digits without end": Reply(200, ROWS.replace(b'"7"', b"9" * 5_000), JSON),
    "number too large": Reply(200, ROWS.replace(b'"7"', b'"1e15"'), JSON),
    "no number": Reply(200, ROWS.replace(b'"7"', b"NaN"), JSON),
    "number with a grouping": Reply(200, ROWS.replace(b'"7"', b'"1_000"'), JSON),
    "two documents": Reply(200, ROWS + ROWS, JSON),
    "larger than any": Reply(200, b"[" + b", ".join([POSITION] * 2_000) + b"]", JSON),
    "larger than any when unpacked": Reply(200, gzip.compress(b"[" + b" " * 200_000 + b"]"), PACKED),
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alpaca_http, "LARGEST_ANSWER", 70_000)


@pytest.mark.parametrize("name", READABLE)
def test_a_body_that_can_be_read_is_read(broker: AlpacaBroker, world: AlpacaWorld, name: str) -> None:
    world.stub.faults.append(Fault(READABLE[name], method="GET", path="/v2/positions"))
    assert broker.positions() == {"SPY": 7}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_body_that_cannot_be_read_is_not_flat(broker: AlpacaBroker, world: AlpacaWorld, name: str) -> None:
    reply = UNREADABLE[name]
    if name.startswith("nested"):
        reply = Reply(reply.status, reply.body[:60_000] if "without" in name else reply.body, reply.headers)
    world.stub.faults.append(Fault(reply, method="GET", path="/v2/positions", times=-1))
    with pytest.raises(TryAgain):
        broker.positions()


ORDER = {"client_order_id": "a", "status": "accepted"}
"""All that an order's answer needs to be a yes."""


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (json.dumps(ORDER).encode(), "accepted"),
        (b"\xef\xbb\xbf" + json.dumps(ORDER).encode(), "accepted"),
        (json.dumps(ORDER).encode() + b"}", "unknown"),
        (b'{"client_order_id": "a", "status": "rejected", "status": "accepted"}', "unknown"),
        (b'{"client_order_id": "a", "status": "\\ud800"}', "unknown"),
        (b'{"client_order_id": "a", "status": ' + b"[" * 5_000 + b"]" * 5_000 + b"}", "unknown"),
        (b'{"client_order_id": "a", "status": {"x": "accepted"}}', "unknown"),
        (b" " * 100_000 + json.dumps(ORDER).encode(), "unknown"),
        (b"[" * 60_000, "unknown"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, str) else str(len(value)),
)
def test_an_order_s_answer_is_a_yes_only_where_it_can_be_read(
    broker: AlpacaBroker, world: AlpacaWorld, body: bytes, outcome: str
) -> None:
    world.stub.faults.append(Fault(Reply(200, body, JSON)))
    answer = send(broker, world)
    assert answer.outcome == outcome and answer.reason.isprintable()
    assert len(world.stub.account.orders) == 1


@pytest.mark.parametrize("status", [400, 403, 422])
def test_a_reason_is_made_fit_to_print(broker: AlpacaBroker, world: AlpacaWorld, status: int) -> None:
    body = b'{"code": 40310000, "message": "no\\ud800\\u0000\\n way"}'
    world.stub.faults.append(Fault(Reply(status, body, JSON), accepts=False))
    answer = send(broker, world)
    assert (answer.outcome, answer.reason) == ("rejected", "no way")


def test_a_404_about_something_else_is_not_an_order_that_was_never_seen(broker: AlpacaBroker, world: AlpacaWorld) -> None:
    body = json.dumps({"code": 40410000, "message": "endpoint not found."}).encode()
    send(broker, world)
    world.stub.faults.append(Fault(Reply(404, body, JSON), method="GET", path="/v2/orders:by_client_order_id"))
    with pytest.raises(TryAgain, match="endpoint not found"):
        broker.find_order("a")


# what is hardly HTTP

HARDLY_HTTP = {
    "nothing": b"",
    "another language": b"SSH-2.0-OpenSSH_9.6\r\n",
    "no status": b"HTTP/1.1\r\n\r\n",
    "status that is a word": b"HTTP/1.1 OK fine\r\n\r\n",
    "status out of range": b"HTTP/1.1 99999 X\r\n\r\n",
    "version of the future": b"HTTP/9.9 200 OK\r\n\r\n[]",
    "length below zero": b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 20\r\n\r\n[]",
    "bad chunks": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n[]\r\n0\r\n\r\n",
    "chunks that end early": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n[]",
    "a line without end": b"HTTP/1.1 200 OK\r\nX: " + b"a" * 70_000 + b"\r\n\r\n",
    "headers without end": b"HTTP/1.1 200 OK\r\n" + b"X: 1\r\n" * 300 + b"\r\n",
    "unknown packing": b"HTTP/1.1 200 OK\r\nContent-Encoding: zstd\r\nContent-Length: 2\r\n\r\n\x00\x01",
    "bare 200": b"HTTP/1.0 200 OK\r\n\r\n",
}


@pytest.fixture
def raw_server() -> Iterator[Callable[[bytes], str]]:
    """Begins a server that answers every request with the same bytes; its address."""
    ends: list[Any] = []

    def serve(body: bytes) -> str:
        server = socket.create_server(("127.0.0.1", 0))
        ends.append(server)

        def answer() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(65536)
                    connection.sendall(body)

        threading.Thread(target=answer, daemon=True).start()
        return f"http://127.0.0.1:{server.getsockname()[1]}"

    yield serve
    for server in ends:
        server.shutdown(socket.SHUT_RDWR)
        server.close()


@pytest.mark.parametrize("name", HARDLY_HTTP)
def test_what_is_hardly_http_is_no_answer(
    raw_server: Callable[[bytes], str], name: str, world: AlpacaWorld, broker: AlpacaBroker
) -> None:
    now = datetime(2018, 12, 4, 0, 30, tzinfo=UTC)
    strange = AlpacaBroker(KEY_ID, SecretStr(SECRET_KEY), "paper", lambda: now, raw_server(HARDLY_HTTP[name]))
    with pytest.raises(TryAgain) as raised:
        strange.positions()
    assert SECRET_KEY not in str(raised.value)
    broker.clock()
    strange._next_open = broker._next_open
    assert send(strange, world).outcome == "unknown"
