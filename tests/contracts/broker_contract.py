"""What every broker must do. Subclass it, and give a `world` in which its account trades on a market that the test moves."""

from datetime import date, timedelta
from decimal import Decimal
from typing import Protocol

import pytest

from nightdesk.brokers.broker import Broker, OrderRequest


class World(Protocol):
    """A market and an account at the broker under test, without costs and with shares bought whole.

    `sessions` are at least eight, consecutive; the clock begins after the close of the first.
    """

    sessions: list[date]

    def open_broker(self) -> Broker:
        """A new adapter for the one account: what a process that starts again would make."""
        ...

    def deposit(self, broker: Broker, amount: Decimal) -> None:
        """Put money into the account, now."""
        ...

    def show_open(self, session: date, instrument: str, price: float, dividend: float = 0.0, split: float = 1.0) -> None:
        """The open of an instrument, with what is paid and split there. What is not shown has no open."""
        ...

    def play_to(self, session: date) -> None:
        """Move the clock behind the close of a session."""
        ...


class BrokerContract:
    """The specification of `nightdesk.brokers.broker.Broker`."""

    @pytest.fixture
    def world(self) -> World:
        raise NotImplementedError

    @pytest.fixture
    def broker(self, world: World) -> Broker:
        """An account with 10,000, on a market where SPY opens at 100, 101, ... and QQQ at 50 on every session."""
        for number, session in enumerate(world.sessions):
            world.show_open(session, "SPY", 100.0 + number)
            world.show_open(session, "QQQ", 50.0)
        made = world.open_broker()
        world.deposit(made, Decimal(10_000))
        return made

    def send(self, broker: Broker, world: World, order_id: str, quantity: int, instrument: str = "SPY", at: int = 1) -> str:
        """Send an order for the open of a session, by its number. The outcome."""
        request = OrderRequest(order_id, instrument, Decimal(quantity), "opg", world.sessions[at])
        return broker.submit_order(request).outcome

    def hold(self, broker: Broker, world: World, quantity: int) -> None:
        """Buy SPY at the open of session 1, at 101."""
        assert self.send(broker, world, "first", quantity) == "accepted"
        world.play_to(world.sessions[1])

    def told(self, broker: Broker) -> tuple[object, ...]:
        """All that a broker says of the account and of two orders."""
        orders = broker.find_order("first"), broker.find_order("waits")
        return broker.activities(), broker.positions(), broker.account(), broker.open_orders(), orders

    # orders

    def test_an_accepted_order_waits_for_its_open(self, broker: Broker, world: World) -> None:
        assert self.send(broker, world, "a", 10) == "accepted"
        order = broker.find_order("a")
        assert order is not None
        assert (order.status, order.quantity, order.filled_quantity) == ("accepted", 10, 0)
        assert broker.positions() == {}
        assert broker.account().cash == 10_000
        assert [row.kind for row in broker.activities()] == ["deposit"]

    def test_an_order_fills_at_the_open_of_its_session(self, broker: Broker, world: World) -> None:
        self.send(broker, world, "a", 10)
        world.play_to(world.sessions[1])
        order = broker.find_order("a")
        assert order is not None
        assert (order.status, order.filled_quantity) == ("filled", 10)
        fill = broker.activities()[-1]
        assert (fill.kind, fill.reference, fill.session) == ("fill", "a", world.sessions[1])
        assert (fill.instrument, fill.quantity, fill.price, fill.amount) == ("SPY", 10, 101, -1010)

    def test_an_order_fills_at_its_own_open_also_where_nobody_asked_for_days(self, broker: Broker, world: World) -> None:
        self.send(broker, world, "a", 10)
        world.play_to(world.sessions[5])
        fill = broker.activities()[-1]
        assert (fill.session, fill.price) == (world.sessions[1], 101)

    def test_an_order_fills_once(self, broker: Broker, world: World) -> None:
        self.send(broker, world, "a", 10)
        for session in world.sessions[1:5]:
            world.play_to(session)
            assert [row.reference for row in broker.activities() if row.kind == "fill"] == ["a"]
        assert broker.positions() == {"SPY": 10}

    def test_an_unknown_id_finds_nothing(self, broker: Broker) -> None:
        assert broker.find_order("never-sent") is None

    def test_another_order_under_an_id_that_waits_is_rejected_and_the_first_stands(self, broker: Broker, world: World) -> None:
        self.send(broker, world, "a", 10)
        assert self.send(broker, world, "a", 20) == "rejected"
        assert self.send(broker, world, "a", -10) == "rejected"
        assert self.send(broker, world, "a", 10, instrument="QQQ") == "rejected"
        world.play_to(world.sessions[1])
        assert broker.positions() == {"SPY": 10}

    def test_an_order_sent_again_is_accepted_and_fills_once(self, broker: Broker, world: World) -> None:
        assert [self.send(broker, world, "a", 10) for _ in range(3)] == ["accepted"] * 3
        world.play_to(world.sessions[1])
        assert broker.positions() == {"SPY": 10}

    def test_an_order_sent_again_after_its_fill_is_not_doubled(self, broker: Broker, world: World) -> None:
        self.hold(broker, world, 10)
        assert self.send(broker, world, "first", 10, at=2) == "accepted"
        world.play_to(world.sessions[2])
        assert broker.positions() == {"SPY": 10}

    def test_an_id_that_was_canceled_serves_no_other_order(self, broker: Broker, world: World) -> None:
        self.send(broker, world, "a", 10)
        broker.submit_cancel("a")
        assert self.send(broker, world, "a", 20) == "rejected"
        assert self.send(broker, world, "a", 10) == "accepted"
        world.play_to(world.sessions[1])
        assert broker.positions() == {}

    def test_open_orders_are_those_that_may_still_fill(self, broker: Broker, world: World) -> None:
        assert broker.open_orders() == []
        self.send(broker, world, "a", 10)
        self.send(broker, world, "b", 5, instrument="QQQ")
        rows = broker.open_orders()
        assert sorted((row.order_id, row.instrument, row.quantity) for row in rows) == [("a", "SPY", 10), ("b", "QQQ", 5)]
        assert rows == [found for row in rows if (found := broker.find_order(row.order_id))]
        world.play_to(world.sessions[1])
        assert broker.open_orders() == []

    def test_orders_since_a_day_hold_all_that_were_sent_on_it_or_later(self, broker: Broker, world: World) -> None:
        for number in (1, 2, 3):
            self.send(broker, world, f"o-{number}", number, at=number)
            world.play_to(world.sessions[number])
        known = {number: {row.order_id for row in broker.orders_since(world.sessions[number])} for number in (0, 1, 2)}
        assert known[0] == {"o-1", "o-2", "o-3"}
        assert known[1] >= {"o-2", "o-3"} and known[2] >= {"o-3"}
        assert broker.orders_since(world.sessions[0])[0] == broker.find_order("o-1")

    def test_a_canceled_order_never_fills(self, broker: Broker, world: World) -> None:
        self.send(broker, world, "a", 10)
        assert broker.submit_cancel("a").outcome == "accepted"
        world.play_to(world.sessions[1])
        order = broker.find_order("a")
        assert order is not None
        assert (order.status, order.filled_quantity) == ("canceled", 0) and order.reason
        assert broker.positions() == {} and broker.open_orders() == []

    def test_what_is_filled_canceled_or_never_was_cannot_be_canceled(self, broker: Broker, world: World) -> None:
        self.send(broker, world, "gone", 1)
        broker.submit_cancel("gone")
        self.hold(broker, world, 10)
        for order_id in ("first", "gone", "never-sent"):
            answer = broker.submit_cancel(order_id)
            assert answer.outcome == "rejected" and answer.reason
        assert broker.positions() == {"SPY": 10}

    def test_every_time_in_force_that_it_names_fills_at_the_next_open(self, broker: Broker, world: World) -> None:
        forces = sorted(broker.capabilities().times_in_force)
        assert {"opg", "day"} <= set(forces)
        for force in forces:
            assert broker.capabilities().takes_now(force, broker.clock().at)
            answer = broker.submit_order(OrderRequest(f"by-{force}", "SPY", Decimal(1), force, world.sessions[1]))
            assert answer.outcome == "accepted"
        world.play_to(world.sessions[1])
        fills = [row for row in broker.activities() if row.kind == "fill"]
        assert {(row.session, row.price) for row in fills} == {(world.sessions[1], 101)} and len(fills) == len(forces)

    def test_the_clock_follows_the_market(self, broker: Broker, world: World) -> None:
        for number in (0, 1, 4):
            world.play_to(world.sessions[number])
            clock = broker.clock()
            assert clock.next_session == world.sessions[number + 1]
            assert clock.at.utcoffset() == timedelta(0) and clock.at.date() >= world.sessions[number]

    def test_a_calendar_of_its_own_has_the_sessions(self, broker: Broker, world: World) -> None:
        rows = broker.calendar(world.sessions[0], world.sessions[-1])
        assert rows is None or [row.session for row in rows] == world.sessions

    def test_selling_more_than_is_held_is_rejected(self, broker: Broker, world: World) -> None:
        assert self.send(broker, world, "nothing", -1) == "rejected"
        self.hold(broker, world, 10)
        assert self.send(broker, world, "much", -11, at=2) == "rejected"
        assert self.send(broker, world, "other", -1, instrument="QQQ", at=2) == "rejected"
        assert self.send(broker, world, "all", -10, at=2) == "accepted"

    def test_sales_that_wait_count_as_sold(self, broker: Broker, world: World) -> None:
        self.hold(broker, world, 10)
        assert self.send(broker, world, "most", -9, at=2) == "accepted"
        assert self.send(broker, world, "more", -2, at=2) == "rejected"
        assert self.send(broker, world, "rest", -1, at=2) == "accepted"
        world.play_to(world.sessions[2])
        assert broker.positions() == {}

    def test_an_order_of_nothing_is_rejected(self, broker: Broker, world: World) -> None:
        assert self.send(broker, world, "a", 0) == "rejected"

    def test_an_order_for_an_open_that_has_passed_is_rejected(self, broker: Broker, world: World) -> None:
        world.play_to(world.sessions[3])
        assert self.send(broker, world, "today", 1, at=3) == "rejected"
        assert self.send(broker, world, "past", 1, at=2) == "rejected"
        assert self.send(broker, world, "next", 1, at=4) == "accepted"

    def test_a_rejected_order_never_fills(self, broker: Broker, world: World) -> None:
        self.send(broker, world, "nothing", -1)
        world.play_to(world.sessions[2])
        assert [row.kind for row in broker.activities()] == ["deposit"]
        order = broker.find_order("nothing")
        assert order is None or order.status == "rejected"

    def test_an_order_without_an_open_expires(self, broker: Broker, world: World) -> None:
        assert self.send(broker, world, "a", 1, instrument="IWM") == "accepted"
        world.play_to(world.sessions[1])
        world.show_open(world.sessions[2], "IWM", 10.0)
        world.play_to(world.sessions[2])
        order = broker.find_order("a")
        assert order is not None
        assert (order.status, order.filled_quantity) == ("expired", 0) and order.reason
        assert broker.positions() == {}
        assert broker.account().cash == 10_000

    def test_a_buy_beyond_the_cash_never_takes_it_below_zero(self, broker: Broker, world: World) -> None:
        if self.send(broker, world, "a", 150) == "accepted":
            world.play_to(world.sessions[1])
            assert 0 <= broker.account().cash < 101 or broker.positions() == {}

    # the account

    def test_positions_are_the_sum_of_the_fills(self, broker: Broker, world: World) -> None:
        self.hold(broker, world, 10)
        for number, (instrument, quantity) in enumerate([("SPY", -4), ("QQQ", 20), ("QQQ", -20)], start=2):
            assert self.send(broker, world, f"o-{number}", quantity, instrument, at=number) == "accepted"
            world.play_to(world.sessions[number])
            total: dict[str, Decimal] = {}
            for row in broker.activities():
                if row.kind == "fill":
                    total[row.instrument] = total.get(row.instrument, Decimal(0)) + row.quantity
            assert broker.positions() == {name: value for name, value in total.items() if value}
        assert broker.positions() == {"SPY": 6}

    def test_cash_is_what_the_activities_say(self, broker: Broker, world: World) -> None:
        self.hold(broker, world, 10)
        self.send(broker, world, "sale", -4, at=2)
        world.play_to(world.sessions[2])
        account = broker.account()
        assert account.currency == "USD"
        assert account.cash == sum((row.amount - row.commission for row in broker.activities()), Decimal(0))
        assert account.cash == 10_000 - 10 * 101 + 4 * 102

    def test_activities_are_oldest_first_and_have_ids_of_their_own(self, broker: Broker, world: World) -> None:
        self.hold(broker, world, 10)
        world.show_open(world.sessions[3], "SPY", 103.0, dividend=1.0)
        for number in (2, 3, 4):
            self.send(broker, world, f"o-{number}", 1, at=number)
            world.play_to(world.sessions[number])
        rows = broker.activities()
        assert [row.kind for row in rows] == ["deposit", "fill", "fill", "dividend", "fill", "fill"]
        assert [row.session for row in rows] == sorted(row.session for row in rows)
        assert len({row.activity_id for row in rows}) == len(rows)

    def test_activities_are_the_same_at_each_call_and_only_grow(self, broker: Broker, world: World) -> None:
        before = broker.activities()
        for number in (1, 2, 3):
            self.send(broker, world, f"o-{number}", 1, at=number)
            world.play_to(world.sessions[number])
            now = broker.activities()
            assert now == broker.activities()
            assert now[: len(before)] == before
            assert len(now) == len(before) + 1
            before = now

    def test_a_process_that_starts_again_finds_the_same_account(self, broker: Broker, world: World) -> None:
        self.hold(broker, world, 10)
        self.send(broker, world, "waits", -3, at=2)
        known = self.told(broker)
        broker.close()
        again = world.open_broker()
        assert self.told(again) == known
        world.play_to(world.sessions[2])
        assert again.positions() == {"SPY": 7}

    def test_activities_since_a_session_hold_all_of_it_and_later(self, broker: Broker, world: World) -> None:
        for number in (1, 2, 3, 4):
            self.send(broker, world, f"o-{number}", 1, at=number)
            world.play_to(world.sessions[number])
        whole = broker.activities()
        for first in world.sessions[:6]:
            late = broker.activities(first)
            assert [row for row in late if row.session >= first] == [row for row in whole if row.session >= first]
            assert late == whole[len(whole) - len(late) :]

    def test_an_account_that_may_trade_is_not_blocked(self, broker: Broker) -> None:
        account = broker.account()
        assert account.blocked == "" and account.buying_power >= account.cash == 10_000

    # corporate actions

    def test_a_dividend_is_paid_at_the_ex_date_on_what_was_held_at_the_close_before(self, broker: Broker, world: World) -> None:
        self.hold(broker, world, 10)
        world.show_open(world.sessions[2], "SPY", 100.0, dividend=0.5)
        self.send(broker, world, "late", 20, at=2)
        world.play_to(world.sessions[2])
        (paid,) = [row for row in broker.activities() if row.kind == "dividend"]
        assert (paid.session, paid.instrument, paid.amount, paid.quantity) == (world.sessions[2], "SPY", 5, 0)
        assert broker.account().cash == 10_000 - 10 * 101 + 5 - 20 * 100

    def test_a_holding_sold_at_the_ex_date_still_gets_the_dividend(self, broker: Broker, world: World) -> None:
        self.hold(broker, world, 10)
        world.show_open(world.sessions[2], "SPY", 100.0, dividend=0.5)
        self.send(broker, world, "sale", -10, at=2)
        world.play_to(world.sessions[2])
        assert broker.account().cash == 10_000 - 1010 + 5 + 1000

    def test_a_dividend_of_what_is_not_held_is_not_paid(self, broker: Broker, world: World) -> None:
        world.show_open(world.sessions[1], "SPY", 100.0, dividend=0.5)
        self.hold(broker, world, 10)
        assert [row.kind for row in broker.activities()] == ["deposit", "fill"]

    @pytest.mark.parametrize(("split", "held"), [(4.0, "40"), (0.5, "5"), (1.5, "15")])
    def test_a_split_rescales_the_holding_and_costs_nothing(self, broker: Broker, world: World, split: float, held: str) -> None:
        self.hold(broker, world, 10)
        cash = broker.account().cash
        world.show_open(world.sessions[2], "SPY", 102.0 / split, split=split)
        world.play_to(world.sessions[3])
        assert broker.positions() == {"SPY": Decimal(held)}
        assert broker.account().cash == cash
        (row,) = [row for row in broker.activities() if row.kind == "split"]
        assert (row.session, row.quantity, row.amount) == (world.sessions[2], Decimal(held) - 10, 0)

    def test_a_dividend_of_a_split_session_is_paid_on_the_new_shares(self, broker: Broker, world: World) -> None:
        self.hold(broker, world, 10)
        cash = broker.account().cash
        world.show_open(world.sessions[2], "SPY", 25.0, dividend=0.25, split=4.0)
        world.play_to(world.sessions[2])
        assert broker.account().cash == cash + 10

    def test_a_sale_that_waits_when_shares_are_merged_never_sells_more_than_is_left(self, broker: Broker, world: World) -> None:
        self.hold(broker, world, 10)
        world.show_open(world.sessions[2], "SPY", 204.0, split=0.5)
        self.send(broker, world, "sale", -10, at=2)
        world.play_to(world.sessions[2])
        assert broker.positions().get("SPY", Decimal(0)) >= 0
