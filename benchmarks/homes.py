"""Temporary homes, the environment that a benchmarked process gets, and a real Prefect server."""

import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep

from benchmarks.measure import BIN, Measured, measured

CHECKOUT = Path(__file__).resolve().parent.parent
SERVER_START_S = 180
OURS = ("NIGHTDESK_", "PREFECT_", "MLFLOW_")


def environment(home: Path, api_url: str = "") -> dict[str, str]:
    """The caller's environment with this checkout first, this home, and the Prefect server at `api_url` ("": an embedded one)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS)}
    set_here = {"PYTHONPATH": str(CHECKOUT), "NIGHTDESK_HOME": str(home), "NIGHTDESK_STRATEGIES": str(CHECKOUT / "strategies")}
    return kept | set_here | {"NIGHTDESK_PREFECT_API_URL": api_url}


def run_plain(home: Path, mode: str, sessions: Sequence[str], x_importtime: bool = False) -> Measured:
    """The days as plain functions in one process: `benchmarks.plain_day`."""
    options = ["-X", "importtime"] if x_importtime else []
    command = [sys.executable, *options, "-m", "benchmarks.plain_day", mode, *sessions]
    return measured(command, environment(home), home.parent)


def prepare_empty(home: Path) -> None:
    """Nothing where the home will be."""
    shutil.rmtree(home, ignore_errors=True)


def prepare_copy(pristine: Path, home: Path) -> None:
    """A fresh copy. The home keeps its path: MLflow's experiments hold it."""
    prepare_empty(home)
    shutil.copytree(pristine, home)


@contextmanager
def prefect_server(folder: Path) -> Iterator[str]:
    """A real `prefect server` on a free port with its files in `folder`; gives its API's address."""
    from tests.running import free_port  # here: a benchmark's own imports are in the time of its process

    port = free_port()
    folder.mkdir(parents=True)
    quiet = {"PREFECT_HOME": str(folder), "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "DO_NOT_TRACK": "1"}
    command = [str(BIN / "prefect"), "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            command, env=environment(folder) | quiet, cwd=folder, stdout=log, stderr=log, start_new_session=True
        )
        try:
            _await_answer(f"http://127.0.0.1:{port}/api/health", process, folder / "server.log")
            yield f"http://127.0.0.1:{port}/api"
        finally:
            os.killpg(process.pid, signal.SIGTERM)
            process.wait(timeout=30)


def _await_answer(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = monotonic() + SERVER_START_S
    while process.poll() is None and monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=2) as answer:
                if answer.status == 200 and json.load(answer) is True:
                    return
        except OSError:
            sleep(0.3)
    raise RuntimeError(f"The Prefect server did not start within {SERVER_START_S} s:\n{log.read_text()[-3000:]}")
