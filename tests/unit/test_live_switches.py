"""Live is two independent switches that name one account: the strategy file and the environment."""

from datetime import date
from pathlib import Path

import pytest
from pydantic import SecretStr

from nightdesk.brokers.alpaca import AlpacaBroker
from nightdesk.brokers.paper import PaperBroker
from nightdesk.clock import WallClock
from nightdesk.errors import Misconfigured
from nightdesk.sessions import exchange_sessions
from nightdesk.settings import Settings
from nightdesk.wiring.markets import clock_of, source_of, store_of
from nightdesk.wiring.orders import new_broker
from schemas.records import Mode
from schemas.strategy import Strategy
from tests.strategy_documents import seed, with_key

LIVE, PAPER = "https://api.alpaca.markets", "https://paper-api.alpaca.markets"


def broker_of(tmp_path: Path, mode: Mode, name: str, number: str | None, environment: str, url: str = "") -> object:
    document = with_key(
        with_key(with_key(seed(), "broker.name", name), "broker.account_number", number), "market.source", "yahoo"
    )
    strategy = Strategy.model_validate(document)
    here = Settings(
        home=tmp_path, live_account=environment, alpaca_url=url, alpaca_key_id="key", alpaca_secret_key=SecretStr("secret")
    )
    source = source_of(strategy, here)
    return new_broker(strategy, mode, exchange_sessions("XNYS"), store_of(source, here), WallClock(), here)


@pytest.mark.parametrize("name", ["paper", "alpaca"])
@pytest.mark.parametrize("number", [None, "A1", "B2"])
@pytest.mark.parametrize("environment", ["", "A1", "a1"])
@pytest.mark.parametrize("url", ["", PAPER, LIVE])
def test_live_needs_two_switches_of_one_account(
    name: str, number: str | None, environment: str, url: str, tmp_path: Path
) -> None:
    if (name, number, environment) == ("alpaca", "A1", "A1") and url != PAPER:
        assert isinstance(broker_of(tmp_path, "live", name, number, environment, url), AlpacaBroker)
        return
    with pytest.raises(Misconfigured):
        broker_of(tmp_path, "live", name, number, environment, url)


def test_paper_never_goes_to_the_live_service(tmp_path: Path) -> None:
    assert isinstance(broker_of(tmp_path, "paper", "alpaca", "A1", "A1"), AlpacaBroker)
    with pytest.raises(Misconfigured, match="address"):
        broker_of(tmp_path, "paper", "alpaca", "A1", "A1", LIVE)


def test_a_backfill_never_leaves_this_machine(tmp_path: Path) -> None:
    assert isinstance(broker_of(tmp_path, "backfill", "alpaca", "A1", "A1"), PaperBroker)


def test_orders_on_alpaca_need_a_living_market(tmp_path: Path) -> None:
    strategy = Strategy.model_validate(with_key(seed(), "broker.name", "alpaca"))
    here = Settings(home=tmp_path, alpaca_key_id="key", alpaca_secret_key=SecretStr("secret"))
    sessions, source = exchange_sessions("XNYS"), source_of(strategy, here)
    clock = clock_of(source, sessions, date(2018, 12, 3), "paper")
    with pytest.raises(Misconfigured, match=r"market\.source was 'sample', allowed: yahoo or alpaca"):
        new_broker(strategy, "paper", sessions, store_of(source, here), clock, here)
