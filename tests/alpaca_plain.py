"""Alpaca's stub on an ordinary Monday, asked with plain HTTP."""

import http.client
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from tests.alpaca_account import AlpacaAccount
from tests.alpaca_data_server import KEY_ID, SECRET_KEY
from tests.alpaca_openapi import what_is_wrong
from tests.alpaca_rules import NEW_YORK
from tests.alpaca_stub import AlpacaStub, serving

MONDAY = date(2018, 12, 3)
KEYS = {"APCA-API-KEY-ID": KEY_ID, "APCA-API-SECRET-KEY": SECRET_KEY}
Said = tuple[int, dict[str, str], Any]


@contextmanager
def monday_stub() -> Iterator[AlpacaStub]:
    """Monday, 12:00; ten shares of KO at 50, and 10,000 in cash without credit. All its answers are as Alpaca describes them."""
    account = AlpacaAccount(at(MONDAY, 9, 0), Decimal(10_000), multiplier=1)
    account.show_open(MONDAY, "KO", 50)
    account.show_open(MONDAY, "PEP", 100)
    account.positions["KO"] = Decimal(10)
    account.move_to(at(MONDAY, 12, 0))
    with serving(AlpacaStub(account, what_is_wrong)) as made:
        yield made
    assert made.invalid == []


def at(day: date, hour: int, minute: int) -> datetime:
    return datetime.combine(day, time(hour, minute), NEW_YORK).astimezone(UTC)


def ask(stub: AlpacaStub, method: str, path: str, body: object = None, keys: dict[str, str] = KEYS) -> Said:
    connection = http.client.HTTPConnection(stub.url.removeprefix("http://"), timeout=10)
    try:
        connection.request(method, path, None if body is None else json.dumps(body), keys)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), value_of(answer.read())
    finally:
        connection.close()


def value_of(body: bytes) -> Any:
    """The body's value; the body itself where it is no JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return body


def order(stub: AlpacaStub, **fields: object) -> Said:
    body = {"symbol": "KO", "qty": "1", "side": "buy", "type": "market", "time_in_force": "day", **fields}
    return ask(stub, "POST", "/v2/orders", {key: value for key, value in body.items() if value is not None})
