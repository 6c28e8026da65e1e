"""What `nightdesk up` starts, in which order, and where a person finds it."""

import json
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from rich.console import Console

from nightdesk.cli.orchestration import UP_FILE
from nightdesk.cli.services import Services, end_leftovers
from nightdesk.errors import Misconfigured
from nightdesk.ledger.lock import only_writer
from nightdesk.settings import CHECKOUT, Settings, mlflow_environment, prefect_environment, started_by_up

HOST = "127.0.0.1"
POOL = "nightdesk"
PREFECT = [sys.executable, "-m", "prefect"]
AUTOMATIONS = [sys.executable, "-m", "nightdesk.cli", "automations"]
MLFLOW = [sys.executable, "-m", "mlflow"]


def require_free_ports(here: Settings) -> None:
    """Raises `Misconfigured` naming the port, the service and the setting where something listens there already."""
    with ExitStack() as taken:
        for service, port in [("Prefect", here.prefect_port), ("MLflow", here.mlflow_port)]:
            try:
                taken.enter_context(socket.create_server((HOST, port)))
            except OSError as error:
                raise Misconfigured(
                    f"Port {port} cannot be used for {service} ({os.strerror(error.errno or 0)}): "
                    f"end what listens there, or set NIGHTDESK_{service.upper()}_PORT to another port.",
                    port=port,
                ) from None


@contextmanager
def only_up(here: Settings) -> Iterator[None]:
    """Be the one `nightdesk up` of this home for the length of the block, with nothing left of an earlier one. Raises
    `Misconfigured` where another one runs."""
    if not here.home.exists():
        require_free_ports(here)  # where it cannot start, nothing is made
    with only_writer(here.home, "up") as alone:
        if alone is None:
            running = f"Another `nightdesk up` runs in {here.home}"
            raise Misconfigured(f"{running}: end that one, or set NIGHTDESK_HOME.", home=str(here.home))
        if ended := end_leftovers(started_by_up(here)):
            print(f"Ended what an earlier `nightdesk up` had left: {', '.join(map(str, ended))}.", flush=True)
        require_free_ports(here)
        yield


def start_all(services: Services, here: Settings) -> None:
    """Both servers side by side; then the worker, which makes its work pool; then the deployments, into that pool, and what
    Prefect does by itself about their runs."""
    api = f"{here.prefect_url}/api"
    own_mlflow = not here.mlflow_uri.startswith("http")
    print("Starting Prefect and MLflow; the first start takes about half a minute.", flush=True)
    server = [*PREFECT, "server", "start", "--host", HOST, "--port", str(here.prefect_port)]
    services.start("prefect", server, here.home, prefect_environment(here))
    if own_mlflow:
        services.start("mlflow", _mlflow_server(here), here.home, mlflow_environment(here))
    _wait(services, "prefect", f"{api}/health")
    _save_addresses(here)
    worker = [*PREFECT, "worker", "start", "--pool", POOL, "--type", "process", "--name", POOL]
    services.start("worker", worker, here.home, keeps_running=True)  # a day that it has started goes on without it
    if own_mlflow:
        _wait(services, "mlflow", f"{here.mlflow_url}/health")
    _wait(services, "worker", f"{api}/work_pools/{POOL}")
    services.run("deploy", [*PREFECT, "--no-prompt", "deploy", "--all"], CHECKOUT)
    services.run("automations", AUTOMATIONS, CHECKOUT)


def where_to_look(here: Settings) -> str:
    """The addresses for a person."""
    rows = [("Prefect", here.prefect_url), ("MLflow", here.mlflow_url), ("Logs", here.home / "logs")]
    return "\n".join([*(f"{what:<9} {where}" for what, where in rows), "Ctrl-C stops all of it."])


def remove_addresses(here: Settings) -> None:
    (here.home / UP_FILE).unlink(missing_ok=True)


def _save_addresses(here: Settings) -> None:
    addresses = {"pid": os.getpid(), "prefect_api_url": f"{here.prefect_url}/api", "mlflow_url": here.mlflow_url}
    (here.home / UP_FILE).write_text(json.dumps(addresses), encoding="utf-8")


def _mlflow_server(here: Settings) -> list[str]:
    """Over the SQLite file that the desk writes itself, with artifacts as files, which it can write without the server; over
    PostgreSQL the server alone writes both."""
    artifacts = here.home / "mlflow" / "artifacts"
    artifacts.mkdir(parents=True, exist_ok=True)
    listens = ["--host", HOST, "--port", str(here.mlflow_port), "--workers", "1"]
    root = "mlflow-artifacts:/" if here.mlflow_database.get_secret_value() else artifacts.as_uri()
    return [*MLFLOW, "server", *listens, "--default-artifact-root", root, "--artifacts-destination", artifacts.as_uri()]


def _wait(services: Services, name: str, url: str) -> None:
    with Console().status(f"waiting for {name}"):
        waited_s = services.wait_until_healthy(name, url)
    print(f"  {name:<8} ready, {waited_s:.0f} s", flush=True)
