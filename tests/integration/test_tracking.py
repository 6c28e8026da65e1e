"""MLflow as a sink: what it shows when it is there, what is kept when it is not, and never twice."""

import hashlib
import json
import os
import resource
import signal
import socket
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import mlflow
import pytest

from nightdesk.day.models import models_document
from nightdesk.errors import Misconfigured
from nightdesk.settings import Settings
from nightdesk.tracking.spool import Spool
from nightdesk.tracking.tracker import BacktestLog
from nightdesk.wiring.orders import open_ledger
from nightdesk.wiring.strategies import load_strategy
from tests.forks import FORKS
from tests.ledgers import append_fits
from tests.tracking import PNG, client_of, made_day_log, made_fit_log, new_tracker, runs_of

pytestmark = pytest.mark.filterwarnings("ignore:.*type hint is inferred as AnyType:UserWarning")  # when pyfunc is imported


def spooled(home: Path) -> list[Path]:
    return sorted((home / "spool").glob("0*"))


def exit_code_of(target: Callable[..., None], *values: object) -> int | None:
    child = FORKS.Process(target=target, args=values)
    child.start()
    child.join()
    return child.exitcode


def log_a_fit_and_a_day(home: Path, output: Path) -> None:
    """Everything that this process prints goes to `output`."""
    with output.open("wb") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        tracker = new_tracker(home)
        run_id = tracker.log_fit(made_fit_log(home)[0], "fit/1")
        assert tracker.log_day(made_day_log(run_id), "day/0")
        sys.stdout.flush()


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A home whose MLflow was empty and holds one fit and a day of it; the fit's run."""
    home = tmp_path_factory.mktemp("home with space")
    assert exit_code_of(log_a_fit_and_a_day, home, home / "output") == 0, (home / "output").read_text()
    (run,) = runs_of(home)
    return home, run.info.run_id


@pytest.fixture
def home(logged: tuple[Path, str], tmp_path: Path) -> Iterator[Path]:
    """A home of its own whose MLflow has its tables already (making them takes seconds)."""
    (tmp_path / "mlflow").mkdir()
    with (
        closing(sqlite3.connect(logged[0] / "mlflow" / "mlflow.db")) as made,
        closing(sqlite3.connect(tmp_path / "mlflow" / "mlflow.db")) as fresh,
    ):
        made.backup(fresh)
        for table in ("registered_model_aliases", "model_versions", "registered_models", "inputs", "tags", "params"):
            fresh.execute(f"delete from {table}")
        for table in ("latest_metrics", "metrics", "logged_model_metrics", "logged_model_params", "logged_model_tags"):
            fresh.execute(f"delete from {table}")
        for table in ("logged_models", "runs", "experiments"):
            fresh.execute(f"delete from {table}")
        fresh.commit()
    yield tmp_path


def test_a_fit_is_a_run_with_params_metrics_tags_and_files(logged: tuple[Path, str]) -> None:
    home, run_id = logged
    run = client_of(home).get_run(run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "fit 2018-12-31")
    assert run.data.params == {"estimator": "forest"}
    assert {name: run.data.metrics[name] for name in ("test_accuracy", "n_test")} == {"test_accuracy": 0.53, "n_test": 12.0}
    assert run.data.tags["mode"] == "paper"
    folder = home / "mlflow" / "artifacts" / "spx" / run_id / "artifacts"
    assert (folder / "plots" / "equity.png").read_bytes() == PNG
    assert (folder / "why.txt").read_text() == "because"
    assert spooled(home) == []


def test_a_fit_and_its_experiment_are_described_and_its_pictures_are_images_that_can_be_compared(
    logged: tuple[Path, str],
) -> None:
    home, run_id = logged
    client = client_of(home)
    assert client.get_run(run_id).data.tags["mlflow.note.content"] == "A **forest**."
    assert client.get_model_version_by_alias("spx", "champion").description == "A **forest**."
    assert client.get_experiment_by_name("spx").tags["mlflow.note.content"] == "One run for each fit."
    images = {one.path.split("+")[0] for one in client.list_artifacts(run_id, "images")}
    assert images == {"images/confusion_matrix"}


def test_a_description_that_a_person_wrote_stays_and_a_view_that_is_lost_comes_back(home: Path) -> None:
    new_tracker(home).log_fit(made_fit_log(home)[0], "fit/1")
    client = client_of(home)
    experiment = client.get_experiment_by_name("spx")
    client.set_experiment_tag(experiment.experiment_id, "mlflow.note.content", "Mine.")
    client.delete_experiment_tag(experiment.experiment_id, "mlflow.sharedViewState.fits")
    new_tracker(home).log_fit(made_fit_log(home, n_trees=4)[0], "fit/2")
    tags = client.get_experiment_by_name("spx").tags
    assert tags["mlflow.note.content"] == "Mine."
    view = json.loads(tags["mlflow.sharedViewState.fits"])
    assert (view["name"], view["createdAt"]) == ("Fits", experiment.creation_time)
    assert "metrics.`test_accuracy`" in json.loads(view["state"])["selectedColumns"]


def test_the_metrics_belong_to_the_model_and_to_the_data_it_saw(logged: tuple[Path, str]) -> None:
    home, run_id = logged
    client = client_of(home)
    run = client.get_run(run_id)
    dataset = run.inputs.dataset_inputs[0].dataset
    assert (dataset.name, "nightdesk:store/sample" in dataset.source) == ("sample ^GSPC", True)
    (output,) = run.outputs.model_outputs
    metrics = client.get_logged_model(output.model_id).metrics
    found = {(one.key, one.value, one.dataset_name, one.dataset_digest) for one in metrics}
    assert found >= {(name, run.data.metrics[name], "sample ^GSPC", dataset.digest) for name in ("test_accuracy", "n_test")}


def test_the_champion_of_the_registry_predicts_what_the_fit_predicted(logged: tuple[Path, str]) -> None:
    home, run_id = logged
    client = client_of(home)
    log, estimator = made_fit_log(home)
    assert client.get_model_version_by_alias("spx", "champion").run_id == run_id
    x = log.dataset[["a", "b"]]
    served = mlflow.pyfunc.load_model("models:/spx@champion")
    assert (served.predict(x) == estimator.predict(x)).all()
    assert served.metadata.signature.inputs.input_names() == ["a", "b"]
    with pytest.raises(mlflow.MlflowException, match="schema"):
        served.predict(x[["a"]])


def test_the_same_key_keeps_its_run_and_makes_no_second_version(logged: tuple[Path, str]) -> None:
    home, run_id = logged
    assert new_tracker(home).log_fit(made_fit_log(home)[0], "fit/1") == run_id
    assert len(runs_of(home)) == 1
    assert len(client_of(home).search_model_versions("name = 'spx'")) == 1


def test_a_days_metrics_are_points_of_the_fits_run_and_a_rerun_adds_none(home: Path) -> None:
    tracker = new_tracker(home)
    run_id = tracker.log_fit(made_fit_log(home)[0], "fit/1")
    for step, equity in [(0, 100.0), (1, 101.0), (1, 101.0)]:
        assert tracker.log_day(made_day_log(run_id, step=step, equity=equity), f"day/{step}")
    client = client_of(home)
    assert [(one.step, one.value) for one in client.get_metric_history(run_id, "live.equity")] == [(0, 100.0), (1, 101.0)]
    assert [one.step for one in client.get_metric_history(run_id, "live.benchmark")] == [0, 1]
    assert {one.path for one in client.list_artifacts(run_id, "days")} == {"days/0.json", "days/1.json", "days/equity.png"}
    assert client.get_run(run_id).data.tags["book"] == "b"
    assert client.get_run(run_id).info.status == "FINISHED"


def closed_port() -> Iterator[str]:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}"


def black_hole() -> Iterator[str]:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        yield f"http://127.0.0.1:{silent.getsockname()[1]}"


def no_mlflow() -> Iterator[str]:
    """Something else that answers every request."""
    program = (
        "import http.server as h\n"
        "class Page(h.BaseHTTPRequestHandler):\n"
        "    def do_GET(self): self.send_response(200); self.end_headers(); self.wfile.write(b'<html>')\n"
        "    do_POST = do_GET\n"
        "    def log_message(self, *args): pass\n"
        "server = h.HTTPServer(('127.0.0.1', 0), Page)\n"
        "print(server.server_port, flush=True)\n"
        "server.serve_forever()\n"
    )
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        yield f"http://127.0.0.1:{child.stdout.readline().strip()}"
        child.kill()


@pytest.mark.parametrize("server", [closed_port, black_hole, no_mlflow])
def test_an_mlflow_that_is_away_gets_fit_and_day_later_as_one_run(server: Any, home: Path) -> None:
    for uri in server():
        tracker = new_tracker(home, uri)
        assert tracker.log_fit(made_fit_log(home)[0], "fit/1") == ""
        assert not tracker.log_day(made_day_log(fit_key="fit/1"), "day/1")
        assert tracker.down and uri in tracker.reason
        assert len(spooled(home)) == 2
    sent = new_tracker(home).flush()
    (run,) = runs_of(home)
    assert sent == {"fit/1": run.info.run_id}
    assert run.data.metrics["live.equity"] == 100.0
    assert spooled(home) == []


def test_after_one_failure_nothing_more_is_tried_in_this_process(home: Path) -> None:
    calls = 0
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        silent.settimeout(0.1)
        tracker = new_tracker(home, f"http://127.0.0.1:{silent.getsockname()[1]}")
        for number in range(3):
            tracker.log_day(made_day_log("0" * 32), f"day/{number}")
        for _ in range(5):
            try:
                silent.accept()[0].close()
                calls += 1
            except TimeoutError:
                break
    assert calls == 1
    assert len(spooled(home)) == 3


def test_a_locked_database_does_not_hold_the_day(home: Path) -> None:
    with closing(sqlite3.connect(home / "mlflow" / "mlflow.db", isolation_level=None)) as other:
        other.execute("begin exclusive")
        tracker = new_tracker(home)
        assert tracker.log_fit(made_fit_log(home)[0], "fit/1") == ""
        assert tracker.down and "locked" in tracker.reason
    assert list(new_tracker(home).flush()) == ["fit/1"]


def test_a_database_that_is_none_keeps_the_log(home: Path) -> None:
    (home / "mlflow" / "mlflow.db").write_bytes(b"not a database" * 100)
    tracker = new_tracker(home)
    assert tracker.log_fit(made_fit_log(home)[0], "fit/1") == ""
    assert "not a database" in tracker.reason and len(spooled(home)) == 1


def log_a_fit_on_a_full_disk(home: Path) -> None:
    log = made_fit_log(home)[0]
    assert (home / "mlflow" / "mlflow.db").stat().st_size > 200_000
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))  # no file grows or changes beyond this
    tracker = new_tracker(home)
    assert tracker.log_fit(log, "fit/1") == ""
    assert tracker.down and tracker.reason.startswith("MLflow at ")


def test_a_full_disk_keeps_the_log(home: Path) -> None:
    assert exit_code_of(log_a_fit_on_a_full_disk, home) == 0
    assert len(spooled(home)) == 1
    assert list(new_tracker(home).flush()) == ["fit/1"]
    assert [run.info.status for run in runs_of(home)] == ["FINISHED"]


def log_a_fit_and_die_at(home: Path, step: str) -> None:
    def die(*_: object, **__: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    owner = Spool if step == "remove_item" else mlflow
    setattr(owner, step, die)
    new_tracker(home).log_fit(made_fit_log(home)[0], "fit/1")


@pytest.mark.parametrize("step", ["register_model", "log_metrics", "remove_item"])
def test_a_process_killed_on_the_way_leaves_one_run_after_the_next_flush(step: str, home: Path) -> None:
    assert exit_code_of(log_a_fit_and_die_at, home, step) == -signal.SIGKILL
    assert len(spooled(home)) == 1 and len(runs_of(home)) == 1
    sent = new_tracker(home).flush()
    (run,) = runs_of(home)
    assert sent == {"fit/1": run.info.run_id}
    assert (run.info.status, run.data.metrics["test_accuracy"]) == ("FINISHED", 0.53)
    assert len(client_of(home).search_model_versions("name = 'spx'")) == 1


def test_aliases_follow_the_order_of_the_fits_not_of_their_keys(home: Path) -> None:
    away = new_tracker(home, "http://127.0.0.1:9")
    for key in ("z-first", "a-second"):
        away.log_fit(made_fit_log(home, n_trees=len(key))[0], key)
    sent = new_tracker(home).flush()
    assert client_of(home).get_model_version_by_alias("spx", "champion").run_id == sent["a-second"]


def test_an_alias_that_was_moved_by_hand_is_reported_as_a_request(home: Path) -> None:
    tracker = new_tracker(home)
    assert tracker.run_of_alias("spx", "champion") == ""
    first, second = (tracker.log_fit(made_fit_log(home, n_trees=trees)[0], f"fit/{trees}") for trees in (3, 4))
    settings = Settings(home=home)
    strategy = load_strategy("sp500_svc", settings)
    with closing(open_ledger("paper", settings)) as ledger:
        append_fits(ledger, strategy, {date(2018, 11, 1): first, date(2018, 12, 3): second})
    client = client_of(home)
    client.rename_registered_model("spx", strategy.name)
    assert models_document("sp500_svc", settings)["request"] == ""
    client.set_registered_model_alias(strategy.name, "champion", "1")
    assert f"moved by hand to the run {first}" in models_document("sp500_svc", settings)["request"]


def test_what_can_never_be_sent_is_set_aside_with_its_reason_and_the_rest_goes_on(home: Path) -> None:
    tracker = new_tracker(home)
    assert not tracker.log_day(made_day_log(fit_key="nowhere"), "day/0")
    assert not tracker.log_day(made_day_log("0" * 32), "day/1")
    log = made_fit_log(home)[0]
    assert tracker.log_fit(replace(log, model_file_sha256=hashlib.sha256(b"other").hexdigest()), "fit/other") == ""
    assert tracker.log_fit(log, "fit/1")
    refused = sorted((home / "spool" / "refused").iterdir())
    assert [len((folder / "reason.txt").read_text()) > 0 for folder in refused] == [True, True, True]
    assert "nowhere is not in MLflow" in (refused[0] / "reason.txt").read_text()
    assert not tracker.down and spooled(home) == []


def test_two_processes_never_send_the_same_item(home: Path) -> None:
    away = new_tracker(home, "http://127.0.0.1:9")
    away.log_fit(made_fit_log(home)[0], "fit/1")
    with away._spool.lock() as first:
        assert first
        assert new_tracker(home).flush() == {}
    assert list(new_tracker(home).flush()) == ["fit/1"]


def test_a_spool_that_can_not_be_written_does_not_stop_the_day(home: Path) -> None:
    (home / "spool").write_text("a file, not a folder")
    tracker = new_tracker(home)
    assert tracker.log_fit(made_fit_log(home)[0], "fit/1") == ""
    assert tracker.down and tracker.reason


@pytest.mark.parametrize("name", ["../escape.png", "/tmp/escape.png", ""])
def test_an_artifact_stays_inside_its_run(name: str, home: Path) -> None:
    log = replace(made_fit_log(home)[0], pictures={name: PNG})
    with pytest.raises(Misconfigured, match="artifact name"):
        new_tracker(home).log_fit(log, "fit/1")
    assert spooled(home) == []


def test_a_key_with_a_quote_is_refused(home: Path) -> None:
    with pytest.raises(Misconfigured, match="tracking key"):
        new_tracker(home).log_day(made_day_log("0" * 32), "day' or 1")


def test_first_use_in_an_empty_home_prints_nothing(logged: tuple[Path, str]) -> None:
    assert (logged[0] / "output").read_text() == ""
    assert [path.name for path in (logged[0] / "mlflow" / "artifacts").iterdir()] == ["spx"]


def test_a_runs_page_is_under_the_address_of_the_ui(tmp_path: Path) -> None:
    assert new_tracker(tmp_path).run_url("abc") == "http://127.0.0.1:5000/#/runs/abc"


def test_mlflow_is_not_imported_before_it_answers() -> None:
    program = "import sys, nightdesk.tracking.tracker; print('mlflow' in sys.modules)"
    child = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert child.stdout == "False\n"


def test_a_backtest_that_had_to_wait_arrives_with_its_page_and_is_one_run_however_often_it_is_made(home: Path) -> None:
    steps = {"fold.accuracy": [0.5, 0.6], "fold.rows": [20.0, 21.0]}
    params = {f"section.key{number}": str(number) for number in range(130)}
    log = BacktestLog("spx-backtests", "2018", params, {"sharpe": 0.7}, steps, {"kind": "backtest"}, {}, {"backtest.html": "<p>"})
    assert new_tracker(home, "http://127.0.0.1:9").log_backtest(log, "backtest/1") == ""
    new_tracker(home).flush()
    run_id = new_tracker(home).log_backtest(log, "backtest/1")
    (run,) = [one for one in runs_of(home) if one.data.tags.get("kind") == "backtest"]
    assert (run.info.run_id, run.info.status, spooled(home)) == (run_id, "FINISHED", [])
    assert run.data.params == params and run.data.metrics["sharpe"] == 0.7
    points = client_of(home).get_metric_history(run_id, "fold.accuracy")
    assert [(point.step, point.value) for point in points] == [(0, 0.5), (1, 0.6)]
    assert [file.path for file in client_of(home).list_artifacts(run_id)] == ["backtest.html"]
