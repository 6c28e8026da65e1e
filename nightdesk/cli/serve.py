"""What `nightdesk up` starts, in which order, and where a person finds it."""

import json
import os
import socket
import sys
from contextlib import ExitStack

from rich.console import Console

from nightdesk.cli.orchestration import UP_FILE
from nightdesk.cli.services import Services
from nightdesk.errors import Misconfigured
from nightdesk.settings import CHECKOUT, Settings

HOST = "127.0.0.1"
POOL = "nightdesk"
PREFECT = [sys.executable, "-m", "prefect"]
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


def start_all(services: Services, here: Settings) -> None:
    """Both servers side by side; then the worker, which makes its work pool; then the deployments, into that pool."""
    api = f"{here.prefect_url}/api"
    own_mlflow = not here.tracking_uri.startswith("http")
    print("Starting Prefect and MLflow; the first start takes about half a minute.", flush=True)
    services.start("prefect", [*PREFECT, "server", "start", "--host", HOST, "--port", str(here.prefect_port)], here.home)
    if own_mlflow:
        services.start("mlflow", _mlflow_server(here), here.home)
    _wait(services, "prefect", f"{api}/health")
    _save_addresses(here)
    services.start("worker", [*PREFECT, "worker", "start", "--pool", POOL, "--type", "process", "--name", POOL], here.home)
    if own_mlflow:
        _wait(services, "mlflow", f"{here.mlflow_url}/health")
    _wait(services, "worker", f"{api}/work_pools/{POOL}")
    services.run("deploy", [*PREFECT, "--no-prompt", "deploy", "--all"], CHECKOUT)


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
    """Over the database that the desk writes itself; artifacts as files, which it can write without the server."""
    artifacts = here.home / "mlflow" / "artifacts"
    artifacts.mkdir(parents=True, exist_ok=True)
    listens = ["--host", HOST, "--port", str(here.mlflow_port), "--workers", "1"]
    keeps = ["--backend-store-uri", here.tracking_uri, "--default-artifact-root", artifacts.as_uri()]
    return [*MLFLOW, "server", *listens, *keeps, "--artifacts-destination", artifacts.as_uri()]


def _wait(services: Services, name: str, url: str) -> None:
    with Console().status(f"waiting for {name}"):
        waited_s = services.wait_until_healthy(name, url)
    print(f"  {name:<8} ready, {waited_s:.0f} s", flush=True)
