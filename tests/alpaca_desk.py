"""A desk that trades on Alpaca's stub, with bars from a local server that speaks Yahoo's wire: whole days, on a clock of its own.

The market is made up: one fund, SPY, whose opens the stub fills at. The desk's clock stands at the stub's instant and ticks with
the machine's from there, so that waits end.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from time import monotonic

import pandas as pd
import pytest
from pydantic import SecretStr

from nightdesk import alpaca_http
from nightdesk.brokers.alpaca import AlpacaBroker
from nightdesk.clock import WallClock
from nightdesk.day import order
from nightdesk.day.opening import Closed
from nightdesk.day.play import play_day
from nightdesk.ledger.book import cash, holdings
from nightdesk.ledger.store import Ledger
from nightdesk.orders.submit import Ended
from nightdesk.settings import Settings
from nightdesk.submission import submit_newest
from nightdesk.wiring import orders
from schemas.bars import Bars
from schemas.records import CashEvent, Mode, PositionEvent
from schemas.reports import DayReport
from tests.alpaca_account import NEW_YORK, NYSE, AlpacaAccount
from tests.alpaca_data_server import KEY_ID, SECRET_KEY
from tests.alpaca_stub import AlpacaStub, serving
from tests.bars import clean_bars
from tests.desks import settings_in, strategy_file
from tests.homes import ledger_in
from tests.strategy_documents import NO_MLFLOW
from tests.yahoo_server import Listing, YahooServer, yahoo_server

BOOK, REST = "paper/cheap/cheap", "paper/cheap/unattributed"
CAPITAL, BESIDE = Decimal(100_000), Decimal("2345.67")
BEGIN = date(2016, 1, 4)
DEADLINE_S = 0.4
"""After which a request of the desk is of unknown outcome here."""
PRICES = [Bars.open, Bars.high, Bars.low, Bars.close]


def at(session: date, hour: int, minute: int) -> datetime:
    """An hour in New York, UTC."""
    return datetime.combine(session, time(hour, minute), NEW_YORK).astimezone(UTC)


def made_up_bars(last: date, seed: int, dividends: Mapping[date, float], splits: Mapping[date, float]) -> pd.DataFrame:
    """SPY as it was traded, at four places, with dividends and splits on their ex-dates."""
    bars = clean_bars(NYSE.between(BEGIN, last), ["SPY"], seed)
    bars[Bars.volume] = 5e7 + bars[Bars.volume] / 100
    for session, factor in splits.items():
        bars.loc[bars[Bars.session] < pd.Timestamp(session), PRICES] *= factor
        bars.loc[bars[Bars.session] == pd.Timestamp(session), Bars.split] = factor
    for session, amount in dividends.items():
        bars.loc[bars[Bars.session] == pd.Timestamp(session), Bars.dividend] = amount
    bars[PRICES] = bars[PRICES].round(4)
    return bars


class AlpacaDesk:
    """The desk, its stub and its source. `reports` are the days that it had, `sent` how `submit` ended."""

    def __init__(self, folder: Path, stub: AlpacaStub, server: YahooServer, bars: pd.DataFrame) -> None:
        self.stub, self.server = stub, server
        named = {name: '"SPY"' for name in ("signal", "instrument", "prices")}
        self.strategy = strategy_file(
            folder, source='"yahoo"', min_test_accuracy="0.0", buffer="0.06", retrain='"weekly"', **named
        )
        text = Path(self.strategy).read_text()
        Path(self.strategy).write_text(text.replace('name = "paper"', 'name = "alpaca"'))
        self.here = settings_in(
            folder / "home",
            mlflow_uri=NO_MLFLOW,
            yahoo_url=server.url,
            alpaca_url=stub.url,
            alpaca_key_id=KEY_ID,
            alpaca_secret_key=SecretStr(SECRET_KEY),
        )
        server.listings = {"SPY": Listing(bars, "ETF")}
        self._set_at = monotonic()
        for session, opened, dividend, split in zip(
            bars[Bars.session], bars[Bars.open], bars[Bars.dividend], bars[Bars.split], strict=True
        ):
            stub.account.show_open(session.date(), "SPY", opened, dividend, Decimal(str(split)))

    def now(self) -> datetime:
        return self.stub.account.now + timedelta(seconds=monotonic() - self._set_at)

    def move_to(self, instant: datetime) -> None:
        self.stub.move_to(instant)
        self.server.now, self._set_at = instant, monotonic()

    def day(self, session: date) -> DayReport:
        """The daily run after the close."""
        self.move_to(NYSE.closes_at(session) + timedelta(minutes=20))
        return self.day_now()

    def day_now(self) -> DayReport:
        report = play_day(self.strategy, None, "paper", "scheduled", self.here)
        assert not isinstance(report, Closed)
        return report

    def submit(self, session: date, hour: int = 19, minute: int = 5) -> Ended:
        """A run of `submit` at an hour of a day."""
        self.move_to(at(session, hour, minute))
        return submit_newest(self.strategy, "paper", self.here)

    @contextmanager
    def ledger(self) -> Iterator[Ledger]:
        ledger = ledger_in(self.here.home)
        try:
            yield ledger
        finally:
            ledger.close()

    def events(self, book: str = "") -> tuple[list[PositionEvent], list[CashEvent]]:
        """Position and cash events of a book, or of both."""
        with self.ledger() as ledger:
            names = [book] if book else [BOOK, REST]
            return (
                [event for name in names for event in ledger.position_events(name)],
                [event for name in names for event in ledger.cash_events(name)],
            )

    def require_equal(self) -> None:
        """Ledger and broker have the same shares and the same cents."""
        positions, flows = self.events()
        account = self.stub.account
        assert (holdings(positions), cash(flows)) == (dict(sorted(account.positions.items())), account.cash)


@contextmanager
def alpaca_desk(
    folder: Path,
    opened: date,
    last: date,
    seed: int = 5,
    dividends: Mapping[date, float] | None = None,
    splits: Mapping[date, float] | None = None,
    new_stub: Callable[[AlpacaAccount], AlpacaStub] = AlpacaStub,
) -> Iterator[AlpacaDesk]:
    """A desk on the morning of its first day; its account has the capital and a little beside it. It orders in this process."""
    bars = made_up_bars(last, seed, dividends or {}, splits or {})
    start = at(opened, 8, 0)
    with pytest.MonkeyPatch.context() as patch, yahoo_server(start) as server:
        holder = AlpacaAccount(start, multiplier=2)
        holder.book("CSD", "deposit", CAPITAL + BESIDE)
        with serving(new_stub(holder)) as stub:
            desk = AlpacaDesk(folder, stub, server, bars)
            patch.setattr(WallClock, "now", lambda _: desk.now())
            patch.setattr(orders, "AlpacaBroker", partial(AlpacaBroker, submit_deadline_s=DEADLINE_S))
            patch.setattr(order, "submitted_by", _submitted_here)
            patch.setattr(alpaca_http, "FIRST_WAIT_S", 0.01)
            patch.setattr(alpaca_http, "TIMEOUT_S", 0.5)
            yield desk


def _submitted_here(_: object, strategy: str, mode: Mode, here: Settings, lock: int | None = None) -> Ended:
    return submit_newest(strategy, mode, here, lock=lock)
