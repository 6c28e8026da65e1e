"""A real `nightdesk up` in a folder of its own, and what can be asked of it."""

import contextlib
import json
import os
import random
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from tenacity import retry, retry_if_exception, stop_after_delay, wait_fixed

from tests.canaries import KEY_ID, SECRET_KEY, notify_address
from tests.homes import ledger_environment

NIGHTDESK = [sys.executable, "-c", "from nightdesk.cli import main; main()"]
PLAY_SESSION = """
import sys
from datetime import date
from nightdesk.day.play import play_day
from nightdesk.settings import prepare_environment, settings
prepare_environment(settings())
play_day("sp500_svc", date.fromisoformat(sys.argv[1]), "paper", "manual", settings())
"""


@dataclass(frozen=True)
class Up:
    """`nightdesk up` as a process: `folder/home` is the desk's home, `folder/person` the HOME of whoever started it."""

    folder: Path
    process: "subprocess.Popen[bytes]"
    prefect: str
    mlflow: str

    @property
    def home(self) -> Path:
        return self.folder / "home"

    def printed(self) -> str:
        return (self.folder / "printed.txt").read_text(encoding="utf-8")

    def api(self, method: str, path: str, body: object = None) -> Any:
        return answer(method, f"{self.prefect}/api{path}", body)

    def mlflow_api(self, path: str, body: object) -> Any:
        return answer("POST", f"{self.mlflow}/api/2.0/mlflow{path}", body)

    def create_run(self, deployment: str, parameters: dict[str, object]) -> Any:
        """A flow run as the button of Prefect's page makes it."""
        made = self.api("GET", f"/deployments/name/{deployment}")
        wanted = {"parameters": parameters, "idempotency_key": str(uuid.uuid4())}
        return self.api("POST", f"/deployments/{made['id']}/create_flow_run", wanted)

    def state_reached(self, run: Any, *types: str, within_s: float = 120) -> Any:
        """The flow run once it is in a state of these types."""
        until = time.monotonic() + within_s
        while (found := self.api("GET", f"/flow_runs/{run['id']}"))["state_type"] not in types:
            if time.monotonic() > until:
                raise TimeoutError(f"{found['name']} is {found['state_type']}: {found['state']['message']}")
            time.sleep(0.3)
        return found

    def artifacts(self, run: Any) -> dict[str, Any]:
        """The artifacts of a flow run by their key."""
        found = self.api("POST", "/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
        return {artifact["key"]: artifact for artifact in found}

    def fits(self) -> list[Any]:
        """The runs in MLflow, newest first."""
        found = self.mlflow_api("/experiments/search", {"filter_string": "name = 'sp500_svc'", "max_results": 1})
        ids = [experiment["experiment_id"] for experiment in found["experiments"]]
        return list(self.mlflow_api("/runs/search", {"experiment_ids": ids}).get("runs", []))


def is_busy(error: BaseException) -> bool:
    """Whether a server says that its database is locked for the moment: Prefect's own client asks again then, too."""
    return isinstance(error, urllib.error.HTTPError) and error.code == 503


@retry(retry=retry_if_exception(is_busy), stop=stop_after_delay(60), wait=wait_fixed(1), reraise=True)
def answer(method: str, url: str, body: object = None) -> Any:
    content = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, content, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)


def free_port() -> int:
    """A port that nobody listens on, below those that the system gives to connections: none takes it before its server starts."""
    while True:
        port = random.SystemRandom().randrange(20_000, 32_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def environment(folder: Path, **more: str) -> dict[str, str]:
    """The environment of a person who has never used any of this."""
    person = folder / "person"
    person.mkdir(parents=True, exist_ok=True)
    foreign = ("NIGHTDESK_", "PREFECT_", "MLFLOW_", "XDG_", "MPLCONFIGDIR")
    own = {key: value for key, value in os.environ.items() if not key.startswith(foreign)}
    home = folder / "home"
    return own | {"HOME": str(person), "NIGHTDESK_HOME": str(home)} | ledger_environment(home) | more


def play_session(folder: Path, session: str) -> None:
    """A day by hand, before any server runs."""
    command = [sys.executable, "-c", PLAY_SESSION, session]
    subprocess.run(command, env=environment(folder), cwd=folder, check=True, timeout=120, capture_output=True)


@contextmanager
def console(folder: Path, port: int) -> Iterator[str]:
    """`nightdesk console` over the home in a folder, as a process of its own."""
    command = [*NIGHTDESK, "console", "--port", str(port)]
    with subprocess.Popen(command, env=environment(folder), cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().split()[0]
        finally:
            process.terminate()


def start(folder: Path, **more: str) -> Up:
    """Start `nightdesk up` on free ports, with canaries for secrets; it is not ready yet."""
    prefect, mlflow = free_port(), free_port()
    ports = {"NIGHTDESK_PREFECT_PORT": str(prefect), "NIGHTDESK_MLFLOW_PORT": str(mlflow)}
    secrets = {"APCA_API_KEY_ID": KEY_ID, "APCA_API_SECRET_KEY": SECRET_KEY, "NIGHTDESK_NOTIFY": notify_address(9)}
    with (folder / "printed.txt").open("wb") as printed:
        process = subprocess.Popen(
            [*NIGHTDESK, "up"],
            env=environment(folder, **{**ports, **secrets, **more}),
            cwd=folder,
            stdout=printed,
            stderr=subprocess.STDOUT,
        )
    return Up(folder, process, f"http://127.0.0.1:{prefect}", f"http://127.0.0.1:{mlflow}")


@contextmanager
def running(folder: Path, within_s: float = 200, **more: str) -> Iterator[Up]:
    """A `nightdesk up` that is ready; it is interrupted at the end."""
    up = start(folder, **more)
    try:
        until = time.monotonic() + within_s
        while "Ctrl-C" not in up.printed():
            if up.process.poll() is not None or time.monotonic() > until:
                raise RuntimeError(f"nightdesk up did not get ready: {up.printed()}")
            time.sleep(0.2)
        yield up
    finally:
        stop(up)


def stop(up: Up) -> None:
    """Interrupt it as Ctrl-C does; kill what then is left."""
    started = descendants(up)
    if up.process.poll() is None:
        up.process.send_signal(signal.SIGINT)
    try:
        up.process.wait(90)
    finally:
        for process in left(started):
            process.kill()


def descendants(up: Up) -> list[psutil.Process]:
    """All processes that it started, and that they started."""
    try:
        return list(psutil.Process(up.process.pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return []


def left(started: list[psutil.Process]) -> list[psutil.Process]:
    """Those that still run; a process is known by its number and its start."""
    return [process for process in started if process.is_running() and process.status() != psutil.STATUS_ZOMBIE]
