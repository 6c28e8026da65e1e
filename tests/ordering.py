"""A desk that only orders: a seeded home, one decision with its intents, and paper or Alpaca's stub to send them to.

No bars and no store: what a process that orders needs, at an instant that the test names.
"""

import hashlib
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from nightdesk.brokers.alpaca import AlpacaBroker
from nightdesk.brokers.broker import Broker
from nightdesk.clock import FrozenClock
from nightdesk.ledger.book import order_id
from nightdesk.ledger.file import canonical_json
from nightdesk.ledger.store import Ledger
from nightdesk.orders.checks import Quote, quotes_document
from nightdesk.orders.desk import OrderDesk
from nightdesk.orders.recover import recover
from nightdesk.sessions import exchange_sessions
from nightdesk.settings import CHECKOUT, Settings
from nightdesk.wiring.orders import new_book, open_book, open_ledger
from nightdesk.wiring.strategies import load_strategy
from schemas.records import Book, Decision, Mark, Order
from schemas.strategy import Strategy
from tests.alpaca_account import AlpacaAccount
from tests.alpaca_data_server import KEY_ID, SECRET_KEY
from tests.alpaca_world import evening
from tests.desks import settings_in
from tests.paper_market import SESSIONS, PaperMarket

DAY, NEXT = SESSIONS[0], SESSIONS[1]
NYSE = exchange_sessions("XNYS")
CAPITAL, PRICE = Decimal(100_000), Decimal(100)
DEADLINE_S = 0.5
INSTRUMENT = '[[market.instruments]]\nsignal = "{name}"\ninstrument = "{name}"\ninstrument_id = "id-{name}"\nprices = "{name}"\n'


def new_account(now: datetime | None = None) -> AlpacaAccount:
    """An account at Alpaca's stub that holds the capital; by default on the evening of `DAY`."""
    account = AlpacaAccount(now or evening(DAY), multiplier=1)
    account.book("CSD", "deposit", CAPITAL)
    return account


def ordering_file(folder: Path, broker: str, names: Sequence[str], **changes: str) -> str:
    """The path of a strategy file that trades `names`; `changes` are TOML values of keys that stand in it, by the key's name."""
    head, _, rest = (CHECKOUT / "strategies" / "sp500_svc.toml").read_text().partition("[[market.instruments]]")
    listed = "\n".join(INSTRUMENT.format(name=name) for name in names)
    text = f"{head}{listed}\n{rest[rest.index('[features]') :]}"
    lines = [f"{key} = {value}\n" for key, value in changes.items()]
    text = text.replace("[limits]\n", "".join(["[limits]\n", *lines]))
    for was, now in (
        ('"sp500_svc"', '"orders"'),
        ('source = "sample"', 'source = "yahoo"'),
        ('name = "paper"', f'name = "{broker}"'),
    ):
        text = text.replace(was, now)
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "orders.toml"
    path.write_text(text)
    return str(path)


@dataclass(frozen=True)
class OrderingHome:
    """A home with one strategy, its book, and where its broker is: `url` of a stub, "" for paper. Its decision is that of `day`,
    for the open of `following`."""

    home: Path
    file: str
    url: str = ""
    day: date = DAY
    following: date = NEXT

    @property
    def here(self) -> Settings:
        return settings_in(self.home)

    @property
    def strategy(self) -> Strategy:
        return load_strategy(self.file, self.here)

    @property
    def book(self) -> Book:
        return new_book(self.strategy, "paper")

    def ledger(self) -> Ledger:
        return open_ledger("paper", self.here)

    def desk(self, ledger: Ledger, at: datetime | None = None, deadline_s: float = DEADLINE_S) -> OrderDesk:
        """The desk at an instant, by default the evening of its day."""
        strategy = self.strategy
        clock = FrozenClock(at or evening(self.day))
        book = open_book(strategy, "paper", ledger)
        broker = self.broker(strategy, clock, deadline_s)
        return OrderDesk(strategy=strategy, book=book, clock=clock, sessions=NYSE, broker=broker, ledger=ledger)

    def broker(self, strategy: Strategy, clock: FrozenClock, deadline_s: float) -> Broker:
        if strategy.broker.name == "alpaca":
            return AlpacaBroker(KEY_ID, SecretStr(SECRET_KEY), "paper", clock.now, self.url, None, deadline_s)
        market = PaperMarket()
        market.play_to(NYSE.latest_settled(clock.now()))
        for row in strategy.market.instruments:
            market.show_open(self.following, row.instrument, float(PRICE))
        return market.broker(self.home / "broker" / "paper" / "orders.sqlite")

    def seed(self, at: datetime | None = None) -> None:
        """Open the book, and mark it at the close of its day."""
        with closing(self.ledger()) as ledger:
            desk = self.desk(ledger, at)
            with closing(desk.broker):
                recover(desk, self.day)
            zero = Decimal(0)
            ledger.append_marks([Mark(desk.book.book_id, self.day, CAPITAL, zero, CAPITAL, CAPITAL, CAPITAL)])

    def commit(self, ledger: Ledger, quantity: int = 10, attempt: int = 1) -> Decision:
        """The decision of its day, made and committed where there is none of this attempt: buy so many of each instrument."""
        decision, orders = self.decided(quantity, attempt)
        ledger.commit_decision(decision, orders)
        return ledger.decision(decision.book_id, self.day) or decision

    def decided(self, quantity: int, attempt: int) -> tuple[Decision, list[Order]]:
        book, strategy = self.book.book_id, self.strategy
        names = {row.instrument: row.instrument_id for row in strategy.market.instruments}
        orders = [
            Order(
                order_id(book, self.day, instrument_id, "1", attempt),
                *(book, self.day, self.following, name, instrument_id, "1", attempt, Decimal(quantity)),
                *(strategy.broker.time_in_force, PRICE, "manual", ""),
            )
            for name, instrument_id in names.items()
        ]
        body: dict[str, Any] = {
            "session": str(self.day),
            "outcome": "traded",
            "reason": "bought",
            "intents": [_intent(o) for o in orders],
        }
        sha256 = hashlib.sha256(canonical_json(body).encode()).hexdigest()
        quote = Quote(float(PRICE), NYSE.closes_at(self.day), 1e9)
        envelope = {"quotes": quotes_document(dict.fromkeys(names, quote))}
        decision = Decision(book, self.day, self.following, attempt, "manual", sha256, body, envelope)
        return decision, [replace(order, decision_sha256=sha256) for order in orders]


def _intent(order: Order) -> dict[str, str]:
    return {
        "order_id": order.order_id,
        "instrument": order.instrument,
        "quantity": format(order.quantity, "f"),
        "reference_price": format(order.reference_price, "f"),
        "time_in_force": order.time_in_force,
    }
