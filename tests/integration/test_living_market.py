"""Days on a living market: a clock that moves, bars that come late, a vendor that fails or rewrites the past.

The market is the sample's S&P 500 of 2016 to 2018 behind a local server that speaks Yahoo's wire; the desk's clock is that of the
server.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path

import pytest

from nightdesk.clock import WallClock
from nightdesk.day.opening import Closed
from nightdesk.day.play import play_day
from nightdesk.day.replay import replays
from nightdesk.day.set_aside import release_bar, waiting_bars
from nightdesk.errors import BadData, Misconfigured
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.market import yahoo
from nightdesk.market.sample import SampleSource
from nightdesk.market.store import BarStore
from nightdesk.market.yahoo import YahooSource
from nightdesk.settings import Settings
from schemas.bars import Bars
from schemas.reports import DayReport
from tests.desks import strategy_file
from tests.strategy_documents import NO_MLFLOW
from tests.yahoo_server import Chart, Listing, YahooServer, always, edited, yahoo_server

BOOK = "paper/cheap/cheap"
PRICES = [Bars.open, Bars.high, Bars.low, Bars.close]
THURSDAY, FRIDAY, MONDAY = (datetime(2018, 12, day, 21, 20, tzinfo=UTC) for day in (20, 21, 24))


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[YahooServer]:
    with yahoo_server(THURSDAY) as running:
        bars = SampleSource().fetch_bars(["^GSPC"], date(2016, 1, 4), date(2018, 12, 31))
        running.listings = {"^GSPC": Listing(bars, "INDEX")}
        monkeypatch.setattr(WallClock, "now", lambda _: running.now)
        yield running


class Living:
    """A desk on that market."""

    def __init__(self, home: Path, server: YahooServer, **changes: str) -> None:
        self.strategy = strategy_file(
            home, source='"yahoo"', min_coverage="1.0\nlate_bar_wait_min = 0", min_test_accuracy="0.0", **changes
        )
        self.here = Settings(home=home / "home", mlflow_uri=NO_MLFLOW, yahoo_url=server.url)
        self.server = server

    def waits(self, minutes: float) -> None:
        path = Path(self.strategy)
        path.write_text(path.read_text().replace("late_bar_wait_min = 0", f"late_bar_wait_min = {minutes}"))

    def day(self, at: datetime) -> DayReport:
        self.server.now = at
        made = play_day(self.strategy, None, "paper", "scheduled", self.here)
        assert not isinstance(made, Closed)
        return made

    def ledger(self) -> Ledger:
        return Ledger(ledger_file(self.here.home, "paper"))

    def replayed(self) -> dict[str, str]:
        return {str(row.session): row.difference for row in replays(self.strategy, "paper", None, self.here)}


@pytest.fixture
def desk(tmp_path: Path, server: YahooServer) -> Living:
    return Living(tmp_path, server)


def _without_last_bar(chart: Chart) -> None:
    del chart["timestamp"][-1]
    for block in (*chart["indicators"]["quote"], *chart["indicators"]["adjclose"]):
        for values in block.values():
            del values[-1]


def _without_last_prices(chart: Chart) -> None:
    (quote,) = chart["indicators"]["quote"]
    for name in ("open", "high", "low", "close"):
        quote[name][-1] = None


def test_a_day_is_decided_after_the_close_and_filled_at_the_next_open(desk: Living) -> None:
    first, second = desk.day(THURSDAY), desk.day(FRIDAY)
    assert (first.session, first.outcome) == (date(2018, 12, 20), "traded")
    assert [fill["instrument"] for fill in second.fills] == ["SPXSIM"] and second.session == date(2018, 12, 21)
    assert desk.replayed() == {"2018-12-20": "", "2018-12-21": ""}


def test_runs_that_queued_up_over_a_weekend_do_one_days_work_once(desk: Living) -> None:
    reports = [desk.day(datetime(2018, 12, 23, hour, tzinfo=UTC)) for hour in (1, 2, 3)]
    assert [report.session for report in reports] == [date(2018, 12, 21)] * 3
    assert [report.resumed for report in reports] == [False, True, True]
    ledger = desk.ledger()
    assert len(ledger.orders(BOOK)) == len(reports[0].orders) == 1
    ledger.close()


@pytest.mark.parametrize(("at", "late"), [((14, 24), False), ((14, 26), True), ((20, 0), True)])
def test_after_0925_in_new_york_the_decision_is_for_the_record_only(desk: Living, at: tuple[int, int], late: bool) -> None:
    report = desk.day(datetime(2018, 12, 21, *at, tzinfo=UTC))  # 09:24, 09:26 and 15:00 in New York
    assert report.session == date(2018, 12, 20)
    assert (report.outcome, len(report.orders)) == (("missed", 0) if late else ("traded", 1))
    following = desk.day(FRIDAY)
    assert (following.session, following.resumed) == (date(2018, 12, 21), False)
    assert len(following.fills) == (0 if late else 1)
    assert desk.replayed() == {"2018-12-20": "", "2018-12-21": ""}


def test_a_late_bar_is_waited_for_as_long_as_the_strategy_says(desk: Living, server: YahooServer) -> None:
    server.fault = edited(_without_last_bar)
    at_once = desk.day(THURSDAY)
    assert (at_once.outcome, at_once.exit_code) == ("no trade: data", 3)
    assert "2018-12-20 has not come yet" in at_once.reason
    asked = len(server.chart_requests())
    desk.waits(0.1)
    assert desk.day(THURSDAY).outcome == "no trade: data"
    assert len(server.chart_requests()) - asked >= 3
    server.fault = None
    server.next_faults.extend([edited(_without_last_bar)] * 2)
    assert desk.day(THURSDAY).outcome == "traded"
    assert not server.next_faults


def test_a_last_bar_without_its_prices_is_waited_for_too(desk: Living, server: YahooServer) -> None:
    desk.waits(0.02)
    server.next_faults.append(edited(_without_last_prices))
    assert desk.day(THURSDAY).outcome == "traded"
    assert not server.next_faults


def test_a_wrong_bar_before_the_last_is_not_waited_for(desk: Living, server: YahooServer) -> None:
    desk.waits(900)
    bars = server.listings["^GSPC"].bars
    server.listings["^GSPC"] = Listing(bars[bars[Bars.session] != "2018-12-17"], "INDEX")
    assert desk.day(THURSDAY).outcome == "no trade: data"


def test_nobody_waits_past_0925_for_a_bar(desk: Living, server: YahooServer) -> None:
    desk.waits(900)
    server.fault = edited(_without_last_bar)
    report = desk.day(datetime(2018, 12, 21, 14, 26, tzinfo=UTC))
    assert report.outcome == "no trade: data"


def test_a_vendor_that_refuses_to_answer_is_not_an_empty_market(
    desk: Living, server: YahooServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(yahoo, "YahooSource", partial(YahooSource, retry_wait_s=0.01))
    desk.day(THURSDAY)
    server.fault = always(429, "Too Many Requests")
    report = desk.day(FRIDAY)
    assert (report.outcome, report.exit_code) == ("failed: ingest", 7)
    assert "^GSPC" in report.reason and "429" in report.reason
    server.fault = None
    assert desk.day(FRIDAY).outcome in ("traded", "no change")


def _rewrite(server: YahooServer, first: str, last: str, factor: float) -> int:
    bars = server.listings["^GSPC"].bars.copy()
    changed = bars[Bars.session].between(first, last)
    bars.loc[changed, PRICES] *= factor
    server.listings["^GSPC"] = Listing(bars, "INDEX")
    return int(changed.sum())


def test_a_rewritten_month_is_reported_bar_by_bar_and_stops_the_day_before_it_decides(desk: Living, server: YahooServer) -> None:
    desk.day(THURSDAY)
    rewritten = _rewrite(server, "2018-11-01", "2018-11-30", 1.02)
    stopped = desk.day(FRIDAY)
    assert (stopped.outcome, stopped.exit_code) == ("no trade: data", 3)
    assert stopped.reason.startswith(
        f"The vendor changed {rewritten} stored bars without a dividend or split behind it: ^GSPC 2018-11-01"
    )
    assert stopped.restated["bars"] == stopped.restated["unexplained"] == stopped.restated["set_aside"] == rewritten == 21
    assert stopped.sessions == 2 and stopped.decision_sha256 == "", "the day is marked, not decided"
    (said,) = stopped.restated["decisions"]  # type: ignore[misc]  # a list in a document
    assert (said["book"], said["session"]) == (BOOK, "2018-12-20")
    ledger = desk.ledger()
    kept = ledger.restatements(ledger.runs(BOOK, date(2018, 12, 21))[-1].run_id)
    ledger.close()
    assert len(kept) == 4 * rewritten and {row.done for row in kept} == {"quarantined"}
    assert all(row.now / row.was == pytest.approx(1.02, rel=1e-6) for row in kept)
    assert len({bar.session for bar in waiting_bars(desk.strategy, desk.here)}) == rewritten
    assert desk.replayed() == {"2018-12-20": ""}


def test_released_bars_are_stored_and_the_day_goes_on_while_old_decisions_stay_what_they_were(
    desk: Living, server: YahooServer
) -> None:
    desk.day(THURSDAY)
    _rewrite(server, "2018-12-17", "2018-12-18", 1.0005)
    assert desk.day(FRIDAY).outcome == "no trade: data"
    for bar in waiting_bars(desk.strategy, desk.here):
        release_bar(desk.strategy, bar.symbol, bar.session, "ana", "the exchange corrected its close", desk.here)
    assert waiting_bars(desk.strategy, desk.here) == []
    going_on = desk.day(FRIDAY.replace(minute=30))
    assert going_on.outcome in ("traded", "no change") and going_on.restated["bars"] == 0
    assert desk.replayed() == {"2018-12-20": "", "2018-12-21": ""}


def test_what_the_vendor_takes_back_waits_no_longer(desk: Living, server: YahooServer) -> None:
    desk.day(THURSDAY)
    honest = server.listings["^GSPC"]
    _rewrite(server, "2018-12-17", "2018-12-18", 1.0005)
    desk.day(FRIDAY)
    server.listings["^GSPC"] = honest
    assert desk.day(FRIDAY.replace(minute=30)).outcome in ("traded", "no change")
    assert waiting_bars(desk.strategy, desk.here) == []


def test_a_price_with_a_wrong_unit_waits_until_a_person_vouches_for_it(desk: Living, server: YahooServer) -> None:
    desk.day(THURSDAY)
    _rewrite(server, "2018-12-21", "2018-12-21", 10.0)
    wrong = desk.day(FRIDAY)
    assert wrong.outcome == "no trade: data" and "2018-12-21" in wrong.reason
    (found,) = [row for row in wrong.checks["findings"] if row["severity"] == "error"]  # type: ignore[attr-defined]  # a list in a document
    assert (found["code"], found["sessions"], found["done"]) == ("jump", ["2018-12-21"], "quarantined")
    (bar,) = {row.session for row in waiting_bars(desk.strategy, desk.here)}
    assert bar == date(2018, 12, 21)
    with pytest.raises(Misconfigured, match="reason"):
        release_bar(desk.strategy, "^GSPC", bar, "ana", " ", desk.here)
    release_bar(desk.strategy, "^GSPC", bar, "ana", "it really did", desk.here)
    trusted = desk.day(FRIDAY.replace(minute=30))
    assert trusted.outcome != "no trade: data" and "it really did" not in trusted.reason


def test_a_bar_that_cannot_be_right_is_not_released(desk: Living, server: YahooServer) -> None:
    desk.day(THURSDAY)
    bars = server.listings["^GSPC"].bars.copy()
    bars.loc[bars[Bars.session] == "2018-12-21", Bars.low] *= 2
    server.listings["^GSPC"] = Listing(bars, "INDEX")
    assert desk.day(FRIDAY).outcome == "no trade: data"
    with pytest.raises(BadData, match="low"):
        release_bar(desk.strategy, "^GSPC", date(2018, 12, 21), "ana", "trust me", desk.here)


def test_an_explained_change_is_stored_and_the_day_goes_on(desk: Living, server: YahooServer) -> None:
    desk.day(THURSDAY)
    bars = server.listings["^GSPC"].bars.copy()
    bars.loc[bars[Bars.session] == "2018-12-20", Bars.volume] += 1_000_000
    server.listings["^GSPC"] = Listing(bars, "INDEX")
    report = desk.day(FRIDAY)
    assert report.outcome in ("traded", "no change")
    assert (report.restated["bars"], report.restated["unexplained"], report.restated["decisions"]) == (1, 0, [])


def test_a_run_that_dies_while_it_stores_has_reported_what_changed(
    desk: Living, server: YahooServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.day(THURSDAY)
    bars = server.listings["^GSPC"].bars.copy()
    bars.loc[bars[Bars.session] == "2018-12-20", Bars.volume] += 1_000_000
    server.listings["^GSPC"] = Listing(bars, "INDEX")
    with monkeypatch.context() as patch:
        patch.setattr(BarStore, "append_bars", _dies)
        with pytest.raises(KeyboardInterrupt):
            desk.day(FRIDAY)
    ledger = desk.ledger()
    (died,) = ledger.runs(BOOK, date(2018, 12, 21))
    assert [(row.field, row.explained) for row in ledger.restatements(died.run_id)] == [("volume", "late volume")]
    ledger.close()


def _dies(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_new_dividend_has_the_whole_history_asked_for(desk: Living, server: YahooServer) -> None:
    desk.day(THURSDAY)
    _rewrite(server, "2016-03-01", "2016-03-01", 1.01)  # long before the overlap of sixty sessions
    bars = server.listings["^GSPC"].bars
    bars.loc[bars[Bars.session] == "2018-12-21", Bars.dividend] = 12.5
    report = desk.day(FRIDAY)
    assert report.outcome == "no trade: data" and "2016-03-01" in report.reason


def test_monday_after_a_month_end_asks_for_the_whole_history(desk: Living, server: YahooServer) -> None:
    desk.day(datetime(2018, 11, 29, 21, 20, tzinfo=UTC))
    _rewrite(server, "2016-03-01", "2016-03-01", 1.01)  # long before the overlap of sixty sessions
    unseen = desk.day(datetime(2018, 11, 30, 21, 20, tzinfo=UTC))
    assert unseen.restated["bars"] == 0
    seen = desk.day(datetime(2018, 12, 3, 21, 20, tzinfo=UTC))
    assert seen.outcome == "no trade: data" and "2016-03-01" in seen.reason
