"""An account at Alpaca's stub, and the broker that trades on it. Every answer of the stub is checked."""

from datetime import UTC, date, datetime, time
from decimal import Decimal

from pydantic import SecretStr

from nightdesk.brokers.alpaca import AlpacaBroker
from nightdesk.brokers.broker import Broker
from tests.alpaca_account import AlpacaAccount
from tests.alpaca_data_server import KEY_ID, SECRET_KEY
from tests.alpaca_openapi import what_is_wrong
from tests.alpaca_rules import NEW_YORK
from tests.alpaca_stub import AlpacaStub
from tests.paper_market import SESSIONS


def evening(session: date) -> datetime:
    """Half past seven in New York: Alpaca takes market-on-open orders for the next open."""
    return datetime.combine(session, time(19, 30), NEW_YORK).astimezone(UTC)


class AlpacaWorld:
    def __init__(self) -> None:
        self.sessions = list(SESSIONS)
        account = AlpacaAccount(evening(self.sessions[0]), multiplier=1, flags={"shorting_enabled": False})
        self.stub = AlpacaStub(account, what_is_wrong)

    def open_broker(self, requests_a_minute: int | None = None) -> AlpacaBroker:
        return AlpacaBroker(
            KEY_ID, SecretStr(SECRET_KEY), "paper", lambda: self.stub.account.now, self.stub.url, requests_a_minute
        )

    def deposit(self, broker: Broker, amount: Decimal) -> None:
        self.stub.account.book("CSD", "deposit", amount)

    def show_open(self, session: date, instrument: str, price: float, dividend: float = 0.0, split: float = 1.0) -> None:
        self.stub.account.show_open(session, instrument, price, dividend, split)

    def play_to(self, session: date) -> None:
        self.stub.move_to(evening(session))
