"""MLflow is a sink: with a closed port or a black hole the day completes, and what was spooled arrives later."""

import socket
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from nightdesk.day.opening import open_day
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from tests.desks import played, settings_in, strategy_file


@pytest.fixture(params=["closed port", "black hole"])
def silent_uri(request: pytest.FixtureRequest) -> Iterator[str]:
    """An address where nobody listens, or where somebody does and never answers."""
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        if request.param == "black hole":
            listener.listen(1)
        else:
            listener.close()
        yield f"http://127.0.0.1:{port}"


def _mlflow_run(home: Path) -> str:
    ledger = Ledger(ledger_file(home, "paper"))
    (model,) = ledger.models("paper/cheap/cheap")
    ledger.close()
    return model.mlflow_run_id


def test_the_day_completes_and_the_next_one_delivers_what_was_spooled(silent_uri: str, tmp_path: Path) -> None:
    strategy = strategy_file(tmp_path)
    report = played(strategy, "2018-12-20", tmp_path, mlflow_uri=silent_uri)
    assert report.outcome in ("traded", "no change") and report.exit_code == 0
    assert _mlflow_run(tmp_path) == ""
    spooled = list((tmp_path / "mlflow" / "spool").rglob("*.json"))
    assert len(spooled) >= 2
    played(strategy, "2018-12-21", tmp_path)
    run_id = _mlflow_run(tmp_path)
    assert run_id
    import mlflow

    run = mlflow.MlflowClient(settings_in(tmp_path).tracking_uri).get_run(run_id)
    assert run.data.metrics["test_accuracy"] == report.model["test_accuracy"]
    history = mlflow.MlflowClient(settings_in(tmp_path).tracking_uri).get_metric_history(run_id, "live.equity")
    assert [point.step for point in history] == [0, 1]


def test_the_same_decision_is_made_with_mlflow_and_without(silent_uri: str, tmp_path: Path) -> None:
    strategy = strategy_file(tmp_path / "strategies")
    without = played(strategy, "2018-12-20", tmp_path / "without", mlflow_uri=silent_uri)
    with_it = played(strategy, "2018-12-20", tmp_path / "with")
    assert without.decision_sha256 == with_it.decision_sha256


def test_only_one_process_runs_a_book_and_the_other_says_so(tmp_path: Path) -> None:
    strategy, here = strategy_file(tmp_path), settings_in(tmp_path)
    with (
        open_day(strategy, None, "paper", "manual", False, here),
        open_day(strategy, None, "paper", "manual", False, here) as second,
    ):
        assert second.outcome == "already running" and "'cheap'" in second.reason
