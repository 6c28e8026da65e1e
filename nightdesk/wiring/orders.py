"""What ordering needs: the book, its ledger, its broker and their desk. Neither Prefect, MLflow nor scikit-learn comes along."""

from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal

import pandas as pd

from nightdesk.brokers.alpaca import AlpacaBroker
from nightdesk.brokers.broker import Broker
from nightdesk.brokers.paper import Exchange, PaperBroker, Print
from nightdesk.clock import Clock, WallClock
from nightdesk.errors import Misconfigured
from nightdesk.ledger.book import UNATTRIBUTED, book_id, holdings
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.market.store import BarStore
from nightdesk.orders.desk import OrderDesk
from nightdesk.sessions import Sessions, exchange_sessions
from nightdesk.settings import Settings
from nightdesk.wiring.markets import clock_of, source_of, store_of
from schemas.bars import Bars
from schemas.records import Book, Mode
from schemas.strategy import Strategy


def open_ledger(mode: Mode, here: Settings) -> Ledger:
    """The ledger of a mode, made or brought up to date as needed. Raises `Misconfigured` where it is that of another mode."""
    ledger = Ledger(ledger_file(here.ledgers, mode))
    try:
        ledger.require_mode(mode)
    except Misconfigured:
        ledger.close()
        raise
    return ledger


def new_book(strategy: Strategy, mode: Mode) -> Book:
    account = strategy.account
    return Book(book_id(mode, account, strategy.name), account, mode, strategy.name, strategy.market.currency, strategy.capital)


def account_lock(strategy: Strategy, mode: Mode) -> str:
    """The name of the lock that lets one process at a time write to an account."""
    return f"{mode}/{strategy.account}"


def open_book(strategy: Strategy, mode: Mode, ledger: Ledger) -> Book:
    """The strategy's book, made when it is new. Raises `Misconfigured` where another book is in its account, or where the
    book holds what the strategy does not list."""
    book = new_book(strategy, mode)
    others = [other.book_id for other in ledger.books(book.account) if other.strategy not in (book.strategy, UNATTRIBUTED)]
    if others:
        raise Misconfigured.value(
            "broker.account", book.account, f"an account without a book; {', '.join(others)} is in this one"
        )
    book = ledger.open_book(book)
    _require_listed(strategy, holdings(ledger.position_events(book.book_id)))
    return book


def open_order_desk(strategy: Strategy, mode: Mode, session: date, ledger: Ledger, here: Settings) -> OrderDesk:
    """The desk of a process that only orders: for the decision of a session."""
    sessions, source = exchange_sessions(strategy.market.calendar), source_of(strategy, here)
    clock = clock_of(source, sessions, session, mode)
    book = open_book(strategy, mode, ledger)
    broker = new_broker(strategy, mode, sessions, store_of(source, here), clock, here)
    return OrderDesk(strategy=strategy, book=book, clock=clock, sessions=sessions, broker=broker, ledger=ledger)


def uses_alpaca(strategy: Strategy, mode: Mode) -> bool:
    """Whether orders go to Alpaca: a backfill never leaves this machine."""
    return strategy.broker.name == "alpaca" and mode != "backfill"


def new_broker(strategy: Strategy, mode: Mode, sessions: Sessions, store: BarStore, clock: Clock, here: Settings) -> Broker:
    """The strategy's broker in a mode. Raises `Misconfigured` where live is not switched on twice for the same account."""
    if mode == "live":
        _require_live(strategy, here)
    if uses_alpaca(strategy, mode):
        if not isinstance(clock, WallClock):
            raise Misconfigured.value("market.source", strategy.market.source, "yahoo or alpaca, where orders go to Alpaca")
        return AlpacaBroker(here.alpaca_key_id, here.alpaca_secret_key, mode, clock.now, here.alpaca_url)
    return PaperBroker(
        here.home / "broker" / mode / f"{strategy.account}.sqlite",
        strategy.account,
        strategy.market.currency,
        strategy.costs,
        strategy.sizing.increment,
        _exchange(strategy, sessions, store, clock.now()),
        shorting=strategy.limits.allow_short,
    )


def _require_live(strategy: Strategy, here: Settings) -> None:
    """Two switches that name the same account: the strategy file and the environment. What Alpaca says is compared later."""
    number = strategy.broker.account_number
    if strategy.broker.name == "paper" or number is None:
        named = "a broker and broker.account_number in the strategy file"
        raise Misconfigured(f"Live needs {named}; {strategy.name} has {strategy.broker.name!r} and {number!r}.")
    if here.live_account != number:
        raise Misconfigured.value("NIGHTDESK_LIVE_ACCOUNT", here.live_account, f"{number}, as broker.account_number, to go live")


def _require_listed(strategy: Strategy, held: Mapping[str, Decimal]) -> None:
    """What a book holds must be in its strategy's file: nothing else prices or sells it."""
    listed = [row.instrument for row in strategy.market.instruments]
    if orphans := sorted(set(held) - set(listed)):
        raise Misconfigured.value("market.instruments", listed, f"all that the book holds; the book holds {', '.join(orphans)}")


def _exchange(strategy: Strategy, sessions: Sessions, store: BarStore, now: datetime) -> Exchange:
    listed: dict[str, list[str]] = {}
    for row in strategy.market.instruments:
        listed.setdefault(row.prices, []).append(row.instrument)

    def opened_since(session: date) -> list[date]:
        latest = sessions.latest_settled(now)
        return [stamp.date() for stamp in sessions.between(session, latest)[1:]] if session < latest else []

    def next_open() -> date:
        following = sessions.after(sessions.latest_settled(now))
        while sessions.opens_at(following) <= now:
            following = sessions.after(following)
        return following

    def prints(first: date, last: date) -> dict[date, dict[str, Print]]:
        bars = store.load_bars(tuple(listed), available_until=now)
        rows = bars[(bars[Bars.session] >= pd.Timestamp(first)) & (bars[Bars.session] <= pd.Timestamp(last))]
        shown: dict[date, dict[str, Print]] = {}
        columns = (Bars.session, Bars.symbol, Bars.open, Bars.dividend, Bars.split, Bars.volume)
        for session, symbol, opened, dividend, split, volume in zip(*(rows[name] for name in columns), strict=True):
            at = Print(float(opened), float(dividend), float(split), float(volume))
            shown.setdefault(session.date(), {}).update(dict.fromkeys(listed[symbol], at))
        return shown

    return Exchange(lambda: now, opened_since, next_open, prints)
