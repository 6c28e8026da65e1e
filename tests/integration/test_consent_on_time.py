"""Consent on a living market: until 09:25 New York time, and at Alpaca's stub."""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from nightdesk.cli import approving
from nightdesk.cli.approving import answered, newer_closes
from nightdesk.clock import WallClock
from nightdesk.consent.waiting import waiting
from nightdesk.consent.words import answer_by
from nightdesk.day import order
from nightdesk.day.ingest import ingest_bars
from nightdesk.day.opening import Closed, open_day
from nightdesk.day.play import play_day
from nightdesk.errors import Misconfigured
from nightdesk.market.sample import SampleSource
from schemas.bars import Bars
from schemas.reports import DayReport
from tests.alpaca_account import AlpacaAccount
from tests.alpaca_data_server import KEY_ID, SECRET_KEY
from tests.alpaca_openapi import what_is_wrong
from tests.alpaca_stub import AlpacaStub, serving
from tests.desks import settings_in
from tests.strategy_documents import NO_MLFLOW
from tests.waiting_books import Desk, submitted_here
from tests.yahoo_server import Listing, YahooServer, yahoo_server

THURSDAY, FRIDAY = datetime(2018, 12, 20, 21, 20, tzinfo=UTC), datetime(2018, 12, 21, 21, 20, tzinfo=UTC)
LAST_MINUTE = datetime(2018, 12, 21, 14, 24, tzinfo=UTC)  # 09:24 in New York
TOO_LATE = datetime(2018, 12, 21, 14, 26, tzinfo=UTC)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[YahooServer]:
    with yahoo_server(THURSDAY) as running:
        bars = SampleSource().fetch_bars(["^GSPC"], date(2016, 1, 4), date(2018, 12, 31))
        running.listings = {"^GSPC": Listing(bars, "INDEX")}
        monkeypatch.setattr(WallClock, "now", lambda _: running.now)
        monkeypatch.setattr(approving, "submitted_by", submitted_here)  # a process of its own has the machine's clock
        monkeypatch.setattr(order, "submitted_by", submitted_here)
        yield running


def living(folder: Path, server: YahooServer, **changes: object) -> Desk:
    estimator = "sklearn.neighbors.NearestCentroid"
    desk = Desk(folder, market__source="yahoo", market__late_bar_wait_min=0, model__estimator=estimator, **changes)
    desk.here = settings_in(folder / "home", mlflow_uri=NO_MLFLOW, yahoo_url=server.url)
    return desk


def day(desk: Desk) -> DayReport:
    made = play_day(desk.strategy, None, "paper", "scheduled", desk.here)
    assert not isinstance(made, Closed)
    return made


def test_an_approval_counts_until_0925_in_new_york_and_not_after(tmp_path: Path, server: YahooServer) -> None:
    desk = living(tmp_path, server)
    assert day(desk).outcome == "waiting"
    server.now = LAST_MINUTE
    (evidence,) = waiting(desk.here.ledgers, LAST_MINUTE, lambda _: {}).evidence
    assert evidence.deadline == datetime(2018, 12, 21, 14, 25, tzinfo=UTC)
    assert answer_by(evidence).startswith("Friday 21 December 2018, 09:25 New York time")
    server.now = TOO_LATE
    assert waiting(desk.here.ledgers, TOO_LATE, lambda _: {}).evidence == ()
    with pytest.raises(Misconfigured, match="is too late: nothing leaves any more for the open of 2018-12-21"):
        answered(desk.here, evidence.decision_sha256, "approve", "ana")
    ended = desk.submit()
    assert (ended.outcome, ended.reason) == ("no trade: not approved", "nobody consented in time")
    assert [row.status for row in desk.orders()] == ["expired"] and desk.at_the_broker() == 0
    assert [run.outcome for run in desk.runs()] == ["waiting", "no trade: not approved"]


def test_an_approval_in_the_last_minute_still_sends_the_order(tmp_path: Path, server: YahooServer) -> None:
    desk = living(tmp_path, server)
    day(desk)
    server.now = LAST_MINUTE
    answered(desk.here, desk.decision().sha256, "approve", "ana")
    assert [row.status for row in desk.orders()] == ["accepted"] and desk.at_the_broker() == 1


def test_a_bar_that_was_stored_since_shows_the_drift(tmp_path: Path, server: YahooServer) -> None:
    desk = living(tmp_path, server)
    day(desk)
    assert newer_closes(desk.here, desk.decision()) == {}
    server.now = FRIDAY
    with open_day(desk.strategy, None, "paper", "scheduled", False, desk.here) as opened:
        assert not isinstance(opened, Closed)
        ingest_bars(opened)
    bars = server.listings["^GSPC"].bars
    friday = float(bars[bars[Bars.session] == "2018-12-21"][Bars.close].iloc[0])
    (newer,) = newer_closes(desk.here, desk.decision()).values()
    assert (newer.session, newer.price) == (date(2018, 12, 21), pytest.approx(friday, rel=1e-6))


def test_at_alpaca_an_approval_sends_one_order_and_a_second_none(tmp_path: Path, server: YahooServer) -> None:
    account = AlpacaAccount(THURSDAY, multiplier=1, flags={"shorting_enabled": False})
    account.book("CSD", "deposit", Decimal(100_000))
    with serving(AlpacaStub(account, what_is_wrong)) as stub:
        desk = living(tmp_path, server, broker__name="alpaca", broker__time_in_force="day")
        keys = {"alpaca_key_id": KEY_ID, "alpaca_secret_key": SecretStr(SECRET_KEY)}
        desk.here = desk.here.model_copy(update={**keys, "alpaca_url": stub.url})
        report = day(desk)
        assert (report.outcome, account.orders) == ("waiting", []), report.reason
        sentence, _ = answered(desk.here, desk.decision().sha256, "approve", "ana")
        assert "accepted by the broker" in sentence and len(account.orders) == 1
        with pytest.raises(Misconfigured, match="approved already"):
            answered(desk.here, desk.decision().sha256, "approve", "ana")
        desk.submit()
        assert len(account.orders) == 1
