"""Random days through the paper broker into the ledger: the books always add up, and each identity finds what is planted."""

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightdesk.brokers.broker import OrderRequest
from nightdesk.brokers.paper import PaperBroker
from nightdesk.ledger.book import cash, fill_events, holdings
from nightdesk.ledger.store import Ledger
from nightdesk.orders.recover import _news, _save_news, resolve_orders
from nightdesk.sessions import exchange_sessions
from schemas import identities
from schemas.money import decimal
from schemas.records import Book, CashEvent, Fill, Mark, Order, PositionEvent
from schemas.trading import Costs
from tests.ledgers import BOOK, NEXT, a_decision, a_fill, an_order
from tests.paper_market import SESSIONS, PaperMarket

NYSE = exchange_sessions("XNYS")
NAMES = ("AAA", "BBB")
DAYS = SESSIONS[:7]

PRICES = st.floats(0.05, 2000.0) | st.just(float("nan"))
OPENS = st.tuples(PRICES, st.sampled_from([0.0, 0.0, 0.0, 0.37]), st.sampled_from([1.0, 1.0, 1.0, 0.5, 3.0]))
MARKETS = st.lists(st.tuples(*[OPENS] * len(NAMES)), min_size=len(DAYS), max_size=len(DAYS))
QUANTITIES = st.integers(-400, 900).map(lambda eighths: Decimal(eighths) / 8)
ORDERS = st.lists(st.tuples(*[QUANTITIES] * len(NAMES)), min_size=len(DAYS) - 1, max_size=len(DAYS) - 1)
COSTS = st.builds(
    Costs,
    commission_bps=st.sampled_from([0.0, 7.0]),
    commission_per_share=st.sampled_from([0.0, 0.013]),
    commission_min=st.sampled_from([0.0, 3.0]),
    slippage_bps=st.sampled_from([0.0, 9.0, 500.0]),
)


@dataclass(frozen=True)
class Played:
    """What a random story left behind."""

    orders: list[Order]
    fills: list[Fill]
    positions: list[PositionEvent]
    flows: list[CashEvent]
    marks: list[Mark]


def decide(ledger: Ledger, broker: PaperBroker, session: date, execution: date, quantities: Sequence[Decimal]) -> None:
    """Commit a decision with an order for each quantity, and send them."""
    orders = [
        an_order(f"{session}-{name}", str(quantity), session, instrument=name, execution_session=execution)
        for name, quantity in zip(NAMES, quantities, strict=True)
        if quantity
    ]
    ledger.commit_decision(replace(a_decision(session=session), execution_session=execution), orders)
    for order in orders:
        answer = broker.submit_order(OrderRequest(order.order_id, order.instrument, order.quantity, "opg", execution))
        ledger.set_order_status(order.order_id, answer.outcome, answer.reason)


def settle(ledger: Ledger, broker: PaperBroker, session: date, book: Book = BOOK) -> None:
    """Take over what the broker did, as the day's own step does."""
    market = SimpleNamespace(instruments=[SimpleNamespace(instrument=name) for name in NAMES])
    desk = SimpleNamespace(ledger=ledger, broker=broker, book=book, sessions=NYSE, strategy=SimpleNamespace(market=market))
    resolve_orders(desk, session)
    _save_news(desk, _news(desk, session, {}))


def marked(ledger: Ledger, session: date, closes: dict[str, Decimal]) -> Mark:
    held = holdings(ledger.position_events(BOOK.book_id))
    money = cash(ledger.cash_events(BOOK.book_id))
    value = decimal(sum((quantity * closes[name] for name, quantity in held.items()), Decimal(0)))
    mark = Mark(BOOK.book_id, session, money, value, money + value, Decimal(0), None)
    assert identities.equity_is_cash_plus_positions(mark, held, closes) == []
    return mark


def play(folder: Path, market: list, orders: list, costs: Costs, increment: float) -> Played:
    """The story, day by day; on each day broker and ledger agree."""
    world, ledger = PaperMarket(DAYS), Ledger(folder / "ledger.sqlite")
    for session, opens in zip(DAYS, market, strict=True):
        for name, (price, dividend, split) in zip(NAMES, opens, strict=True):
            world.show_open(session, name, price, dividend, split)
    broker = world.broker(folder / "acct.sqlite", costs, increment)
    ledger.open_book(BOOK)
    broker.submit_deposit(BOOK.capital, DAYS[0], BOOK.book_id)
    marks = []
    closes = dict.fromkeys(NAMES, Decimal("12.34"))
    for number, session in enumerate(DAYS):
        world.play_to(session)
        settle(ledger, broker, session)
        ours = holdings(ledger.position_events(BOOK.book_id)), cash(ledger.cash_events(BOOK.book_id))
        assert ours == (broker.positions(), broker.account().cash)
        assert all(quantity > 0 for quantity in ours[0].values())
        marks.append(marked(ledger, session, closes))
        if number + 1 < len(DAYS):
            decide(ledger, broker, session, DAYS[number + 1], orders[number])
    known = ledger.orders(BOOK.book_id)
    assert {order.status for order in known} <= {"filled", "expired", "rejected"}
    found = [broker.find_order(order.order_id) for order in known]
    assert [order.status for order in known] == [row.status for row in found if row]
    story = Played(
        known,
        ledger.fills(BOOK.book_id),
        ledger.position_events(BOOK.book_id),
        ledger.cash_events(BOOK.book_id),
        marks,
    )
    broker.close()
    ledger.close()
    return story


@settings(max_examples=20, deadline=None)
@given(MARKETS, ORDERS, COSTS, st.sampled_from([0.125, 1.0]))
def test_books_add_up_whatever_is_ordered_on_whatever_market(market: list, orders: list, costs: Costs, increment: float) -> None:
    with tempfile.TemporaryDirectory() as folder:
        story = play(Path(folder), market, orders, costs, increment)
    assert identities.holdings_are_fills(story.positions, story.fills) == []
    assert identities.cash_is_fills_and_flows(story.flows, story.fills) == []
    assert identities.cash_is_never_negative(story.marks) == []
    assert identities.fills_stay_within_orders(story.orders, story.fills) == []


# each identity finds what is planted

FILLS = [a_fill("f-1", "o-1", "10", "100.125", "1.5"), a_fill("f-2", "o-2", "-4", "101", "0")]
ORDERED = [an_order("o-1", "10"), an_order("o-2", "-5")]
EVENTS = [fill_events(fill, "USD") for fill in FILLS]
POSITIONS = [position for position, _ in EVENTS]
FLOWS = [flow for _, flows in EVENTS for flow in flows]
MARK = Mark(BOOK.book_id, NEXT, Decimal(100), Decimal(50), Decimal(150), Decimal(0), None)
HELD, CLOSES = {"SPY": Decimal(5)}, {"SPY": Decimal(10)}


def test_sound_books_break_no_identity() -> None:
    assert identities.holdings_are_fills(POSITIONS, FILLS) == []
    assert identities.cash_is_fills_and_flows(FLOWS, FILLS) == []
    assert identities.fills_stay_within_orders(ORDERED, FILLS) == []
    assert identities.cash_is_never_negative([MARK, replace(MARK, cash=Decimal(0))]) == []
    assert identities.equity_is_cash_plus_positions(MARK, HELD, CLOSES) == []


@pytest.mark.parametrize(
    ("positions", "fills"),
    [
        (POSITIONS[:1], FILLS),
        (POSITIONS, FILLS[:1]),
        ([POSITIONS[0], replace(POSITIONS[1], quantity=Decimal("-4.000000001"))], FILLS),
        ([POSITIONS[0], replace(POSITIONS[1], quantity=Decimal(4))], FILLS),
        ([*POSITIONS, replace(POSITIONS[0], event_id="again")], FILLS),
        ([], FILLS[:1]),
    ],
)
def test_a_holding_that_no_fill_explains_is_found(positions: list[PositionEvent], fills: list[Fill]) -> None:
    assert len(identities.holdings_are_fills(positions, fills)) == 1


def test_a_fill_whose_shares_went_to_another_instrument_is_found() -> None:
    elsewhere = [POSITIONS[0], replace(POSITIONS[1], instrument="QQQ")]
    assert len(identities.holdings_are_fills(elsewhere, FILLS)) == 1


@pytest.mark.parametrize("place", range(len(FLOWS)))
@pytest.mark.parametrize("by", [Decimal("0.01"), Decimal("-0.00000001")])
def test_cash_that_no_fill_explains_is_found(place: int, by: Decimal) -> None:
    changed = [replace(flow, amount=flow.amount + by) if number == place else flow for number, flow in enumerate(FLOWS)]
    assert len(identities.cash_is_fills_and_flows(changed, FILLS)) == 1
    assert len(identities.cash_is_fills_and_flows(FLOWS[:place] + FLOWS[place + 1 :], FILLS)) == 1


@pytest.mark.parametrize("cash_at_close", ["-0.01", "-0.000000001", "-1000"])
def test_negative_cash_is_found(cash_at_close: str) -> None:
    marks = [MARK, replace(MARK, cash=Decimal(cash_at_close)), MARK]
    assert len(identities.cash_is_never_negative(marks)) == 1


@pytest.mark.parametrize(
    ("orders", "fill"),
    [
        (ORDERED, replace(FILLS[0], quantity=Decimal("10.000000001"))),
        (ORDERED, replace(FILLS[0], quantity=Decimal(-1))),
        (ORDERED, replace(FILLS[0], order_id="nobody")),
        (ORDERED[1:], FILLS[0]),
    ],
)
def test_a_fill_beyond_its_order_is_found(orders: list[Order], fill: Fill) -> None:
    assert len(identities.fills_stay_within_orders(orders, [fill])) == 1


def test_fills_that_together_exceed_their_order_are_found() -> None:
    parts = [replace(FILLS[0], fill_id=str(number), quantity=Decimal(4)) for number in range(3)]
    assert identities.fills_stay_within_orders(ORDERED, parts[:2]) == []
    assert len(identities.fills_stay_within_orders(ORDERED, parts)) == 1


@pytest.mark.parametrize(("equity", "found"), [("150.005", 0), ("149.995", 0), ("150.0051", 1), ("149.99", 1)])
def test_equity_that_is_not_cash_and_positions_is_found_beyond_half_a_cent(equity: str, found: int) -> None:
    mark = replace(MARK, equity=Decimal(equity))
    assert len(identities.equity_is_cash_plus_positions(mark, HELD, CLOSES)) == found


def test_books_of_two_accounts_take_the_same_dividend_and_split_each(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.sqlite")
    world = PaperMarket(DAYS)
    for session in DAYS:
        world.show_open(session, "AAA", 100.0)
    world.show_open(DAYS[2], "AAA", 50.0, dividend=1.0, split=2.0)
    other = replace(BOOK, book_id="paper/two/seed", account="two")
    brokers = {}
    for book in (BOOK, other):
        ledger.open_book(book)
        broker = world.broker(tmp_path / f"{book.account}.sqlite")
        broker.submit_deposit(book.capital, DAYS[0], book.book_id)
        order = an_order(f"o-{book.account}", "10", DAYS[0], instrument="AAA", execution_session=DAYS[1], book_id=book.book_id)
        ledger.commit_decision(replace(a_decision(session=DAYS[0]), book_id=book.book_id), [order])
        broker.submit_order(OrderRequest(order.order_id, "AAA", Decimal(10), "opg", DAYS[1]))
        brokers[book] = broker
    world.play_to(DAYS[3])
    for book, broker in brokers.items():
        settle(ledger, broker, DAYS[3], book)
        assert holdings(ledger.position_events(book.book_id)) == broker.positions() == {"AAA": 20}
        assert cash(ledger.cash_events(book.book_id)) == broker.account().cash == 100_000 - 1000 + 20


@pytest.mark.parametrize(("amount", "broken"), [("0.02", 0), ("-0.02", 0), ("0.0201", 1)])
def test_rounding_is_at_most_a_cent_for_each_payment_and_booking(amount: str, broken: int) -> None:
    _, flows = fill_events(a_fill(commission="0"), "USD")
    rounding = CashEvent("r-1", BOOK.book_id, NEXT, "rounding", Decimal(amount), "USD")
    deposit = CashEvent("d-1", BOOK.book_id, NEXT, "deposit", Decimal(1000), "USD")
    assert len(identities.rounding_is_cents([*flows, rounding, deposit])) == broken
