"""The broker Alpaca keeps the contract, against a server on this machine whose answers all are as Alpaca describes them."""

from collections.abc import Iterator
from decimal import Decimal

import pytest

from nightdesk.brokers.broker import Broker
from nightdesk.errors import Misconfigured
from tests.alpaca_stub import serving
from tests.alpaca_world import AlpacaWorld
from tests.contracts.broker_contract import BrokerContract
from tests.paper_market import SESSIONS


class TestAlpacaBroker(BrokerContract):
    @pytest.fixture
    def world(self) -> Iterator[AlpacaWorld]:
        world = AlpacaWorld()
        with serving(world.stub):
            yield world
        assert world.stub.invalid == []

    def test_it_takes_no_deposit(self, broker: Broker) -> None:
        with pytest.raises(Misconfigured, match="takes no deposit"):
            broker.submit_deposit(Decimal(1), SESSIONS[0], "paper/acct/seed")
        assert broker.account().cash == 10_000
