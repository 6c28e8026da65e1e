"""Names of sources to sources, their stores and their clocks."""

from collections.abc import Sequence
from datetime import date

from nightdesk.clock import Clock, FrozenClock, WallClock
from nightdesk.errors import Misconfigured
from nightdesk.market.csvdir import CsvDirSource
from nightdesk.market.quarantine import Quarantine
from nightdesk.market.sample import SampleSource
from nightdesk.market.second import SecondedSource
from nightdesk.market.source import Source
from nightdesk.market.store import BarStore
from nightdesk.sessions import Sessions, exchange_sessions
from nightdesk.settings import Settings
from schemas.records import Mode
from schemas.strategy import Strategy


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
        from nightdesk.market.yahoo import YahooSource  # here, as below: with half a second of imports of its own

        return YahooSource(here.home / "cache" / "yahoo", WallClock().now, here.yahoo_url)
    from nightdesk.market.alpaca import AlpacaSource

    return AlpacaSource(here.alpaca_key_id, here.alpaca_secret_key, WallClock().now, here.alpaca_data_url)


def is_simulated(strategy: Strategy) -> bool:
    """Whether the strategy's market has a clock of its own (a source with a `span`), told without opening it."""
    return strategy.market.source in ("sample", "csvdir")


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
