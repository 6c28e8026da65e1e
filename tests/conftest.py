"""What every test shares: a home of its own, no network but loopback, and skips that can be made failures."""

import ipaddress
import os
import shutil
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings as hypothesis_settings
from pydantic import SecretStr

from nightdesk.settings import prepare_environment, settings
from tests import on_postgres

if TYPE_CHECKING:
    from tests.postgres_server import PostgresServer

TESTS = Path(__file__).parent
REQUIRED = frozenset(filter(None, os.environ.get("NIGHTDESK_REQUIRE", "").split(",")))
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def pytest_configure(config: pytest.Config) -> None:
    """Before any module is imported: a throw-away home, and nothing of the caller's own desk."""
    for key in list(os.environ):
        if key.startswith(("NIGHTDESK_", "PREFECT_API_", "MLFLOW_TRACKING_")) and key != "NIGHTDESK_REQUIRE":
            del os.environ[key]
    home = tempfile.mkdtemp(prefix="nightdesk-tests-")
    os.environ["NIGHTDESK_HOME"] = home
    prepare_environment(settings())
    hypothesis_settings.register_profile("untimed", deadline=None)  # machines are noisy
    hypothesis_settings.load_profile("untimed")
    config.add_cleanup(lambda: shutil.rmtree(home, ignore_errors=True))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--ledger", choices=("sqlite", "postgresql"), default="sqlite", help="where the ledgers of the tests are")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """On PostgreSQL only the files of tests/on_postgres.py."""
    if config.getoption("ledger") == "sqlite" or collection_path.is_dir():
        return None
    return None if collection_path.relative_to(TESTS).as_posix() in on_postgres.FILES else True


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if config.getoption("ledger") == "sqlite":
        return
    left_out = [item for item in items if getattr(item, "originalname", item.name) in on_postgres.ONLY_SQLITE]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if item not in left_out]


def require(name: str, missing: str) -> None:
    """Skip the test because of what is `missing`; fail it where NIGHTDESK_REQUIRE (a comma list) contains `name`."""
    if name in REQUIRED:
        pytest.fail(f"{missing}, and NIGHTDESK_REQUIRE asks for {name}")
    pytest.skip(missing)


def is_local(address: object) -> bool:
    """Whether a socket address stays on this machine: a Unix path, a loopback address or localhost."""
    if not isinstance(address, tuple):
        return True
    host = str(address[0])
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host in ("localhost", "")


@pytest.fixture(scope="session", autouse=True)
def _no_network_but_loopback() -> Iterator[None]:
    connect, connect_ex = socket.socket.connect, socket.socket.connect_ex

    def guarded(real: Any) -> Any:
        def call(self: socket.socket, address: Any) -> Any:
            if not is_local(address):
                raise PermissionError(f"a test tried to reach {address!r}: only loopback is allowed")
            return real(self, address)

        return call

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(socket.socket, "connect", guarded(connect))
        patch.setattr(socket.socket, "connect_ex", guarded(connect_ex))
        yield


@pytest.fixture(scope="session")
def browser() -> Path:
    """The path of a Chromium."""
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        require("browser", f"no browser found: none of {', '.join(BROWSERS)} is on the PATH")
    return Path(str(found))


@pytest.fixture(scope="session")
def postgres() -> "Iterator[PostgresServer]":
    """A PostgreSQL server."""
    from tests.postgres_server import HOW, programs, serving

    if programs() is None:
        require("postgres", HOW)
    with serving() as server:
        yield server


@pytest.fixture(scope="session", autouse=True)
def _ledgers(request: pytest.FixtureRequest) -> Iterator[None]:
    """With `--ledger postgresql`, tests and the processes that they start find the server that has the databases of all homes."""
    if request.config.getoption("ledger") == "sqlite":
        yield
        return
    from tests.homes import SERVER, TEMPLATE, save_template

    server: PostgresServer = request.getfixturevalue("postgres")
    server.execute(f"create database {TEMPLATE}")
    save_template(SecretStr(server.address(TEMPLATE)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(SERVER, server.address())
        yield


@pytest.fixture(autouse=True)
def _databases_of_one_test(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    folder = (request.node.funcargs or {}).get("tmp_path")
    if folder and request.config.getoption("ledger") == "postgresql":
        from tests.homes import drop_databases_in

        drop_databases_in(folder)
