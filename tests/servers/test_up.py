"""`nightdesk up` as a person starts it: real servers, a real worker, real signals."""

import hashlib
import json
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
import pytest

from nightdesk.cli.services import answers
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from tests.alpaca_account import AlpacaAccount
from tests.alpaca_data_server import KEY_ID, SECRET_KEY
from tests.alpaca_stub import AlpacaStub, serving
from tests.canaries import SECRET_KEY as CANARY
from tests.canaries import hits
from tests.running import NIGHTDESK, Up, answer, descendants, environment, left, running, start
from tests.strategy_documents import saved, seed, with_key

pytestmark = pytest.mark.timeout(400)

SAID_AT_INFO = ("5031 bars, ", " checks passed", "equity", "19 session(s) were missed, 2018-11-30 to 2018-12-28")
"""By the tasks of a day, and by a plain function."""


def wait_for(what: Callable[[], Any], within_s: float = 60) -> Any:
    until = time.monotonic() + within_s
    while not (found := what()):
        if time.monotonic() > until:
            raise TimeoutError("what the test waits for did not happen")
        time.sleep(0.05)
    return found


def processes_that_name(folder: Path) -> list[int]:
    """Processes whose command line or environment holds the folder."""
    found = []
    for process in psutil.process_iter():
        try:
            said = [*process.cmdline(), process.environ().get("NIGHTDESK_HOME", "")]
        except psutil.Error:
            continue
        if any(str(folder) in text for text in said) and process.pid != os.getpid():
            found.append(process.pid)
    return found


def test_up_prints_where_a_person_looks(up: Up) -> None:
    printed = up.printed()
    assert all(text in printed for text in (up.prefect, up.mlflow, str(up.home / "logs"), "Ctrl-C stops all of it"))


def test_up_says_to_other_commands_where_its_servers_are(up: Up) -> None:
    said = json.loads((up.home / "up.json").read_text(encoding="utf-8"))
    assert said == {"pid": up.process.pid, "prefect_api_url": f"{up.prefect}/api", "mlflow_url": up.mlflow}


def test_up_listens_on_loopback_and_nowhere_else(up: Up) -> None:
    listening = {
        row.laddr for process in descendants(up) for row in process.net_connections("inet") if row.status == psutil.CONN_LISTEN
    }
    assert {up.prefect, up.mlflow} <= {f"http://{address.ip}:{address.port}" for address in listening}
    assert {address.ip for address in listening} == {"127.0.0.1"}


def test_daily_is_scheduled_after_the_close_and_never_runs_twice_at_once(up: Up) -> None:
    daily = up.api("GET", "/deployments/name/daily/daily")
    schedule = daily["schedules"][0]
    assert (schedule["schedule"]["cron"], schedule["schedule"]["timezone"]) == ("20 16 * * 1-5", "America/New_York")
    assert schedule["active"] is True
    assert daily["global_concurrency_limit"]["limit"] == 1
    assert daily["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    assert daily["parameters"] == {"strategy": "sp500_svc", "session": None, "mode": "paper"}


def test_submit_is_scheduled_when_the_broker_takes_orders_for_the_next_open(up: Up) -> None:
    deployed = up.api("GET", "/deployments/name/submit/submit")
    crons = {(row["schedule"]["cron"], row["schedule"]["timezone"], row["active"]) for row in deployed["schedules"]}
    assert crons == {(cron, "America/New_York", True) for cron in ("5 19 * * 1-5", "45 8 * * 1-5", "20 9 * * 1-5")}
    assert deployed["global_concurrency_limit"]["limit"] == 1
    assert deployed["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    assert deployed["parameters"] == {"strategy": "sp500_svc", "mode": "paper"}


def test_backfill_is_deployed_and_has_no_schedule(up: Up) -> None:
    assert up.api("GET", "/deployments/name/backfill/backfill")["schedules"] == []


def test_run_from_prefects_page_completes_and_shows_what_was_decided(up: Up, day_run: Any) -> None:
    assert (day_run["state_type"], day_run["name"]) == ("COMPLETED", "daily sp500_svc, 2018-12-31, paper")
    assert {"decision", "day-report", "mlflow-run"} <= set(up.artifacts(day_run))


def test_run_from_prefects_page_leaves_its_decision_in_the_ledger(up: Up, day_run: Any) -> None:
    ledger = Ledger(ledger_file(up.home, "paper"))
    (book,) = [row for row in ledger.books() if row.strategy == "sp500_svc"]
    decisions = [ledger.decision(book.book_id, session) for session in sorted(ledger.decided_sessions(book.book_id))]
    ledger.close()
    made = [decision.session for decision in decisions if decision and decision.origin != "reconstructed"]
    assert made == [date(2018, 11, 29), date(2018, 12, 31)]
    assert len(decisions) == 2 + 19, "the sessions between them were missed, and rebuilt"


def test_run_from_prefects_page_logs_at_info_to_its_page(up: Up, day_run: Any) -> None:
    wanted = {"logs": {"flow_run_id": {"any_": [day_run["id"]]}, "level": {"ge_": 20}}, "limit": 200}

    def missing() -> list[str]:
        """What has not been said yet: Prefect sends the last lines on their way when a run has ended already."""
        said = " ".join(row["message"] for row in up.api("POST", "/logs/filter", wanted))
        return [words for words in SAID_AT_INFO if words not in said]

    wait_for(lambda: not missing())


def test_mlflow_server_shows_fits_that_were_logged_without_it(up: Up, day_run: Any) -> None:
    assert [fit["info"]["run_name"] for fit in up.fits()] == ["fit 2018-12-03 (paper)", "fit 2018-11-29 (paper)"]
    newest = up.fits()[0]["info"]["run_id"]
    assert f"{up.mlflow}/#/runs/{newest}" in str(up.artifacts(day_run)["mlflow-run"]["data"])
    champion = answer("GET", f"{up.mlflow}/api/2.0/mlflow/registered-models/alias?name=sp500_svc&alias=champion")
    assert champion["model_version"]["run_id"] == newest


def test_the_run_links_to_the_decisions_document_in_mlflow_byte_by_byte(up: Up, day_run: Any) -> None:
    said = str(up.artifacts(day_run)["decision-document"]["data"])
    (sha256, address) = re.findall(r"\[decision (\w+)\]\((http[^)]*)\)", said)[0]
    with urlopen(address, timeout=30) as document:
        assert hashlib.sha256(document.read()).hexdigest() == sha256


def test_secrets_reach_the_worker_by_its_environment_and_stand_nowhere_else(up: Up, day_run: Any) -> None:
    started = [up.process.pid, *(process.pid for process in descendants(up))]
    lines = {f"process {pid}": "\0".join(psutil.Process(pid).cmdline()).encode() for pid in started}
    (worker,) = (process for process in descendants(up) if "worker" in process.cmdline())
    assert worker.environ()["APCA_API_SECRET_KEY"] == CANARY
    assert len(lines) >= 4 and "up.json" in {path.name for path in up.home.iterdir()}
    assert hits({**lines, "printed": up.printed().encode()}, up.home) == []


def test_up_writes_nothing_into_the_persons_home(up: Up, day_run: Any) -> None:
    assert list((up.folder / "person").rglob("*")) == []
    assert sorted(path.name for path in up.folder.iterdir()) == ["home", "person", "printed.txt"]


@pytest.mark.parametrize("service", ["PREFECT", "MLFLOW"])
def test_busy_port_is_one_sentence_and_nothing_is_started(tmp_path: Path, service: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = environment(tmp_path, **{f"NIGHTDESK_{service}_PORT": str(port)})
        done = subprocess.run([*NIGHTDESK, "up"], env=told, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert f"Port {port}" in done.stderr and f"NIGHTDESK_{service}_PORT" in done.stderr
    assert not (tmp_path / "home").exists()


def test_interrupt_during_a_run_leaves_no_process(tmp_path: Path) -> None:
    with running(tmp_path) as up:
        run = up.create_run("backfill/backfill", {"sessions": 21})
        up.state_reached(run, "RUNNING")
        started = descendants(up)
        up.process.send_signal(signal.SIGINT)
        assert up.process.wait(90) == 0
    assert len(started) >= 4  # two servers, the worker, the flow run
    assert left(started) == []
    assert processes_that_name(tmp_path) == []
    assert not (up.home / "up.json").exists()


def test_sigterm_during_the_start_leaves_no_process(tmp_path: Path) -> None:
    up = start(tmp_path)
    started = wait_for(lambda: two if len(two := descendants(up)) >= 2 else None)
    up.process.terminate()
    assert up.process.wait(60) == 0
    assert left(started) == []
    assert processes_that_name(tmp_path) == []


def test_a_killed_up_takes_what_it_had_started_with_it(tmp_path: Path) -> None:
    up = start(tmp_path)
    started = wait_for(lambda: two if len(two := descendants(up)) >= 2 else None)
    up.process.kill()
    assert up.process.wait(30) == -signal.SIGKILL
    wait_for(lambda: left(started) == [])


def test_a_second_up_in_the_same_home_is_refused_with_a_sentence(up: Up) -> None:
    told = environment(up.folder, NIGHTDESK_PREFECT_PORT="65001", NIGHTDESK_MLFLOW_PORT="65002")
    done = subprocess.run([*NIGHTDESK, "up"], env=told, cwd=up.folder, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"nightdesk: Another `nightdesk up` runs in {up.home}: end that one, or set NIGHTDESK_HOME.\n"


def test_server_that_dies_during_the_start_stops_all_with_one_sentence(tmp_path: Path) -> None:
    up = start(tmp_path)
    started = wait_for(lambda: two if len(two := descendants(up)) >= 2 else None)
    mlflow = wait_for(lambda: next((process for process in descendants(up) if "mlflow" in process.cmdline()), None))
    mlflow.kill()
    assert up.process.wait(60) == 1
    assert up.printed().splitlines()[-1].startswith("nightdesk: mlflow ended by itself")
    assert "logs/mlflow.log" in up.printed()
    assert left(started) == []
    assert processes_that_name(tmp_path) == []


class LivingAccount(AlpacaAccount):
    """An account whose time is the machine's."""

    now = property(lambda _: datetime.now(UTC), lambda *_: None)  # type: ignore[assignment]  # a field, overridden for one test


def live_strategy(folder: Path) -> str:
    document = seed()
    today = datetime.now(UTC).date()
    changes = {"name": "alpaca", "account_number": AlpacaAccount.number, "execution": "confirm"}
    for key, value in {"market.source": "yahoo", **{f"broker.{name}": value for name, value in changes.items()}}.items():
        document = with_key(document, key, value)
    limits = {"max_daily_loss": 0.05, "max_drawdown": 0.2, "end_date": str(today + timedelta(days=100))}
    for key, value in limits.items():
        document = with_key(document, f"limits.{key}", value)
    return saved(document, folder)


def deployed(up: Up, flow: str) -> Any:
    return up.api("GET", f"/deployments/name/{flow}/cheap-live")


def crons(made: Any) -> list[tuple[str, str, bool]]:
    return sorted((row["schedule"]["cron"], row["schedule"]["timezone"], row["active"]) for row in made["schedules"])


def test_a_strategy_goes_live_in_deployments_of_its_own_and_is_stopped_again(up: Up, tmp_path: Path) -> None:
    path, number = live_strategy(tmp_path), AlpacaAccount.number
    account = LivingAccount(datetime.now(UTC), cash=Decimal(100_000), multiplier=1)
    with serving(AlpacaStub(account)) as stub:
        keys = {"APCA_API_KEY_ID": KEY_ID, "APCA_API_SECRET_KEY": SECRET_KEY}
        told = environment(up.folder, NIGHTDESK_ALPACA_URL=stub.url, NIGHTDESK_LIVE_ACCOUNT=number, **keys)

        def nightdesk(*words: str) -> "subprocess.CompletedProcess[str]":
            command = [*NIGHTDESK, *words]
            return subprocess.run(command, env=told, cwd=up.folder, capture_output=True, text=True, timeout=100, check=False)

        untested = ("--override-gates", "no backtest")
        done = nightdesk("live", path, "--override", "a trial with little money", *untested, "--account", number)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "MISSING" not in done.stdout and "waived   paper" in done.stdout
        assert done.stdout.splitlines()[-1].startswith("LIVE: daily/cheap-live, submit/cheap-live, heartbeat/cheap-live.")
        for flow in ("daily", "submit", "heartbeat"):
            made, like = deployed(up, flow), up.api("GET", f"/deployments/name/{flow}/{flow}")
            assert made["parameters"] == {**like["parameters"], "strategy": path, "mode": "live"}
            assert crons(made) == crons(like)
            same = ("entrypoint", "path", "pull_steps", "work_pool_name", "concurrency_options")
            assert {key: made[key] for key in same} == {key: like[key] for key in same}
            assert (made["paused"], made["global_concurrency_limit"]["limit"]) == (False, 1)

        stopped = nightdesk("stop", path, "--mode", "live", "--exit", "keep", "--reason", "the trial is over")
        assert stopped.returncode == 0, stopped.stderr
        assert "Paused in Prefect: daily/cheap-live, submit/cheap-live, heartbeat/cheap-live." in stopped.stdout
        assert [deployed(up, flow)["paused"] for flow in ("daily", "submit")] == [True, True]

        assert nightdesk("live", path, "--override", "again", *untested, "--account", number).returncode == 2, "it is HALTED"
        assert nightdesk("resume", "--book", "live/cheap/cheap", "--reason", "once more").returncode == 0
        assert nightdesk("live", path, "--override", "again", *untested, "--account", number).returncode == 0
        again = [deployed(up, flow) for flow in ("daily", "submit")]
        assert [(row["paused"], len(row["schedules"])) for row in again] == [(False, 1), (False, 3)]
        assert nightdesk("stop", path, "--mode", "live", "--exit", "keep", "--reason", "the trial is over").returncode == 0
    assert {row.method for row in stub.asked} == {"GET"}
    assert not up.api("GET", "/deployments/name/daily/daily")["paused"]
    ledger = Ledger(ledger_file(up.home, "live"))
    first, *_, last = ledger.controls("live/cheap/cheap")
    ledger.close()
    assert (first.state, last.state, last.reason) == ("ACTIVE", "HALTED", "the trial is over")
    assert (
        "capital 100000 USD" in first.reason
        and "override (paper, gate, evidence): a trial with little money; no backtest" in first.reason
    )


def test_a_server_that_dies_is_started_again_and_what_had_died_is_said(up: Up) -> None:
    mlflow = next(process for process in descendants(up) if "mlflow" in process.cmdline())
    mlflow.kill()
    wait_for(lambda: "mlflow ended by itself with exit code -9: it is started again in 1 s" in up.printed())
    others = {mlflow.pid, *(process.pid for process in descendants(up) if process.ppid() != up.process.pid)}
    wait_for(lambda: [row for row in descendants(up) if row.pid not in others and "mlflow" in row.cmdline()])
    wait_for(lambda: answers(f"{up.mlflow}/health"), within_s=120)
    assert "logs/mlflow.log says why" in up.printed()
    assert {fit["info"]["status"] for fit in up.fits()} == {"FINISHED"}


def automations(up: Up) -> dict[str, tuple[str, bool]]:
    """Number by name, and whether it is on."""
    found = up.api("POST", "/automations/filter", {})
    assert len({row["name"] for row in found}) == len(found)
    return {row["name"].removeprefix("nightdesk: "): (row["id"], row["enabled"]) for row in found}


def test_automations_are_made_once_stay_paused_and_tell_nobody_without_an_address(up: Up) -> None:
    made = automations(up)
    off = {"consent is wanted", "a book was restricted", "data was restated"}
    dying = {"end a run whose process died", "end a run that was never started"}
    assert {name for name, (_, enabled) in made.items() if not enabled} == off
    assert made.keys() == {*off, *dying, "a run crashed", "a run does not begin", "a run failed by itself"}
    number, _ = made["end a run that was never started"]
    headers = {"Content-Type": "application/json"}
    with urlopen(Request(f"{up.prefect}/api/automations/{number}", b'{"enabled": false}', headers, method="PATCH"), timeout=30):
        pass
    told = environment(up.folder)
    done = subprocess.run([*NIGHTDESK, "automations"], env=told, cwd=up.folder, capture_output=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    assert automations(up) == {name: made[name] for name in dying} | {"end a run that was never started": (number, False)}


def test_the_heartbeat_is_scheduled_when_a_report_is_due_and_before_the_open_also_on_weekends(up: Up) -> None:
    schedules = crons(up.api("GET", "/deployments/name/heartbeat/heartbeat"))
    assert schedules == [(cron, "America/New_York", True) for cron in ("0 18 * * *", "30 8 * * *")]
