"""Every broker keeps the contract."""

import math
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from nightdesk.brokers.broker import Broker
from nightdesk.brokers.paper import PaperBroker
from schemas.trading import Costs
from tests.contracts.broker_contract import BrokerContract
from tests.paper_market import FREE, PaperMarket

REFERENCE = "paper/acct/seed"
COSTS = Costs(commission_bps=10, commission_per_share=0, commission_min=2, slippage_bps=100)


class PaperWorld(PaperMarket):
    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.path = folder / "acct.sqlite"

    def open_broker(self, costs: Costs = FREE) -> PaperBroker:
        return self.broker(self.path, costs)

    def deposit(self, broker: Broker, amount: Decimal) -> None:
        broker.submit_deposit(amount, self.today, REFERENCE)


class TestPaperBroker(BrokerContract):
    @pytest.fixture
    def world(self, tmp_path: Path) -> PaperWorld:
        return PaperWorld(tmp_path)

    def test_a_deposit_arrives_once_for_each_reference(self, broker: Broker, world: PaperWorld) -> None:
        broker.submit_deposit(Decimal(10_000), world.sessions[0], REFERENCE)
        broker.submit_deposit(Decimal(99), world.sessions[1], REFERENCE)
        assert broker.account().cash == 10_000
        broker.submit_deposit(Decimal(500), world.sessions[0], "paper/acct/other")
        assert broker.account().cash == 10_500
        assert [row.reference for row in broker.activities()] == [REFERENCE, "paper/acct/other"]

    def test_a_buy_beyond_the_cash_is_clipped_and_says_so(self, broker: Broker, world: PaperWorld) -> None:
        self.send(broker, world, "a", 150)
        world.play_to(world.sessions[1])
        order = broker.find_order("a")
        assert order is not None
        assert (order.status, order.filled_quantity, order.reason) == ("filled", 99, "clipped: cash")
        assert broker.activities()[-1].note == "clipped: cash"
        assert broker.account().cash == 10_000 - 99 * 101

    def test_a_buy_without_any_cash_expires(self, broker: Broker, world: PaperWorld) -> None:
        world.show_open(world.sessions[1], "SPY", 10_001.0)
        self.send(broker, world, "a", 1)
        world.play_to(world.sessions[1])
        order = broker.find_order("a")
        assert order is not None
        assert (order.status, order.filled_quantity, order.reason) == ("expired", 0, "clipped: cash")

    def test_a_sale_pays_for_a_buy_of_the_same_open(self, broker: Broker, world: PaperWorld) -> None:
        world.show_open(world.sessions[1], "SPY", 100.0)
        self.hold(broker, world, 100)
        assert broker.account().cash == 0
        self.send(broker, world, "b-buy", 204, instrument="QQQ", at=2)
        self.send(broker, world, "z-sale", -100, at=2)
        world.play_to(world.sessions[2])
        assert broker.positions() == {"QQQ": 204}
        assert broker.account().cash == 0

    def test_costs_are_charged_as_the_strategy_says(self, world: PaperWorld) -> None:
        world.show_open(world.sessions[1], "SPY", 100.0)
        world.show_open(world.sessions[2], "SPY", 200.0)
        broker = world.open_broker(COSTS)
        broker.submit_deposit(Decimal(10_000), world.sessions[0], "book")
        self.send(broker, world, "buy", 50)
        world.play_to(world.sessions[1])
        self.send(broker, world, "sale", -5, at=2)
        world.play_to(world.sessions[2])
        _, bought, sold = broker.activities()
        # 50 at 101: ten basis points of 5,050; 5 at 198: the minimum of 2
        assert (bought.price, bought.amount, bought.commission, bought.slippage) == (101, -5050, Decimal("5.05"), 50)
        assert (sold.price, sold.amount, sold.commission, sold.slippage) == (198, 990, 2, 10)
        assert broker.account().cash == Decimal("10000") - 5050 - Decimal("5.05") + 990 - 2

    def test_an_open_that_is_nan_is_no_open(self, broker: Broker, world: PaperWorld) -> None:
        world.show_open(world.sessions[1], "SPY", math.nan)
        self.send(broker, world, "a", 1)
        world.play_to(world.sessions[2])
        order = broker.find_order("a")
        assert order is not None and (order.status, order.reason) == ("expired", "no open")

    def test_an_order_for_a_later_open_than_the_next_is_rejected(self, broker: Broker, world: PaperWorld) -> None:
        assert self.send(broker, world, "a", 1, at=2) == "rejected"

    def test_an_order_that_a_split_overtakes_expires_and_says_so(self, broker: Broker, world: PaperWorld) -> None:
        self.hold(broker, world, 10)
        world.show_open(world.sessions[2], "SPY", 204.0, split=0.5)
        self.send(broker, world, "sale", -10, at=2)
        world.play_to(world.sessions[2])
        order = broker.find_order("sale")
        assert order is not None and (order.status, order.reason) == ("expired", "split")
        assert broker.positions() == {"SPY": 5}

    def test_how_often_it_is_asked_changes_nothing(self, tmp_path: Path) -> None:
        def story(name: str, asked_daily: bool) -> list[object]:
            world = PaperWorld(tmp_path / name)
            for number, session in enumerate(world.sessions):
                world.show_open(session, "SPY", 100.0 + number, dividend=0.3 * (number % 3), split=2.0 if number == 4 else 1.0)
            broker = world.open_broker(COSTS)
            broker.submit_deposit(Decimal(10_000), world.sessions[0], "book")
            self.send(broker, world, "a", 20)
            for session in world.sessions[1:8] if asked_daily else [world.sessions[7]]:
                world.play_to(session)
                broker.activities()
            return list(broker.activities())

        assert story("daily", True) == story("once", False)

    def test_nothing_happens_before_the_first_deposit(self, world: PaperWorld) -> None:
        broker = world.open_broker()
        world.play_to(world.sessions[3])
        assert (broker.activities(), broker.positions(), broker.account().cash) == ([], {}, 0)
        broker.submit_deposit(Decimal(5), world.sessions[3], "book")
        assert [row.session for row in broker.activities()] == [world.sessions[3]]

    def test_sessions_of_activities_are_plain_dates(self, broker: Broker, world: PaperWorld) -> None:
        self.hold(broker, world, 1)
        assert {type(row.session) for row in broker.activities()} == {date}
