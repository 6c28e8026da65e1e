"""`compose.yaml`: valid, and each service's command as it stands there, as a process over a real PostgreSQL. No Docker here."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import psutil
import pytest
import sqlalchemy as sa
import yaml
from pydantic import SecretStr

from nightdesk.cli.services import Services, answers
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.settings import CHECKOUT
from tests.postgres_server import QUOTED, PostgresServer
from tests.running import answer, environment, free_port

pytestmark = pytest.mark.timeout(300)

COMPOSED: dict[str, Any] = yaml.safe_load((CHECKOUT / "compose.yaml").read_text())
SERVICES: dict[str, Any] = COMPOSED["services"]
OURS = ("prefect", "mlflow", "worker", "console")


def test_it_is_valid_by_the_compose_specification() -> None:
    schema = json.loads((CHECKOUT / "tests" / "data" / "compose-spec.json").read_text())
    jsonschema.validate(COMPOSED, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"services": {"worker": {"comand": "x"}}}, schema)


@pytest.mark.parametrize("name", SERVICES)
def test_each_service_comes_back_has_a_health_check_and_is_published_on_loopback_only(name: str) -> None:
    service = SERVICES[name]
    assert service["restart"] == "unless-stopped" and service["healthcheck"]["test"][0] == "CMD"
    assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
    if name == "console":
        assert service["network_mode"] == "host" and "ports" not in service


def test_no_password_stands_in_it() -> None:
    for line in (CHECKOUT / "compose.yaml").read_text().splitlines():
        assert not re.search(r"://[^/\s]*:(?!\$\{)[^/\s]*@", line)


@dataclass(frozen=True)
class Stack:
    """The services as processes, with each address and folder replaced by one of this test."""

    folder: Path
    postgres: PostgresServer
    ports: dict[str, int]

    def here(self, text: str) -> str:
        """A text of compose.yaml as it must be on this machine."""
        text = re.sub(r"\$\{POSTGRES_PASSWORD:\?[^}]*\}", QUOTED, text).replace("nightdesk:" + QUOTED, "desk:" + QUOTED)
        text = re.sub(r"(@)(postgres|127\.0\.0\.1):5432", rf"\g<1>127.0.0.1:{self.postgres.port}", text)
        for name, number in (("prefect", 4200), ("mlflow", 5000), ("worker", 8080), ("console", 4300)):
            text = re.sub(rf"\b({name}|127\.0\.0\.1|localhost):{number}\b", rf"127.0.0.1:{self.ports[name]}", text)
            text = re.sub(rf"^(--port=)?{number}$", rf"\g<1>{self.ports[name]}", text)
        return re.sub(r"/data\b", str(self.folder), text).replace("0.0.0.0", "127.0.0.1")

    def command(self, name: str) -> list[str]:
        return [self.here(word) for word in SERVICES[name]["command"]]

    def told(self, name: str) -> dict[str, str]:
        return {key: self.here(value) for key, value in SERVICES[name]["environment"].items()}

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.ports[name]}"

    def is_healthy(self, name: str) -> bool:
        """By the service's own check."""
        _, *words = SERVICES[name]["healthcheck"]["test"]
        words = [sys.executable, *(self.here(word) for word in words[1:])]
        return subprocess.run(words, capture_output=True, check=False, timeout=30).returncode == 0


@pytest.fixture(scope="module")
def stack(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """All services, healthy, started in the order of `depends_on`."""
    folder = tmp_path_factory.mktemp("stack")
    postgres.execute("create database nightdesk")
    for statement in COMPOSED["configs"]["databases"]["content"].split(";"):
        if statement.strip():
            postgres.execute(statement)
    made = Stack(folder, postgres, {name: free_port() for name in OURS})
    base = environment(folder) | {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}
    base |= {"PYTHONPATH": str(CHECKOUT), "PREFECT_WORKER_QUERY_SECONDS": "2"}
    with Services(folder / "logs", base) as services:
        for waits_for_none in (True, False):
            names = [name for name in OURS if (len(SERVICES[name]["depends_on"]) == 1) == waits_for_none]
            for name in names:
                services.start(name, made.command(name), CHECKOUT, made.told(name))
            for name in names:
                pages = {"prefect": "/api/health", "mlflow": "/health", "worker": "/health", "console": "/console.css"}
                services.wait_until_healthy(name, made.url(name) + pages[name])
        yield made


def test_every_service_is_healthy_by_its_own_check(stack: Stack) -> None:
    assert {name: stack.is_healthy(name) for name in OURS} == dict.fromkeys(OURS, True)


def test_a_day_that_the_worker_runs_is_in_the_ledger_and_in_mlflow_on_postgres(stack: Stack) -> None:
    deployment = answer("GET", f"{stack.url('prefect')}/api/deployments/name/daily/daily")
    asked = {"parameters": {"strategy": "sp500_svc", "session": "2018-12-31", "mode": "paper"}}
    run = answer("POST", f"{stack.url('prefect')}/api/deployments/{deployment['id']}/create_flow_run", asked)
    until = time.monotonic() + 150
    while (found := answer("GET", f"{stack.url('prefect')}/api/flow_runs/{run['id']}"))["state_type"] != "COMPLETED":
        assert found["state_type"] not in ("FAILED", "CRASHED", "CANCELLED"), found["state"]
        assert time.monotonic() < until, found["state"]
        time.sleep(0.5)
    address = SecretStr(stack.told("worker")["NIGHTDESK_LEDGER"])
    with closing(Ledger(ledger_file(address, "paper"))) as ledger:
        (book,) = ledger.books()
        (day,) = ledger.runs(book.book_id)
        (fit,) = ledger.models(book.book_id)
    assert (day.orchestrated, day.exit_code, fit.mlflow_run_id != "") == (True, 0, True)
    engine = sa.create_engine(stack.told("mlflow")["MLFLOW_BACKEND_STORE_URI"])
    with ExitStack() as at_the_end:
        at_the_end.callback(engine.dispose)
        connection = at_the_end.enter_context(engine.connect())
        assert connection.exec_driver_sql("select run_uuid from runs").scalars().all() == [fit.mlflow_run_id]
    assert not list(stack.folder.rglob("*.db")) and not (stack.folder / "ledger").exists(), "nothing of it is in SQLite"


def test_the_console_shows_the_book_and_the_password_is_on_no_command_line(stack: Stack) -> None:
    with urllib.request.urlopen(stack.url("console"), timeout=30) as page:
        assert page.status == 200
    lines = ["\0".join(process.cmdline()) for process in psutil.Process().children(recursive=True)]
    assert len(lines) >= 4 and not [line for line in lines if QUOTED in line]
    assert answers(stack.url("mlflow") + "/health")
