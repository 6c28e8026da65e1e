"""Stopping and flattening a book at a real broker's stub: what waits there is called back, what is held is sold once."""

import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from nightdesk.clock import WallClock
from nightdesk.day import order as ordering
from nightdesk.day.flatten import flatten_book
from nightdesk.day.opening import Closed
from nightdesk.day.play import play_day
from nightdesk.day.replay import replays
from nightdesk.errors import TryAgain
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.market.sample import SampleSource
from nightdesk.orders import cancel
from nightdesk.settings import Settings
from nightdesk.stopping import stop_book
from schemas.bars import Bars
from schemas.records import Order
from schemas.reports import DayReport
from tests.alpaca_account import NYSE, AlpacaAccount
from tests.alpaca_data_server import KEY_ID, SECRET_KEY
from tests.alpaca_faults import ORDERS, TIMED_OUT, Fault
from tests.alpaca_openapi import what_is_wrong
from tests.alpaca_stub import AlpacaStub, serving
from tests.alpaca_world import evening
from tests.strategy_documents import NO_MLFLOW, saved, seed, with_key
from tests.yahoo_server import Listing, YahooServer, yahoo_server

BOOK = "paper/cheap/cheap"
MONDAY, TUESDAY, THURSDAY = date(2018, 12, 3), date(2018, 12, 4), date(2018, 12, 6)
SUBMIT = [sys.executable, str(Path(__file__).parents[1] / "submit_process.py"), "submit"]


class Desk:
    """A book at Alpaca's stub on a living market; both stand at one instant, on the evening of Monday at first."""

    def __init__(self, home: Path, yahoo: YahooServer, stub: AlpacaStub, patch: pytest.MonkeyPatch) -> None:
        self.yahoo, self.stub, self.patch = yahoo, stub, patch
        document = seed()
        changes = {"broker.name": "alpaca", "market.source": "yahoo", "market.late_bar_wait_min": 0}
        for key, value in changes.items():
            document = with_key(document, key, value)
        self.strategy = saved(document, home)
        self.here = Settings(
            home=home / "home",
            mlflow_uri=NO_MLFLOW,
            yahoo_url=yahoo.url,
            alpaca_url=stub.url,
            alpaca_key_id=KEY_ID,
            alpaca_secret_key=SecretStr(SECRET_KEY),
        )
        patch.setattr(WallClock, "now", lambda _: yahoo.now)
        self.move_to(evening(MONDAY))

    def move_to(self, instant: datetime) -> None:
        self.yahoo.now = instant
        self.stub.move_to(instant)
        self.patch.setattr(ordering, "ORDERING", SUBMIT)

    def day(self) -> DayReport:
        made = play_day(self.strategy, None, "paper", "scheduled", self.here)
        assert not isinstance(made, Closed)
        return made

    def stop(self, cancels: bool) -> list[str]:
        return [row.status for row in stop_book(self.strategy, "paper", "ann", "enough", self.here, cancels)]

    def flatten(self) -> tuple[str, int]:
        made = flatten_book(self.strategy, "paper", "ann", "enough", self.here)
        return made.outcome, made.exit_code

    def orders(self) -> list[Order]:
        ledger = Ledger(ledger_file(self.here.home, "paper"))
        found = ledger.orders(BOOK)
        ledger.close()
        return found

    def at_the_stub(self) -> list[tuple[str, str]]:
        return [(row["side"], row["status"]) for row in self.stub.account.orders]


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    bars = SampleSource().fetch_bars(["^GSPC"], date(1999, 1, 4), date(2018, 12, 31))
    account = AlpacaAccount(datetime(2018, 12, 3, 22, tzinfo=UTC), multiplier=1)
    account.book("CSD", "deposit", Decimal(120_000))
    opens = bars.set_index(Bars.session)[Bars.open]
    for stamp in NYSE.between(MONDAY, date(2018, 12, 14)):
        account.show_open(stamp.date(), "SPXSIM", round(float(opens[stamp]), 2))
    with yahoo_server(account.now) as yahoo, serving(AlpacaStub(account, what_is_wrong)) as stub:
        yahoo.listings = {"^GSPC": Listing(bars, "INDEX")}
        made = Desk(tmp_path, yahoo, stub, monkeypatch)
        assert made.day().outcome == "traded"
        assert made.at_the_stub() == [("buy", "accepted")]
        yield made
        assert stub.invalid == []


def test_a_stop_that_keeps_leaves_the_order_and_one_that_cancels_calls_it_back_from_a_halted_book(desk: Desk) -> None:
    assert desk.stop(cancels=False) == []
    assert desk.at_the_stub() == [("buy", "accepted")]
    assert desk.stop(cancels=True) == ["canceled"]
    assert desk.at_the_stub() == [("buy", "canceled")]
    assert [(row.status, row.reason) for row in desk.orders()] == [("canceled", "stopped by ann: enough")]
    desk.move_to(evening(TUESDAY))
    report = desk.day()
    assert (report.outcome, report.holdings, report.control["state"]) == ("no trade: halted", {}, "HALTED")


def test_a_cancel_whose_answer_is_lost_is_read_back(desk: Desk) -> None:
    desk.stub.faults.append(Fault(TIMED_OUT, method="DELETE", path=ORDERS))
    assert desk.stop(cancels=True) == ["canceled"]
    assert [row.status for row in desk.orders()] == ["canceled"]


def test_an_order_that_does_not_end_is_named_and_stays_open_in_the_ledger(desk: Desk) -> None:
    (order,) = desk.orders()
    desk.stub.account.filled_anyhow.add(order.order_id)
    desk.patch.setattr(cancel, "ENDS_WITHIN_S", 0.0)
    with pytest.raises(
        TryAgain, match=rf"HALTED, but the end of an order is not known: .*{order.order_id}.*has not ended it yet"
    ):
        desk.stop(cancels=True)
    assert [row.status for row in desk.orders()] == ["accepted"]
    desk.move_to(evening(TUESDAY))
    assert list(desk.day().holdings) == ["SPXSIM"], "it filled nevertheless, and the books say so"


def test_a_flatten_sells_at_the_next_open_from_the_process_that_orders(desk: Desk) -> None:
    desk.move_to(evening(TUESDAY))
    held = desk.day().holdings["SPXSIM"]
    desk.move_to(evening(TUESDAY) + timedelta(minutes=1))
    assert desk.flatten() == desk.flatten() == ("traded", 0)
    (sale,) = [row for row in desk.stub.account.orders if row["side"] == "sell" and row["status"] == "accepted"]
    assert Decimal(sale["qty"]) == Decimal(str(held))
    desk.move_to(evening(THURSDAY))
    assert desk.day().holdings == {} and desk.stub.account.positions == {}
    assert {row.difference for row in replays(desk.strategy, "paper", None, desk.here)} == {""}


def test_a_flatten_that_is_too_late_for_the_open_leaves_the_closing_to_the_next_day(desk: Desk) -> None:
    desk.move_to(evening(TUESDAY))
    desk.day()
    desk.move_to(datetime(2018, 12, 6, 14, 26, tzinfo=UTC))  # 09:26 in New York; the 5th was a day of mourning
    assert desk.flatten() == ("no trade: late", 0)
    before = len(desk.stub.account.orders)
    desk.move_to(evening(THURSDAY))
    report = desk.day()
    assert [row["side"] for row in report.orders] == ["sell"] and len(desk.stub.account.orders) == before + 1
