"""What becomes of a decision's two intents at Alpaca's stub, fault by fault: statuses, orders at the broker, requests sent."""

import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from nightdesk import alpaca_http, submission
from nightdesk.clock import WallClock
from nightdesk.errors import OutOfSync
from nightdesk.orders.recover import recover
from nightdesk.orders.submit import Ended, submit_decided
from tests.alpaca_data_server import Reply, told
from tests.alpaca_faults import BY_CLIENT_ID, HTML, MODES, ORDERS, Fault
from tests.alpaca_replies import new_york
from tests.alpaca_stub import AlpacaStub, serving
from tests.alpaca_world import evening
from tests.homes import copy_ledgers
from tests.ordering import DAY, NEXT, NYSE, OrderingHome, new_account, ordering_file
from tests.paper_market import SESSIONS

NAMES = ("SPY", "QQQ")
DEADLINE_S = 0.2

LANDED = (
    *("accept-then-hang", "accept-then-drop", "accept-then-drop-midway", "accept-then-504", "200-empty", "200-truncated"),
    *("unknown-status", "missing-field"),
)
"""The answer says nothing clear, and the order is there: it is looked up, and not sent again."""
NOT_LANDED = ("hang-before-accept", "drop-before-accept", "504-before-accept", "502-html", "302", "401-html", "429")
"""The order is not there: it is sent once more under its id."""
CLEAR = (
    *("extra-field", "partial-fills", "fill-after-cancel", "reject-after-accept", "expire-at-close", "late-to-appear"),
    *("split-overnight", "symbol-renamed", "nanosecond-time", "half-day", "split-half-booked"),
)
"""The answer is a plain yes, whatever comes later."""
UNREADABLE = {"duplicate-page": 7, "positions-500": 7, "account-blocked": 6, "clock-ahead": 6, "clock-behind": 6}
"""Nothing is sent; the exit code: 7 where the broker could not be read, 6 where it must not be traded at."""
FOR_EVER = {"accept-then-504-always": 2, "429-thrice": 5}
"""The requests until both orders are there, with a second start where the first ended `unknown order`."""


@pytest.fixture(autouse=True)
def _quick_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reads are asked for twice, without waiting long."""
    monkeypatch.setattr(alpaca_http, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(alpaca_http, "LONGEST_WAIT_S", 0.01)
    monkeypatch.setattr(alpaca_http, "ATTEMPTS", 2)


class Ordering:
    """A home whose book is open and marked, to decide to buy two funds; and its stub."""

    def __init__(self, folder: Path, stub: AlpacaStub, day: date = DAY) -> None:
        self.stub = stub
        self.home = OrderingHome(folder / "home", str(folder / "orders.toml"), stub.url, day, NYSE.after(day))

    def submitted(self, at: datetime | None = None, attempt: int = 1) -> Ended:
        """How a start of the process that orders ends: recover, then submit."""
        with closing(self.home.ledger()) as ledger:
            self.home.commit(ledger, attempt=attempt)
        make = partial(self.home.desk, at=at, deadline_s=DEADLINE_S)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(submission, "open_order_desk", lambda strategy, mode, session, ledger, here: make(ledger))
            return submission.submit_newest(self.home.file, "paper", self.home.here)

    def begin(self, *names: str) -> None:
        """A start that died once it had begun these requests, an hour ago."""
        with closing(self.home.ledger()) as ledger:
            orders = ledger.orders(self.home.commit(ledger).book_id)
            begun = [order.order_id for order in orders if order.instrument in names]
            ledger.set_orders_sent(begun, WallClock().now() - timedelta(hours=1))

    def statuses(self) -> list[str]:
        """Of SPY's order, then of QQQ's."""
        with closing(self.home.ledger()) as ledger:
            by_name = {order.instrument: order.status for order in ledger.orders(self.home.book.book_id)}
        return [by_name[name] for name in NAMES]

    def sent(self) -> list[str]:
        """The instruments of the requests, in the order in which they arrived."""
        return [row.body["symbol"] for row in self.stub.asked_for("POST")]

    def require_each_once(self) -> None:
        assert sorted(row["symbol"] for row in self.stub.account.orders) == sorted(NAMES)
        assert self.statuses() == ["accepted", "accepted"]


def seeded(folder: Path, stub: AlpacaStub, day: date = DAY) -> Ordering:
    ordering_file(folder, "alpaca", NAMES)
    made = Ordering(folder, stub, day)
    made.home.seed(stub.account.now)
    return made


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a seeded home, to copy."""
    folder = tmp_path_factory.mktemp("pristine")
    with serving(AlpacaStub(new_account())) as stub:
        seeded(folder, stub)
    return folder


@pytest.fixture
def ordering(pristine: Path, tmp_path: Path) -> Iterator[Ordering]:
    shutil.copytree(pristine, tmp_path, dirs_exist_ok=True)
    copy_ledgers(pristine / "home", tmp_path / "home")
    with serving(AlpacaStub(new_account())) as stub:
        yield Ordering(tmp_path, stub)


def test_every_fault_of_the_stub_stands_in_a_table_of_this_file() -> None:
    tables = (*LANDED, *NOT_LANDED, *CLEAR, *UNREADABLE, *FOR_EVER)
    assert sorted(tables) == sorted(MODES)


@pytest.mark.parametrize("mode", LANDED)
def test_an_order_that_landed_behind_a_bad_answer_is_found_and_not_sent_again(mode: str, ordering: Ordering) -> None:
    ordering.stub.faults.append(MODES[mode]())
    assert ordering.submitted() == Ended("traded", "bought", 0)
    assert len(ordering.sent()) == 2
    ordering.require_each_once()


@pytest.mark.parametrize("mode", NOT_LANDED)
def test_an_order_that_did_not_land_is_sent_once_more_under_its_id(mode: str, ordering: Ordering) -> None:
    ordering.stub.faults.append(MODES[mode]())
    assert ordering.submitted() == Ended("traded", "bought", 0)
    first, again, second = (row.body for row in ordering.stub.asked_for("POST"))
    assert first == again and first["symbol"] != second["symbol"]
    ordering.require_each_once()


@pytest.mark.parametrize("mode", CLEAR)
def test_a_plain_yes_is_sent_once(mode: str, ordering: Ordering) -> None:
    ordering.stub.faults.append(replace(MODES[mode](), times=-1))
    assert ordering.submitted() == Ended("traded", "bought", 0)
    assert len(ordering.sent()) == 2
    ordering.require_each_once()


@pytest.mark.parametrize("mode", FOR_EVER)
def test_a_fault_that_lasts_never_doubles_an_order(mode: str, ordering: Ordering) -> None:
    ordering.stub.faults.append(MODES[mode]())
    while ordering.submitted().outcome == "unknown order":
        assert len(ordering.stub.account.orders) == 0
    assert len(ordering.sent()) == FOR_EVER[mode]
    ordering.require_each_once()


@pytest.mark.parametrize("mode", NOT_LANDED)
def test_while_an_order_is_unknown_nothing_else_leaves_and_the_next_start_resolves_it(mode: str, ordering: Ordering) -> None:
    ordering.stub.faults.append(replace(MODES[mode](), times=-1))
    ended = ordering.submitted()
    assert (ended.outcome, ended.exit_code) == ("unknown order", 6) and "nothing more leaves" in ended.reason
    assert sorted(ordering.statuses()) == ["intent", "unknown"]
    assert len(ordering.sent()) == 2 and len(set(ordering.sent())) == 1, "the first, twice under its id"
    assert ordering.stub.account.orders == []
    ordering.stub.faults.clear()
    assert ordering.submitted() == Ended("traded", "bought", 0)
    assert len(ordering.sent()) == 4
    ordering.require_each_once()


@pytest.mark.parametrize("mode", LANDED)
def test_while_nobody_can_look_an_order_is_unknown_and_not_sent_again(mode: str, ordering: Ordering) -> None:
    ordering.stub.faults += [MODES[mode](), Fault(HTML, method="GET", path=BY_CLIENT_ID, times=-1)]
    assert ordering.submitted().outcome == "unknown order"
    assert sorted(ordering.statuses()) == ["intent", "unknown"]
    assert len(ordering.sent()) == len(ordering.stub.account.orders) == 1
    ordering.stub.faults.clear()
    assert ordering.submitted() == Ended("traded", "bought", 0)
    assert len(ordering.sent()) == 2
    ordering.require_each_once()


def test_an_order_that_shows_long_after_it_could_have_landed_is_not_doubled(ordering: Ordering) -> None:
    ordering.stub.appears_after_s = 1000.0
    ordering.stub.faults.append(MODES["accept-then-drop"]())
    assert ordering.submitted().outcome == "unknown order"
    assert len(ordering.stub.account.orders) == 1 and sorted(ordering.statuses()) == ["intent", "unknown"]
    ordering.stub.appears_after_s = 0.0
    ordering.stub._hidden.clear()
    assert ordering.submitted().outcome == "traded"
    ordering.require_each_once()


def test_orders_that_never_arrived_are_looked_for_twice_together_and_then_sent(ordering: Ordering) -> None:
    ordering.begin(*NAMES)
    assert ordering.submitted().outcome == "traded"
    looks = [row.query["client_order_id"] for row in ordering.stub.asked_for("GET", BY_CLIENT_ID)]
    assert looks == looks[:2] * 2 and len(set(looks)) == 2, "one look for each, a pause, another look for each"
    assert len(ordering.sent()) == 2
    ordering.require_each_once()


def test_an_order_that_the_broker_took_and_does_not_know_stops_the_orders(ordering: Ordering) -> None:
    with closing(ordering.home.ledger()) as ledger:
        taken = ledger.orders(ordering.home.commit(ledger).book_id)[0]
        ledger.set_order_status(taken.order_id, "accepted")
    ended = ordering.submitted()
    assert ended.exit_code == 6 and taken.order_id in ended.reason
    assert ordering.sent() == []


# reads that fail


@pytest.mark.parametrize("mode", UNREADABLE)
def test_a_broker_that_cannot_be_read_is_sent_nothing(mode: str, ordering: Ordering) -> None:
    ordering.begin("SPY")
    ordering.stub.faults.append(replace(MODES[mode](), times=-1))
    if mode == "duplicate-page":
        ordering.stub.account.submit({"symbol": "IWM", "side": "buy", "qty": 1, "type": "market", "time_in_force": "opg"})
    ended = ordering.submitted()
    assert (ended.outcome, ended.exit_code) == ("failed: order", UNREADABLE[mode])
    assert ordering.sent() == [] and ordering.statuses() == ["unknown", "intent"]


NO_LIST: dict[str, Reply] = {
    "500": told(500, {"message": "internal server error occurred"}),
    "html": HTML,
    "a message": told(200, {"message": "too many requests"}),
    "empty": Reply(200),
    "null": told(200, None),
    "cut off": Reply(200, b'[{"id": "61e69015-8549-4bfd-b9c3-01e75843f47d", "client_or'),
}
READS = ("/v2/account", "/v2/account/activities", "/v2/clock", "/v2/positions", ORDERS, BY_CLIENT_ID)


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("name", NO_LIST)
def test_a_read_that_fails_is_never_flat(name: str, path: str, ordering: Ordering) -> None:
    ordering.begin("SPY")
    ordering.stub.faults.append(Fault(NO_LIST[name], method="GET", path=path, times=-1))
    ended = ordering.submitted()
    assert (ended.outcome, ended.exit_code) == ("failed: order", 7)
    assert ordering.sent() == [] and ordering.statuses() == ["unknown", "intent"]
    ordering.stub.faults.clear()
    assert ordering.submitted().outcome == "traded"
    ordering.require_each_once()


def test_positions_that_are_cut_short_stop_the_orders(tmp_path: Path) -> None:
    account = new_account()
    account.positions = {"AAPL": account.cash // 10_000, "MSFT": account.cash // 10_000}
    with serving(AlpacaStub(account)) as stub:
        ordering = seeded(tmp_path, stub)
        stub.faults.append(Fault(change=lambda rows: rows[:-1], method="GET", path="/v2/positions", times=-1))
        ended = ordering.submitted()
        assert (ended.exit_code, ordering.sent()) == (6, []) and "MSFT" in ended.reason


def test_orders_are_read_to_the_last_page(ordering: Ordering) -> None:
    ordering.stub.most_a_page = 1
    ordering.stub.faults.append(Fault(HTML, method="GET", path=BY_CLIENT_ID, times=-1))
    ordering.stub.faults.append(MODES["accept-then-drop"]())
    assert ordering.submitted().outcome == "unknown order"
    for symbol in ("IWM", "DIA"):
        ordering.stub.account.submit({"symbol": symbol, "side": "buy", "qty": 1, "type": "market", "time_in_force": "opg"})
    with closing(ordering.home.ledger()) as ledger:
        desk = ordering.home.desk(ledger)
        with closing(desk.broker), pytest.raises(OutOfSync, match=r"buy 1 IWM \(accepted\).*buy 1 DIA"):
            recover(desk, DAY)
    assert sorted(ordering.statuses()) == ["accepted", "intent"]


# again and again


def test_fifty_starts_of_one_session_send_each_order_once(ordering: Ordering) -> None:
    with closing(ordering.home.ledger()) as ledger:
        decision, desk = ordering.home.commit(ledger), ordering.home.desk(ledger)
        with closing(desk.broker):
            for _ in range(50):
                recover(desk, DAY)
                assert submit_decided(desk, decision).outcome == "traded"
    assert sorted(ordering.sent()) == sorted(NAMES)
    ordering.require_each_once()


def test_an_attempt_that_is_raised_for_ever_does_not_buy_again(ordering: Ordering) -> None:
    assert ordering.submitted().outcome == "traded"
    for attempt in range(2, 12):
        ended = ordering.submitted(attempt=attempt)
        assert ended.exit_code == 4 and "same side" in ended.reason
    assert sorted(ordering.sent()) == sorted(NAMES)


def test_an_attempt_that_is_raised_for_ever_after_refusals_stops_at_the_limit_on_orders(ordering: Ordering) -> None:
    ordering.stub.account.untradable |= {*NAMES}
    most = ordering.home.strategy.limits.max_orders_per_instrument
    for attempt in range(1, most + 1):
        assert ordering.submitted(attempt=attempt).outcome == "failed: order"
    for attempt in range(most + 1, most + 11):
        ended = ordering.submitted(attempt=attempt)
        assert ended.outcome == "no trade: limit" and "limits.max_orders_per_instrument" in ended.reason
    assert sorted(ordering.sent()) == sorted(NAMES * most)


# the clock


@pytest.mark.parametrize(("apart_s", "code"), [(29, 0), (-29, 0), (31, 6), (-31, 6)])
def test_nothing_leaves_where_the_clocks_are_more_than_thirty_seconds_apart(apart_s: int, code: int, ordering: Ordering) -> None:
    ordering.stub.skew = timedelta(seconds=apart_s)
    ended = ordering.submitted()
    assert ended.exit_code == code and len(ordering.sent()) == (0 if code else 2)
    assert code == 0 or "clock" in ended.reason


def at(ordering: Ordering, instant: datetime) -> Ended:
    """A start at an instant, by both clocks."""
    ordering.stub.move_to(instant)
    return ordering.submitted(instant)


@pytest.fixture
def afternoon(tmp_path: Path) -> Iterator[Ordering]:
    """The same after the close of a half day, Christmas Eve."""
    half = SESSIONS[-5]
    assert (str(half), str(NYSE.closes_at(half))) == ("2018-12-24", "2018-12-24 18:00:00+00:00")
    with serving(AlpacaStub(new_account(new_york(half, 13, 20)))) as stub:
        yield seeded(tmp_path, stub, half)


def test_between_the_close_and_seven_market_on_open_orders_wait(afternoon: Ordering) -> None:
    day = afternoon.home.day
    for hour, minute in ((13, 20), (16, 20), (18, 59)):
        ended = at(afternoon, new_york(day, hour, minute))
        assert (ended.outcome, ended.exit_code) == ("waiting", 0) and "19:00" in ended.reason
        assert afternoon.statuses() == ["intent", "intent"]
    assert afternoon.sent() == []
    assert at(afternoon, new_york(day, 19, 5)).outcome == "traded"
    afternoon.require_each_once()


CHANGES_OF_CLOCKS = {"spring": "2019-03-08", "autumn": "2018-11-02", "neither": "2018-12-03"}
"""Fridays before New York's clocks change, and a day before a holiday; known openings, UTC: 13:30 in summer, 14:30 in winter."""
OPENS = {"spring": "2019-03-11 13:30:00+00:00", "autumn": "2018-11-05 14:30:00+00:00", "neither": "2018-12-04 14:30:00+00:00"}


@pytest.mark.parametrize("change", CHANGES_OF_CLOCKS)
@pytest.mark.parametrize(("second", "outcome"), [(0, "traded"), (1, "no trade: late")])
def test_the_last_request_begins_at_0925_in_new_york(change: str, second: int, outcome: str, tmp_path: Path) -> None:
    day = datetime.fromisoformat(CHANGES_OF_CLOCKS[change]).date()
    with serving(AlpacaStub(new_account(evening(day)))) as stub:
        ordering = seeded(tmp_path, stub, day)
        assert str(NYSE.opens_at(ordering.home.following)) == OPENS[change]
        ended = at(ordering, new_york(ordering.home.following, 9, 25) + timedelta(seconds=second))
        assert (ended.outcome, ended.exit_code) == (outcome, 0)
        assert len(ordering.sent()) == (0 if second else 2)
        assert ordering.statuses() == ["expired" if second else "accepted"] * 2


def test_after_the_open_nothing_leaves(ordering: Ordering) -> None:
    for name in NAMES:
        ordering.stub.account.show_open(NEXT, name, 100)
    assert at(ordering, new_york(NEXT, 9, 31)).outcome == "no trade: late"
    assert ordering.sent() == [] and ordering.statuses() == ["expired", "expired"]
