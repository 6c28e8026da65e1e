"""The flows against a real Prefect API: names, tags, tasks, artifacts, states; one harness for all of them."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import yaml

from nightdesk.clock import WallClock
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.market.sample import SampleSource
from nightdesk.sessions import exchange_sessions
from nightdesk.settings import CHECKOUT, Settings
from nightdesk.wiring.orders import new_book
from nightdesk.wiring.strategies import load_strategy
from schemas.bars import Bars
from schemas.records import Consent
from tests.desks import played, settings_in, strategy_file
from tests.notice_server import NoticeServer, taking
from tests.strategy_documents import NO_MLFLOW, saved, seed, with_key

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("flows")


@pytest.fixture(scope="module", autouse=True)
def harness(home: Path) -> Iterator[None]:
    """A Prefect server with an empty database, and a desk whose settings are this home's."""
    from prefect.testing.utilities import prefect_test_harness

    import tasks.backtest
    import tasks.heartbeat
    import tasks.opening
    import tasks.submit

    with pytest.MonkeyPatch.context() as patch, prefect_test_harness(server_startup_timeout=120):
        for module in (tasks.backtest, tasks.heartbeat, tasks.opening, tasks.submit):
            patch.setattr(module, "settings", lambda: Settings(home=home, data=home / "data"))
        yield


@pytest.fixture(scope="module")
def strategy(home: Path) -> str:
    return strategy_file(home / "strategies")


@pytest.fixture(scope="module")
def finished(strategy: str) -> Any:
    """The state of one daily run."""
    from flows.daily import daily

    return daily(strategy, date(2018, 12, 20), return_state=True)


def save_sample(folder: Path, last: str, moved: str = "") -> None:
    """The sample's S&P 500 up to a session as a file of the user's, with the prices of one session moved by 0.1 %."""
    bars = SampleSource().fetch_bars(["^GSPC"], date(2016, 1, 4), date.fromisoformat(last))
    bars.loc[bars[Bars.session] == moved, [Bars.open, Bars.high, Bars.low, Bars.close]] *= 1.001
    folder.mkdir(parents=True, exist_ok=True)
    bars.drop(columns=Bars.symbol).to_csv(folder / "^GSPC.csv", index=False)


def _flow_runs(name: str) -> list[Any]:
    from prefect import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterName

    with get_client(sync_client=True) as client:
        return client.read_flow_runs(flow_run_filter=FlowRunFilter(name=FlowRunFilterName(any_=[name])))


def _artifacts(flow_run: Any) -> dict[str, Any]:
    from prefect import get_client
    from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId

    with get_client(sync_client=True) as client:
        found = client.read_artifacts(artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[flow_run.id])))
    return {artifact.key: artifact.data for artifact in found}


def _events(name: str) -> list[Any]:
    """The events of a name, once the server has written one down."""
    from prefect import get_client

    until = time.monotonic() + 60
    with get_client(sync_client=True) as client:
        while True:
            found = client.request("POST", "/events/filter", json={"filter": {"event": {"name": [name]}}}).json()["events"]
            if found or time.monotonic() > until:
                return list(found)
            time.sleep(0.5)


def test_a_daily_run_is_named_after_its_session_and_tagged(finished: Any) -> None:
    (run,) = _flow_runs("daily cheap, 2018-12-20, paper")
    assert set(run.tags) == {"cheap", "paper", "session:2018-12-20", f"outcome:{finished.result().outcome}"}
    assert (run.state.type.value, run.state.name) == ("COMPLETED", finished.name)
    assert finished.result().session == date(2018, 12, 20)


def test_a_daily_run_has_the_nine_tasks_in_the_order_of_the_day(finished: Any) -> None:
    from prefect import get_client
    from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId

    import tasks

    (run,) = _flow_runs("daily cheap, 2018-12-20, paper")
    with get_client(sync_client=True) as client:
        ran = client.read_task_runs(flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run.id])))
    ordered = [task.name.partition(" ")[2] for task in sorted(ran, key=lambda task: task.start_time)]
    files = [line.split(". ")[1].split(":")[0] for line in str(tasks.__doc__).splitlines() if line[:1].isdigit()]
    assert ordered == [_task_name(file) for file in files]
    assert all(task.state.name == "Completed" for task in ran)


def _task_name(file: str) -> str:
    """The one task of a file of `tasks/`."""
    import importlib

    from prefect import Task

    (task,) = (value for value in vars(importlib.import_module(f"tasks.{file}")).values() if isinstance(value, Task))
    return str(task.name)


def test_a_daily_run_shows_the_decision_the_report_with_its_plot_and_the_mlflow_run(finished: Any) -> None:
    shown = _artifacts(_flow_runs("daily cheap, 2018-12-20, paper")[0])
    assert set(shown) == {"decision", "orders", "decision-document", "day-report", "mlflow-run"}
    assert [row["instrument"] for row in json.loads(shown["orders"])] == ["SPXSIM"]
    (row,) = json.loads(shown["decision"])
    assert (row["instrument"], row["action"], row["score_kind"]) == ("SPXSIM", "target", "margin")
    assert "data:image/png;base64,iVBOR" in shown["day-report"] and "Thursday 20 December 2018" in shown["day-report"]
    assert "/#/" in shown["mlflow-run"] and "/runs/" in shown["mlflow-run"]
    assert finished.result().decision_sha256 in shown["decision-document"]
    assert "days%2F2018-12-20.json" in shown["decision-document"]


def test_a_past_that_the_vendor_rewrote_is_a_table_in_prefect_and_a_line_of_the_report(home: Path) -> None:
    from flows.daily import daily

    save_sample(home / "data", "2018-12-17")
    strategy = strategy_file(home / "rewritten", source='"csvdir"', min_test_accuracy="0.0")
    renamed = Path(strategy).with_name("rewritten.toml")
    renamed.write_text(Path(strategy).read_text().replace('name = "cheap"', 'name = "rewritten"'))
    first = daily(str(renamed), None, return_state=True).result()
    save_sample(home / "data", "2018-12-18", moved="2018-12-13")
    stopped = daily(str(renamed), None, return_state=True)
    assert (first.session, first.exit_code) == (date(2018, 12, 17), 0)
    assert (stopped.name, stopped.type.value) == ("No trade: data", "COMPLETED")
    shown = _artifacts(_flow_runs("daily rewritten, 2018-12-18, paper")[0])
    rows = json.loads(shown["restated-bars"])
    assert {(row["session"], row["field"], row["done"]) for row in rows} == {
        ("2018-12-13", field, "quarantined") for field in ("open", "high", "low", "close")
    }
    assert "The vendor changed 1 stored bar without a dividend or split behind it" in shown["day-report"]
    assert "The decision of 2018-12-17 in paper/rewritten/rewritten would be the same" in shown["day-report"]
    (event,) = _events("nightdesk.data.restated")
    assert event["resource"]["prefect.resource.id"] == "nightdesk.book.paper/rewritten/rewritten"
    assert event["payload"]["session"] == "2018-12-18"
    assert event["payload"]["reason"].startswith("The vendor changed 1 stored bar")


def test_the_flow_decides_what_the_plain_functions_decide(finished: Any, tmp_path: Path) -> None:
    plain = played(strategy_file(tmp_path / "strategies"), "2018-12-20", tmp_path, mlflow_uri=NO_MLFLOW)
    assert finished.result().decision_sha256 == plain.decision_sha256
    assert finished.result().orchestrated and not plain.orchestrated


def test_a_second_daily_run_resumes_the_decision(finished: Any, strategy: str) -> None:
    from flows.daily import daily

    again = daily(strategy, date(2018, 12, 20), return_state=True)
    assert again.result().resumed and again.result().decision_sha256 == finished.result().decision_sha256


def test_bad_data_ends_in_a_completed_run_that_is_named_after_it_and_is_still_reported_also_to_a_person(
    strategy: str, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tasks.opening
    from flows.daily import daily
    from nightdesk.market.sample import SampleSource

    honest = SampleSource.fetch_bars
    monkeypatch.setattr(SampleSource, "fetch_bars", lambda *args: honest(*args).iloc[:-1])
    with taking(NoticeServer()) as server:
        monkeypatch.setattr(tasks.opening, "settings", lambda: settings_in(home, notify=server.address()))
        state = daily(strategy, date(2018, 12, 21), return_state=True)
    ((_, notice),) = server.posted
    assert notice["title"] == "Nightdesk cheap 2018-12-21: no trade: data"
    page = str(notice["message"]).splitlines()[-1]
    assert page.startswith("http://127.0.0.1:") and page.endswith(
        f"/runs/flow-run/{_flow_runs('daily cheap, 2018-12-21, paper')[0].id}"
    )
    assert (state.type.value, state.name) == ("COMPLETED", "No trade: data")
    assert "2018-12-21" in state.message
    assert set(_artifacts(_flow_runs("daily cheap, 2018-12-21, paper")[0])) == {"day-report"}


def test_a_backfill_plays_each_session_once_and_goes_on_behind_the_last(strategy: str) -> None:
    from flows.backfill import backfill

    first = backfill(strategy, 3, return_state=True)
    again = backfill(strategy, 3, return_state=True)
    assert (first.name, again.name) == ("Played", "Nothing to play")
    assert [len(_flow_runs(f"daily cheap, 2018-12-{day}, backfill")) for day in (27, 28, 31)] == [1, 1, 1]


@pytest.mark.parametrize(("error", "asked"), [("TryAgain", 3), ("BadData", 1)])
def test_ingest_is_tried_again_only_where_the_source_could_not_be_reached(
    error: str, asked: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tasks.opening
    from flows.daily import daily
    from nightdesk import errors
    from nightdesk.market.sample import SampleSource
    from tasks.ingest import ingest_bars

    honest, calls = SampleSource.fetch_bars, []

    def fails_twice(*args: Any) -> Any:
        calls.append(args)
        if len(calls) < 3:
            raise getattr(errors, error)("the source is away")
        return honest(*args)

    monkeypatch.setattr(SampleSource, "fetch_bars", fails_twice)
    monkeypatch.setattr(ingest_bars, "retry_delay_seconds", [0, 0, 0])
    monkeypatch.setattr(tasks.opening, "settings", lambda: settings_in(tmp_path, mlflow_uri=NO_MLFLOW))
    state = daily(strategy_file(tmp_path / "strategies"), date(2018, 12, 20), return_state=True)
    assert (len(calls), state.type.value) == (asked, "COMPLETED")
    assert (state.name == "No trade: data") == (error == "BadData")


def test_a_failed_day_is_a_failed_run_that_still_carries_its_report(strategy: str, home: Path) -> None:
    from flows.daily import daily

    files = list((home / "models").glob("*.skops"))
    kept = {file: file.read_bytes() for file in files}
    try:
        for file in files:
            file.write_bytes(kept[file] + b"tampered")
        state = daily(strategy, date(2018, 12, 24), return_state=True)
    finally:
        for file in files:
            file.write_bytes(kept[file])
    assert (state.type.value, state.name) == ("FAILED", "Failed: retrain")
    report = state.result(raise_on_failure=False)
    assert (report.exit_code, report.orders) == (6, ()) and "SHA-256" in report.reason


def asked_strategy(folder: Path, name: str) -> str:
    """A strategy that buys, and whose orders wait for a person."""
    own = with_key(with_key(seed(), "name", name), "broker.account", name)
    return saved(with_key(own, "broker.execution", "confirm"), folder / name)


def test_submit_leaves_alone_what_waits_for_a_person_and_sends_it_once_that_person_has_consented(home: Path) -> None:
    from flows.submit import submit

    strategy = asked_strategy(home, "asked")
    report = played(strategy, "2018-12-03", home)
    assert report.outcome == "waiting"
    waiting = submit(strategy, return_state=True)
    ledger = Ledger(ledger_file(home, "paper"))
    ledger.append_consent(Consent(report.decision_sha256, report.book, report.session, "approve", "ann", WallClock().now()))
    ledger.close()
    sent, again = submit(strategy, return_state=True), submit(strategy, return_state=True)

    assert [(state.name, state.type.value) for state in (waiting, sent, again)] == [
        ("Waiting", "COMPLETED"),
        ("Traded", "COMPLETED"),
        ("No change", "COMPLETED"),
    ]
    tables = [_artifacts(run).get("orders") for run in _flow_runs(f"submit {strategy}, paper")]
    stands = sorted((row["instrument"], row["stands"]) for table in tables if table for row in json.loads(table))
    assert stands == [("SPXSIM", "accepted"), ("SPXSIM", "accepted"), ("SPXSIM", "intent")]


@pytest.mark.parametrize(("outcome", "code", "asked"), [("failed: order", 7, 3), ("unknown order", 6, 1)])
def test_submit_is_tried_again_only_where_nothing_can_have_left(
    outcome: str, code: int, asked: int, strategy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.submit import submit
    from nightdesk.day import submit as sending
    from tasks.submit import submit_orders

    answer = json.dumps({"outcome": outcome, "reason": "the broker is away", "exit_code": code})
    script = f"open({str(tmp_path / 'asked')!r}, 'a').write('.'); print({answer!r})"
    monkeypatch.setattr(sending, "ORDERING", [sys.executable, "-c", script])
    monkeypatch.setattr(submit_orders, "retry_delay_seconds", [0, 0])
    state = submit(strategy, return_state=True)
    assert (state.type.value, state.name.lower(), state.message) == ("FAILED", outcome, "the broker is away")
    assert len((tmp_path / "asked").read_text()) == asked


def test_a_backtest_shows_its_words_its_folds_and_its_run_in_mlflow_and_orders_nothing(strategy: str, home: Path) -> None:
    from mlflow import MlflowClient

    from flows.backtest import backtest

    state = backtest(strategy, date(2018, 12, 3), date(2018, 12, 20), 50_000.0, return_state=True)
    assert (state.name, state.type.value) == ("Played", "COMPLETED") and state.message.startswith("13 sessions, one history.")
    shown = _artifacts(_flow_runs(f"backtest {strategy}")[0])
    assert set(shown) == {"backtest-progress", "backtest-report", "backtest-folds", "backtest-run", "backtest-page"}
    (row,) = json.loads(shown["backtest-folds"])
    assert (row["from"], row["to"], row["rows"]) == ("2018-12-03", "2018-12-19", 12)  # the last is not known yet
    assert state.message in shown["backtest-report"] and "path=backtest.html" in shown["backtest-page"]
    (page,) = (home / "reports" / "backtest" / "cheap").iterdir()

    client = MlflowClient(f"sqlite:///{home / 'mlflow' / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("cheap-backtests")
    (run,) = client.search_runs([experiment.experiment_id])
    assert run.info.run_id in shown["backtest-run"] and run.info.status == "FINISHED"
    assert {"kind": "backtest", "start": "2018-12-03", "end": "2018-12-20"}.items() <= run.data.tags.items()
    assert run.data.params["costs.slippage_bps"] and run.data.metrics["sessions"] == 13
    assert f"{100 * run.data.metrics['total_return']:z.2f}" in shown["backtest-report"]
    (point,) = client.get_metric_history(run.info.run_id, "fold.accuracy")
    assert f"{100 * point.value:.1f}" == row["accuracy [%]"]
    assert Path(client.download_artifacts(run.info.run_id, "backtest.html", str(home))).read_bytes() == page.read_bytes()
    ledger = Ledger(ledger_file(home, "paper"))
    assert not any(str(order.decided_session) == "2018-12-03" for order in ledger.orders("paper/cheap/cheap"))
    ledger.close()


def test_a_heartbeat_without_anything_due_completes_and_one_without_a_report_fails(
    home: Path, strategy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows.heartbeat import heartbeat

    well = heartbeat(strategy, return_state=True)
    assert (well.type.value, well.name) == ("COMPLETED", "Reported")
    living = strategy_file(home / "living", source='"yahoo"')
    sessions, friday = exchange_sessions("XNYS"), date(2018, 12, 21)
    with closing(Ledger(ledger_file(home, "paper"))) as ledger:
        book = new_book(load_strategy(living, settings_in(home)), "paper").book_id
        assert min(run.session for run in ledger.runs(book) if run.session) < friday
    monkeypatch.setattr(WallClock, "now", lambda _: sessions.closes_at(date(2019, 1, 2)) + timedelta(hours=3))
    silent = heartbeat(living, return_state=True)
    assert (silent.type.value, silent.name) == ("FAILED", "No report")
    assert "2019-01-02" in str(silent.message)


@pytest.mark.parametrize(("first", "days"), [(datetime(2026, 3, 6), 4), (datetime(2026, 10, 30), 4)])
def test_schedules_keep_to_new_yorks_hours_over_a_change_of_the_clocks(first: datetime, days: int) -> None:
    from prefect.server.schemas.schedules import CronSchedule

    zone = ZoneInfo("America/New_York")
    made = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text())["deployments"]
    begin = first.replace(tzinfo=zone)
    for row in [row for deployment in made for row in deployment["schedules"]]:
        schedule = CronSchedule(cron=row["cron"], timezone=row["timezone"])
        dates = asyncio.run(schedule.get_dates(100, begin, begin + timedelta(days=days)))
        minute, hour, _, _, weekdays = row["cron"].split()
        local = [instant.astimezone(zone) for instant in dates]
        assert {(instant.hour, instant.minute) for instant in local} == {(int(hour), int(minute))}
        assert len({instant.date() for instant in local}) == len(local) == (4 if weekdays == "*" else 2)
