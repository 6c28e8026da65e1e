"""Settling with Alpaca's stub, without bars and days: what is booked where, what halts the book, and what a person takes over."""

from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

from nightdesk.brokers.alpaca import AlpacaBroker
from nightdesk.brokers.broker import OrderRequest
from nightdesk.cli.parsing import parsed_renames
from nightdesk.clock import WallClock
from nightdesk.errors import Misconfigured, OutOfSync
from nightdesk.ledger.book import cash, holdings
from nightdesk.ledger.store import Ledger
from nightdesk.orders.adoption import Adoption, adoption_of, held_by_book, taken_over
from nightdesk.orders.desk import OrderDesk
from nightdesk.orders.opening import unattributed_book
from nightdesk.orders.recover import recover
from nightdesk.orders.splits import Splits
from schemas import identities
from schemas.records import Book, OutsideChange
from schemas.strategy import Strategy
from tests.alpaca_account import NYSE, AlpacaAccount
from tests.alpaca_data_server import KEY_ID, SECRET_KEY
from tests.alpaca_stub import AlpacaStub, serving
from tests.alpaca_world import evening
from tests.homes import ledger_in
from tests.ledgers import a_decision, an_order
from tests.strategy_documents import seed, with_key

MONDAY, TUESDAY, WEDNESDAY, THURSDAY = (date(2018, 12, day) for day in (10, 11, 12, 13))
BOOK = Book("paper/acct/seed", "acct", "paper", "seed", "USD", Decimal(10_000))
REST = unattributed_book(BOOK)
NONE: Splits = {}


class Desk:
    """A book of 10,000 in an account that also has 500.25 and 7 shares of KO."""

    def __init__(self, folder: Path, stub: AlpacaStub) -> None:
        self.stub, self.account = stub, stub.account
        self.ledger = ledger_in(folder)
        self.account.book("CSD", "deposit", Decimal("10640.25"))
        for session in (MONDAY, TUESDAY, WEDNESDAY, THURSDAY):
            self.show(session)
        self.trade("KO", "7", session=MONDAY)

    def show(self, session: date, price: str = "100", dividend: str = "0", split: str = "1") -> None:
        self.account.show_open(session, "SPY", price, dividend, split)
        self.account.show_open(session, "KO", "20")

    def trade(self, symbol: str, quantity: str, session: date, client_id: str = "by-hand") -> None:
        """An order by hand in the evening before, filled at the session's open."""
        side = "buy" if Decimal(quantity) > 0 else "sell"
        body = {"symbol": symbol, "qty": quantity.strip("-"), "side": side, "type": "market", "time_in_force": "day"}
        self.account.submit({**body, "client_order_id": client_id})
        self.play_to(session)

    def play_to(self, session: date) -> None:
        self.stub.move_to(evening(session))

    def order(self, quantity: str, session: date, order_id: str = "") -> None:
        """An order of the desk for the next open, decided and taken by the broker."""
        execution = NYSE.after(session)
        order = an_order(
            order_id or f"nd-{session}", quantity, session, book_id=BOOK.book_id, execution_session=execution, instrument="SPY"
        )
        decision = replace(a_decision(sha256=f"{session:%j}" * 20, session=session), book_id=BOOK.book_id)
        self.ledger.commit_decision(decision, [order])
        broker = self.broker()
        request = OrderRequest(order.order_id, "SPY", order.quantity, "opg", execution)
        self.ledger.set_order_status(order.order_id, broker.submit_order(request).outcome)

    def broker(self) -> AlpacaBroker:
        now = self.account.now
        return AlpacaBroker(KEY_ID, SecretStr(SECRET_KEY), "paper", lambda: now, self.stub.url, submit_deadline_s=0.1)

    def settle(self, session: date, splits: Splits | None = NONE) -> None:
        book = self.ledger.open_book(BOOK)
        strategy = Strategy.model_validate(with_key(seed(), "market.instruments.instrument", "SPY"))
        desk = OrderDesk(strategy=strategy, book=book, clock=WallClock(), sessions=NYSE, broker=self.broker(), ledger=self.ledger)
        recover(desk, session, splits)
        self.require_equal()

    def require_equal(self) -> None:
        positions, flows = self.events()
        assert (holdings(positions), cash(flows)) == (dict(sorted(self.account.positions.items())), self.account.cash)
        own = self.ledger.fills(BOOK.book_id), self.ledger.position_events(BOOK.book_id), self.ledger.cash_events(BOOK.book_id)
        assert identities.holdings_are_fills(own[1], own[0]) == identities.cash_is_fills_and_flows(own[2], own[0]) == []

    def events(self) -> tuple[list[Any], list[Any]]:
        books = (BOOK.book_id, REST.book_id)
        return (
            [event for name in books for event in self.ledger.position_events(name)],
            [event for name in books for event in self.ledger.cash_events(name)],
        )

    def held(self, book: Book) -> dict[str, Decimal]:
        return holdings(self.ledger.position_events(book.book_id))

    def money(self, book: Book, *kinds: str) -> Decimal:
        return cash(event for event in self.ledger.cash_events(book.book_id) if not kinds or event.kind in kinds)

    def waiting(self) -> list[OutsideChange]:
        return self.ledger.outside_changes(BOOK.book_id, waiting=True)

    def adopt(self, capital: bool = False, renames: dict[str, str] | None = None) -> Adoption:
        changes, events = self.waiting(), self.events()[0]
        instruments = frozenset({"SPY", *(renames or {})})
        plan = Adoption(BOOK, REST, instruments, held_by_book([BOOK, REST], events), TUESDAY, NYSE, capital)
        adoption = adoption_of(plan, changes, renames or {})
        taken = taken_over(changes, "ana", self.account.now, "I know why")
        self.ledger.append_events(positions=adoption.positions, cash=adoption.flows, changes=taken)
        return adoption


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    account = AlpacaAccount(evening(date(2018, 12, 7)), multiplier=2)
    with serving(AlpacaStub(account)) as stub:
        monkeypatch.setattr(WallClock, "now", lambda _: account.now)
        made = Desk(tmp_path, stub)
        with closing(made.ledger):
            yield made


@pytest.fixture
def holding(desk: Desk) -> Desk:
    """The same with 10 shares of SPY, bought by the desk at Tuesday's open."""
    desk.settle(MONDAY)
    desk.order("10", MONDAY)
    desk.play_to(TUESDAY)
    desk.settle(TUESDAY)
    return desk


def halted(desk: Desk, session: date, splits: Splits | None = NONE) -> str:
    """Settle, which finds a change from outside; the sentences."""
    with pytest.raises(OutOfSync, match="changed from outside"):
        desk.settle(session, splits)
    control = desk.ledger.control(BOOK.book_id)
    assert control is not None and (control.state, control.who) == ("HALTED", "nightdesk")
    return "; ".join(change.sentence for change in desk.waiting())


def test_the_opening_leaves_the_past_alone_also_that_of_the_same_day(desk: Desk) -> None:
    desk.account.book("FEE", "fee of this very day", Decimal("-0.25"))
    desk.settle(MONDAY)
    assert desk.waiting() == [] and desk.ledger.control(BOOK.book_id) is None
    assert (desk.held(BOOK), desk.money(BOOK)) == ({}, 10_000)
    assert (desk.held(REST), desk.money(REST)) == ({"KO": 7}, Decimal("500.00"))
    desk.settle(MONDAY)
    assert len(desk.events()[0]) == 1 and len(desk.events()[1]) == 2, "nothing is counted again"


@pytest.mark.parametrize("written", ["open_book", "append_events"])
def test_an_opening_that_is_killed_is_made_whole_by_the_next_start(
    desk: Desk, written: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real: Callable[..., Any] = getattr(Ledger, written)

    def killed(*args: Any, **kwargs: Any) -> None:
        real(*args, **kwargs)
        raise KeyboardInterrupt

    desk.ledger.open_book(BOOK)
    with monkeypatch.context() as patch:
        patch.setattr(Ledger, written, killed)
        with pytest.raises(KeyboardInterrupt):
            desk.settle(MONDAY)
    desk.settle(MONDAY)
    assert (desk.money(BOOK), desk.money(REST), desk.held(REST)) == (10_000, Decimal("500.25"), {"KO": 7})
    assert desk.waiting() == []


def test_fees_are_the_books_and_interest_is_not(holding: Desk) -> None:
    holding.account.book("FEE", "TAF", Decimal("-0.02"))
    holding.account.book("INT", "interest", Decimal("1.11"))
    holding.settle(TUESDAY)
    assert (holding.money(BOOK, "fee"), holding.money(REST, "interest")) == (Decimal("-0.02"), Decimal("1.11"))


def test_a_dividend_goes_to_who_holds_the_instrument_or_held_it(holding: Desk) -> None:
    holding.account.book("DIV", "dividend", Decimal("3.50"), symbol="SPY")
    holding.account.book("DIV", "dividend", Decimal("1.40"), symbol="KO")
    holding.settle(TUESDAY)
    assert (holding.money(BOOK, "dividend"), holding.money(REST, "dividend")) == (Decimal("3.50"), Decimal("1.40"))
    holding.order("-10", TUESDAY)
    holding.play_to(WEDNESDAY)
    holding.account.book("DIV", "late dividend", Decimal("2"), symbol="SPY")
    holding.settle(WEDNESDAY)
    assert holding.money(BOOK, "dividend") == Decimal("5.50")


def test_whole_cents_at_the_broker_are_booked_as_rounding_and_a_cent_more_is_not(desk: Desk) -> None:
    desk.show(TUESDAY, price="100.1234")
    desk.settle(MONDAY)
    desk.order("3", MONDAY)
    desk.play_to(TUESDAY)
    desk.settle(TUESDAY)
    assert desk.money(BOOK, "trade") == Decimal("-300.3702") and desk.money(BOOK, "rounding") == Decimal("0.0002")
    desk.account.cash += Decimal("0.01")
    assert halted(desk, TUESDAY) == "cash: the ledger has 10199.88, the broker 10199.89"


def test_a_cent_for_a_fill_is_rounding_but_two_are_a_difference(desk: Desk) -> None:
    desk.settle(MONDAY)
    desk.order("3", MONDAY)
    desk.play_to(TUESDAY)
    desk.account.cash -= Decimal("0.01")
    desk.settle(TUESDAY)
    assert desk.money(BOOK, "rounding") == Decimal("-0.01")
    desk.order("3", TUESDAY)
    desk.play_to(WEDNESDAY)
    desk.account.cash -= Decimal("0.02")
    assert "cash: the ledger has" in halted(desk, WEDNESDAY)


def test_a_split_that_the_broker_reports_is_booked_for_who_holds_it(holding: Desk) -> None:
    holding.show(WEDNESDAY, price="25", split="4")
    holding.play_to(WEDNESDAY)
    holding.settle(WEDNESDAY, {"SPY": {WEDNESDAY: Decimal(4)}})
    assert (holding.held(BOOK), holding.held(REST)) == ({"SPY": 40}, {"KO": 7})
    (split,) = [event for event in holding.events()[0] if event.kind == "split"]
    assert (split.session, split.quantity) == (WEDNESDAY, 30)


@pytest.mark.parametrize("position", ["40", "39.5"])
def test_a_split_without_a_report_is_booked_once_the_bars_show_it(holding: Desk, position: str) -> None:
    holding.account.positions["SPY"] = Decimal(position)
    holding.play_to(WEDNESDAY)
    holding.settle(WEDNESDAY, {"SPY": {WEDNESDAY: Decimal(4)}})
    assert holding.held(BOOK) == {"SPY": Decimal(position)}


def test_cash_for_a_fraction_goes_with_the_split(holding: Desk) -> None:
    holding.account.positions["SPY"] = Decimal(3)
    holding.account.book("SPLIT", "1 for 3", symbol="SPY", qty="-7")
    holding.account.book("CIL", "a third of a share", Decimal("99.90"), symbol="SPY")
    holding.play_to(WEDNESDAY)
    holding.settle(WEDNESDAY, {"SPY": {WEDNESDAY: Decimal(1) / 3}})
    assert (holding.held(BOOK), holding.money(BOOK, "split")) == ({"SPY": 3}, Decimal("99.90"))


@pytest.mark.parametrize("reported", [True, False])
def test_a_split_that_the_process_that_orders_sees_before_the_bars_stops_it_without_a_halt(holding: Desk, reported: bool) -> None:
    decision = replace(a_decision(sha256="c" * 64, session=TUESDAY), book_id=BOOK.book_id)
    intent = an_order("nd-intent", "5", TUESDAY, book_id=BOOK.book_id, execution_session=WEDNESDAY)
    holding.ledger.commit_decision(decision, [intent])
    holding.show(WEDNESDAY, price="25", split="4")
    if reported:
        holding.play_to(WEDNESDAY)
    else:
        holding.account.positions["SPY"] = Decimal(40)
    with pytest.raises(OutOfSync, match="bars have not come yet"):
        holding.settle(TUESDAY, splits=None)
    assert holding.ledger.control(BOOK.book_id) is None and holding.waiting() == []
    expired = holding.ledger.order("nd-intent")
    assert expired is not None and (expired.status, expired.reason) == ("expired", "sized before a split of SPY")
    if not reported:
        holding.account.shown.clear()
        holding.play_to(WEDNESDAY)
    holding.settle(WEDNESDAY, {"SPY": {WEDNESDAY: Decimal(4)}})
    assert holding.held(BOOK) == {"SPY": 40}


def test_a_split_in_the_bars_that_the_broker_has_not_booked_is_waited_for(holding: Desk) -> None:
    holding.play_to(WEDNESDAY)
    with pytest.raises(OutOfSync, match="the broker has not booked it yet"):
        holding.settle(WEDNESDAY, {"SPY": {WEDNESDAY: Decimal(4)}})
    assert holding.ledger.control(BOOK.book_id) is None


def test_a_report_of_a_split_that_nothing_shows_is_for_a_person(holding: Desk) -> None:
    holding.account.book("SPLIT", "a split that is none", symbol="SPY", qty="30")
    assert "a split of SPY by +30 that neither its bars nor the positions show" in halted(holding, TUESDAY)


def test_a_trade_by_hand_halts_and_is_adopted_into_the_strategys_book(holding: Desk) -> None:
    holding.trade("SPY", "5", WEDNESDAY, client_id="by-hand-2")
    said = halted(holding, WEDNESDAY)
    assert "an order by-hand-2 that is not the desk's: buy 5 SPY (filled)" in said
    assert "somebody else's order by-hand-2 bought 5 SPY at 100" in said
    assert halted(holding, WEDNESDAY) == said, "found once, and halted until somebody acts"
    assert len(holding.waiting()) == 2
    holding.adopt()
    holding.settle(WEDNESDAY)
    assert (holding.held(BOOK), holding.money(BOOK, "adoption")) == ({"SPY": 15}, -500)
    control = holding.ledger.control(BOOK.book_id)
    assert control is not None and control.state == "HALTED", "only a person ends the halt"


def test_a_trade_in_something_else_is_adopted_into_the_rest(holding: Desk) -> None:
    holding.trade("KO", "-2", WEDNESDAY, client_id="by-hand-2")
    assert "sold 2 KO at 20" in halted(holding, WEDNESDAY)
    holding.adopt()
    holding.settle(WEDNESDAY)
    assert (holding.held(BOOK), holding.held(REST)) == ({"SPY": 10}, {"KO": 5})
    assert holding.money(BOOK) == 9000


@pytest.mark.parametrize(("kind", "amount", "word"), [("CSD", "5000", "deposit"), ("CSW", "-100", "withdrawal")])
@pytest.mark.parametrize("capital", [True, False])
def test_money_that_comes_or_goes_is_the_rests_or_the_strategys_capital(
    holding: Desk, kind: str, amount: str, word: str, capital: bool
) -> None:
    before = holding.money(BOOK), holding.money(REST)
    holding.account.book(kind, "money", Decimal(amount))
    assert f"a {word} of {abs(Decimal(amount)):,.2f} ({kind})" in halted(holding, TUESDAY)
    holding.adopt(capital)
    holding.settle(TUESDAY)
    moved = Decimal(amount) * capital, Decimal(amount) * (not capital)
    assert (holding.money(BOOK), holding.money(REST)) == (before[0] + moved[0], before[1] + moved[1])


def test_money_that_came_on_a_saturday_counts_from_the_monday_on(holding: Desk) -> None:
    holding.stub.move_to(evening(date(2018, 12, 14)) + timedelta(days=1))
    holding.account.book("CSD", "money", Decimal(50))
    halted(holding, date(2018, 12, 14))
    holding.adopt(capital=True)
    (deposit,) = [row for row in holding.ledger.cash_events(BOOK.book_id) if row.amount == 50]
    assert (deposit.kind, deposit.session) == ("deposit", date(2018, 12, 17))


@pytest.mark.parametrize("text", ["SPY", "SPY=", "=SPY", "SPY=SPY", "^GSPC=SPY", "../x=SPY"])
def test_a_rename_that_is_none_is_refused(text: str) -> None:
    assert parsed_renames(["FB=META"]) == {"FB": "META"}
    with pytest.raises(Misconfigured, match="rename was"):
        parsed_renames([text])


def test_a_renamed_symbol_is_moved_under_its_new_name(holding: Desk) -> None:
    holding.account.rename("SPY", "SPYX")
    said = halted(holding, TUESDAY)
    assert "a change of name, -10 SPY" in said and "a change of name, +10 SPYX" in said
    with pytest.raises(Misconfigured, match="rename was"):
        holding.adopt(renames={"SPY": "OTHER"})
    holding.adopt(renames={"SPY": "SPYX"})
    holding.settle(TUESDAY)
    assert holding.held(BOOK) == {"SPYX": 10}


def test_a_new_name_that_the_broker_does_not_tell_of_is_guessed_at(holding: Desk) -> None:
    holding.account.positions["SPYX"] = holding.account.positions.pop("SPY")
    assert "a new name of SPY?" in halted(holding, TUESDAY)
    holding.adopt(renames={"SPY": "SPYX"})
    holding.settle(TUESDAY)
    assert holding.held(BOOK) == {"SPYX": 10}


def test_shares_that_come_and_go_without_money_are_taken_from_the_rest_first(holding: Desk) -> None:
    holding.account.positions["SPY"] = Decimal(12)
    assert halted(holding, TUESDAY) == "SPY: the ledger holds 10, the broker 12"
    holding.adopt()
    assert (holding.held(BOOK)["SPY"], holding.held(REST)["SPY"]) == (10, 2)
    holding.account.positions["SPY"] = Decimal(9)
    halted(holding, TUESDAY)
    holding.adopt()
    holding.settle(TUESDAY)
    assert (holding.held(BOOK), holding.held(REST)) == ({"SPY": 9}, {"KO": 7})


def test_an_order_of_ours_that_was_changed_is_a_change_and_one_that_was_canceled_is_a_status(holding: Desk) -> None:
    holding.order("4", TUESDAY, "nd-canceled")
    holding.account.cancel(holding.account.orders[-1]["id"])
    holding.settle(TUESDAY)
    canceled = holding.ledger.order("nd-canceled")
    assert canceled is not None and canceled.status == "canceled"
    holding.account.orders[-1]["qty"] = "6"
    assert "the order nd-canceled was changed: buy 6 SPY (canceled), the desk meant +4 SPY" in halted(holding, TUESDAY)


def test_what_a_broker_shows_late_is_looked_for_again_before_anybody_is_alarmed(
    holding: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, hidden = AlpacaBroker.activities, [1]

    def late(self: AlpacaBroker, since: date | None = None) -> list[Any]:
        rows = real(self, since)
        return [row for row in rows if row.kind != "fee"] if hidden and hidden.pop() else rows

    holding.account.book("FEE", "TAF", Decimal("-0.02"))
    monkeypatch.setattr(AlpacaBroker, "activities", late)
    holding.settle(TUESDAY)
    assert holding.money(BOOK, "fee") == Decimal("-0.02")
