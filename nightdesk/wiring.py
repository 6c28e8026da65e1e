"""Settings to a Desk: where names become objects."""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from nightdesk.brokers.paper import Exchange, PaperBroker, Print
from nightdesk.clock import Clock, FrozenClock, WallClock
from nightdesk.day.desk import Desk
from nightdesk.errors import Misconfigured
from nightdesk.features.matrix import require_features
from nightdesk.learning.estimator import new_estimator
from nightdesk.learning.model_file import TRUSTED_TYPES, load_model
from nightdesk.ledger.book import book_id, holdings
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.market.alpaca import AlpacaSource
from nightdesk.market.csvdir import CsvDirSource
from nightdesk.market.quarantine import Quarantine
from nightdesk.market.sample import SampleSource
from nightdesk.market.second import SecondedSource
from nightdesk.market.source import Source
from nightdesk.market.store import BarStore
from nightdesk.market.yahoo import YahooSource
from nightdesk.sessions import Sessions, exchange_sessions
from nightdesk.settings import Settings
from nightdesk.tracking.tracker import Tracker
from schemas.bars import Bars
from schemas.records import Book, Mode
from schemas.strategy import Strategy


def load_strategy(name: str, here: Settings) -> Strategy:
    """The strategy of a name in the strategies folder, or of a path to a TOML file.

    Raises `Misconfigured` naming the key, the value and what is allowed.
    """
    path = Path(name) if name.endswith(".toml") else here.strategies_dir / f"{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in here.strategies_dir.glob("*.toml"))) or "none"
        raise Misconfigured.value("strategy", name, f"a file that ends in .toml, or one of {here.strategies_dir}: {known}")
    try:
        strategy = Strategy.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise Misconfigured(f"{path} is not a TOML file: {error}.", path=str(path)) from None
    except ValidationError as error:
        raise Misconfigured(f"{path}: {'; '.join(_sentence(row) for row in error.errors())}.", path=str(path)) from None
    require_features(strategy.features.columns)
    return strategy


def _sentence(row: Mapping[str, object]) -> str:
    key = ".".join(str(part) for part in row["loc"])  # type: ignore[attr-defined]  # pydantic's loc is a tuple
    if row["type"] == "extra_forbidden":
        return f"{key} is not a key of a strategy file"
    if row["type"] == "missing":
        return f"{key} is missing"
    message = str(row["msg"]).removeprefix("Value error, ")
    return f"{key} was {row['input']!r}, allowed: {message[:1].lower()}{message[1:]}"


def source_of(strategy: Strategy, here: Settings) -> Source:
    """The strategy's source, with its second one where it names one; its bars must be in the book's currency."""
    market, sessions = strategy.market, exchange_sessions(strategy.market.calendar)
    source = new_source(market.source, here, market.currency, strategy.data_symbols, sessions)
    if source.currency != market.currency:
        raise Misconfigured.value("market.currency", market.currency, f"{source.currency}, as {source.name} quotes in it")
    if market.second_source is None:
        return source
    second = new_source(market.second_source, here, market.currency, strategy.data_symbols, sessions)
    return SecondedSource(source, second, market.second_tolerance)


def new_source(name: str, here: Settings, currency: str, symbols: Sequence[str], sessions: Sessions) -> Source:
    """A source by its name. `currency` and `symbols` are for the folder of files, which does not say them."""
    if name == "sample":
        return SampleSource()
    if name == "csvdir":
        return CsvDirSource(here.data, currency, symbols, sessions)
    if name == "yahoo":
        return YahooSource(here.home / "cache" / "yahoo", WallClock().now, here.yahoo_url)
    return AlpacaSource(here.alpaca_key_id, here.alpaca_secret_key, WallClock().now, here.alpaca_data_url)


def store_of(source: Source, here: Settings) -> BarStore:
    """Where the bars of a source are kept."""
    return store_at(source.name, here)


def store_at(source: str, here: Settings) -> BarStore:
    """Where the bars of the source of a name are kept."""
    return BarStore(f"{here.store}/{source}" if here.store else here.home / "store" / source)


def quarantine_of(source: Source, here: Settings) -> Quarantine:
    """Where the bars of a source wait that are not stored."""
    return Quarantine(here.home / "quarantine" / f"{source.name}.sqlite")


def clock_of(source: Source, sessions: Sessions, session: date, mode: Mode) -> Clock:
    """The source's clock: on a simulated market, and in a backfill, it stands where the session's bar is final."""
    simulated = source.span is not None or mode == "backfill"
    return FrozenClock(sessions.settled_at(session)) if simulated else WallClock()


def open_ledger(mode: Mode, here: Settings) -> Ledger:
    """The ledger of a mode, made or brought up to date as needed."""
    return Ledger(ledger_file(here.home, mode))


def new_book(strategy: Strategy, mode: Mode) -> Book:
    account = strategy.account
    return Book(book_id(mode, account, strategy.name), account, mode, strategy.name, strategy.market.currency, strategy.capital)


def open_desk(strategy: Strategy, mode: Mode, session: date, ledger: Ledger, here: Settings) -> Desk:
    """The desk for one session. Whatever is wrong with the strategy or the home is refused here, before anything runs."""
    new_estimator(strategy.model)
    sessions, source = exchange_sessions(strategy.market.calendar), source_of(strategy, here)
    clock, store = clock_of(source, sessions, session, mode), store_of(source, here)
    book = new_book(strategy, mode)
    shared = [other.book_id for other in ledger.books(book.account) if other.book_id != book.book_id]
    if shared:
        raise Misconfigured.value(
            "broker.account", book.account, f"an account without a book; {', '.join(shared)} is in this one"
        )
    book = ledger.open_book(book)
    _require_listed(strategy, holdings(ledger.position_events(book.book_id)))
    broker = PaperBroker(
        here.home / "broker" / mode / f"{book.account}.sqlite",
        book.account,
        book.currency,
        strategy.costs,
        strategy.sizing.increment,
        _exchange(strategy, sessions, store, clock.now()),
    )
    tracker = Tracker(
        uri=here.tracking_uri,
        artifacts=here.home / "mlflow" / "artifacts",
        spool=here.home / "mlflow" / "spool",
        load_model=load_model,
        trusted_types=TRUSTED_TYPES,
        ui_url=here.mlflow_url,
    )
    return Desk(here, strategy, book, clock, sessions, source, store, quarantine_of(source, here), broker, ledger, tracker)


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
        for session, symbol, opened, dividend, split in zip(
            rows[Bars.session], rows[Bars.symbol], rows[Bars.open], rows[Bars.dividend], rows[Bars.split], strict=True
        ):
            at = Print(float(opened), float(dividend), float(split))
            shown.setdefault(session.date(), {}).update(dict.fromkeys(listed[symbol], at))
        return shown

    return Exchange(lambda: now, opened_since, next_open, prints)
