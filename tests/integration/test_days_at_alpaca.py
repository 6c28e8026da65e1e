"""Whole days with Alpaca's stub as the broker: decided after the close, sent in the evening, filled at the open, settled."""

import sys
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightdesk.adopting import Takeover, adopt, waiting_changes
from nightdesk.cli import app
from nightdesk.cli.checkup import _outside
from nightdesk.day import order
from nightdesk.errors import Misconfigured
from nightdesk.ledger.halts import submit_release
from nightdesk.ledger.status import book_statuses
from nightdesk.settings import CHECKOUT
from tests.alpaca_desk import BESIDE, BOOK, CAPITAL, REST, AlpacaDesk, alpaca_desk, at

THURSDAY, FRIDAY, MONDAY, TUESDAY = date(2018, 3, 1), date(2018, 3, 2), date(2018, 3, 5), date(2018, 3, 6)
BUYS_AND_SELLS_AND_BUYS = 5
"""A seed of the made-up market with which the model says so on the days from Thursday on."""
BUYS_AND_SELLS_AT_A_SPLIT = 1
"""The same where earlier prices are those before a split."""

IN_ITS_PROCESS = order.submitted_by
"""How a day has its orders sent, which the desk of the tests does in its own process."""


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[AlpacaDesk]:
    with alpaca_desk(tmp_path, THURSDAY, date(2018, 3, 29), BUYS_AND_SELLS_AND_BUYS, dividends={FRIDAY: 0.5}) as running:
        yield running


def release(desk: AlpacaDesk) -> None:
    submit_release(desk.here.ledgers, BOOK, "ana", desk.now(), "all is explained")


def test_an_order_waits_for_the_evening_fills_at_the_open_and_is_settled(
    desk: AlpacaDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(order, "submitted_by", IN_ITS_PROCESS)
        patch.setattr(order, "ORDERING", [sys.executable, str(CHECKOUT / "tests" / "submit_process.py"), "submit"])
        first = desk.day(THURSDAY)
    assert (first.outcome, first.exit_code) == ("waiting", 0) and desk.stub.account.orders == []
    assert desk.submit(THURSDAY).outcome == "traded"
    (sent,) = desk.stub.account.orders
    assert sent["client_order_id"] == first.orders[0]["order_id"]
    assert desk.submit(FRIDAY, 8, 45).outcome == "no change"
    second = desk.day(FRIDAY)
    (fill,) = second.fills
    assert (fill["quantity"], second.holdings) == (float(sent["qty"]), {"SPY": float(sent["qty"])})
    desk.require_equal()
    assert not [row for row in desk.events(BOOK)[1] if row.kind == "dividend"], "bought at the ex-date's open"
    assert {row["book"] for row in book_statuses(desk.here.ledgers)} == {BOOK, REST}
    (rest,) = [row for row in book_statuses(desk.here.ledgers) if row["book"] == REST]
    assert (rest["cash"], rest["equity"]) == (float(BESIDE), None)


def test_a_deposit_halts_every_day_until_it_is_adopted_and_released(desk: AlpacaDesk) -> None:
    desk.day(THURSDAY)
    desk.submit(THURSDAY)
    desk.move_to(at(FRIDAY, 11, 0))
    desk.stub.account.book("CSD", "more", Decimal("5000"))
    stopped = desk.day(FRIDAY)
    assert (stopped.outcome, stopped.exit_code, stopped.orders) == ("failed: settle", 6, ())
    assert "a deposit of 5,000.00 (CSD)" in stopped.reason and stopped.control["state"] == "HALTED"
    assert desk.day(MONDAY).outcome == "failed: settle", "still"
    assert _outside(desk.here) == (False, f"{BOOK}: 2018-03-02: a deposit of 5,000.00 (CSD)")
    takeover = Takeover(desk.strategy, "paper", capital=True, renames={})
    changes, plan = waiting_changes(takeover, desk.here)
    assert plan.sentences == [f"2018-03-02: a deposit of 5,000.00 (CSD): +5,000.00 USD in {BOOK}"]
    with pytest.raises(Misconfigured, match="reason"):
        adopt(takeover, changes, "ana", " ", desk.here)
    with pytest.raises(Misconfigured, match="Other changes"):
        adopt(takeover, [], "ana", "my own money", desk.here)
    told = ["--strategy", desk.strategy, "--capital", "--reason", "my own money"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nightdesk.settings.settings", lambda: desk.here)
        refused = CliRunner().invoke(app, ["adopt", *told], input="n\n")
        assert "Nothing was booked." in refused.output and waiting_changes(takeover, desk.here)[0] == changes
        booked = CliRunner().invoke(app, ["adopt", *told], input="y\n")
    assert booked.exit_code == 0 and "ledger and broker agree" in booked.output and plan.sentences[0] in booked.output
    assert waiting_changes(takeover, desk.here)[0] == [] and _outside(desk.here)[0]
    desk.require_equal()
    held = desk.day_now()
    assert (held.control["state"], held.orders) == ("HALTED", ()), "adopting does not end the halt"
    release(desk)
    going_on = desk.day(TUESDAY)
    assert going_on.outcome in ("waiting", "no change")
    with desk.ledger() as ledger:
        marks = {mark.session: mark for mark in ledger.marks(BOOK)}
    assert [marks[day].flow for day in (THURSDAY, FRIDAY, MONDAY, TUESDAY)] == [CAPITAL, 5000, 0, 0]
    sent = [desk.submit(TUESDAY).outcome]
    for session in (date(2018, 3, 7), date(2018, 3, 8), date(2018, 3, 9)):
        desk.day(session)
        sent.append(desk.submit(session).outcome)
    assert "traded" in sent, "trades again"
    desk.require_equal()


def test_the_process_that_orders_sends_nothing_once_somebody_traded_by_hand(desk: AlpacaDesk) -> None:
    desk.day(THURSDAY)
    by_hand = {"symbol": "SPY", "qty": "3", "side": "buy", "type": "market", "time_in_force": "day", "client_order_id": "me"}
    desk.move_to(at(THURSDAY, 17, 0))
    desk.stub.account.submit(by_hand)
    ended = desk.submit(THURSDAY)
    assert (ended.outcome, ended.exit_code) == ("failed: order", 6) and "an order me that is not the desk's" in ended.reason
    assert [row["client_order_id"] for row in desk.stub.account.orders] == ["me"]


def test_a_split_overnight_is_booked_with_its_bar(tmp_path: Path) -> None:
    with alpaca_desk(
        tmp_path, THURSDAY, TUESDAY, BUYS_AND_SELLS_AT_A_SPLIT, splits={MONDAY: 4.0}, dividends={MONDAY: 0.3}
    ) as desk:
        desk.day(THURSDAY)
        desk.submit(THURSDAY)
        before = desk.day(FRIDAY).holdings["SPY"]
        report = desk.day(MONDAY)  # nothing was sent in the evening
        assert (report.outcome.partition(":")[0], report.holdings) == ("waiting", {"SPY": 4 * before})
        desk.require_equal()
        paid = sum(row.amount for row in desk.events(BOOK)[1] if row.kind == "dividend")
        assert float(paid) == pytest.approx(4 * before * 0.3, abs=0.005)
