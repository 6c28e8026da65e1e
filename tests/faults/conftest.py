"""The broker Alpaca on its stub."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from nightdesk import alpaca_http
from nightdesk.brokers.alpaca import AlpacaBroker
from tests.alpaca_stub import serving
from tests.alpaca_world import AlpacaWorld


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[AlpacaWorld]:
    """10,000 in the account; SPY opens at 100, 101, ... Reads are asked for twice, without waiting long."""
    monkeypatch.setattr(alpaca_http, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(alpaca_http, "LONGEST_WAIT_S", 0.01)
    monkeypatch.setattr(alpaca_http, "ATTEMPTS", 2)
    world = AlpacaWorld()
    for number, session in enumerate(world.sessions):
        world.show_open(session, "SPY", 100.0 + number)
    with serving(world.stub):
        world.deposit(world.open_broker(), Decimal(10_000))
        yield world
    assert world.stub.invalid == []


@pytest.fixture
def broker(world: AlpacaWorld) -> AlpacaBroker:
    return world.open_broker()
