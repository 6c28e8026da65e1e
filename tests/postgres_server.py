"""A PostgreSQL server of the tests' own, from the system's programs, on loopback with a password."""

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import psycopg
import sqlalchemy as sa
from pydantic import SecretStr

from nightdesk.ledger.store import Ledger
from nightdesk.ledger.tables import metadata
from tests.running import free_port

PASSWORD = "canary/pass+word=of&the desk"
QUOTED = "canary%2Fpass%2Bword%3Dof%26the%20desk"
HOW = "PostgreSQL's initdb and postgres were not found: install them (on Debian and Ubuntu: apt-get install postgresql)"


def programs() -> Path | None:
    """The folder of PostgreSQL's programs, the newest; Debian keeps them off the PATH."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[4]))
    on_path = shutil.which("initdb")
    return found[-1].parent if found else Path(on_path).resolve().parent if on_path else None


class PostgresServer:
    """It can be stopped, killed and started again; each `database()` is a new one."""

    def __init__(self, bin_folder: Path, folder: Path) -> None:
        self._bin, self._folder = bin_folder, folder
        self._user = pwd.getpwnam("postgres").pw_uid if os.getuid() == 0 else os.getuid()  # PostgreSQL refuses to run as root
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        os.chown(folder, self._user, -1)
        password = folder / "password"
        password.write_text(PASSWORD)
        password.chmod(0o644)
        made = ["--pgdata", str(folder / "data"), "--auth=scram-sha-256", "--username=desk", f"--pwfile={password}"]
        self._run(str(bin_folder / "initdb"), *made, "--no-sync", "--encoding=UTF8", "--locale=C.UTF-8")

    def _run(self, *command: str) -> None:
        subprocess.run(command, user=self._user, cwd=self._folder, check=True, capture_output=True, timeout=60)

    def start(self) -> None:
        """Start it where it does not run, and wait until it answers."""
        if self._process and self._process.poll() is None:
            return
        options = [f"--port={self.port}", "--listen_addresses=127.0.0.1", f"--unix_socket_directories={self._folder}"]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [str(self._bin / "postgres"), "-D", str(self._folder / "data"), *options],
                user=self._user,
                cwd=self._folder,
                stdout=log,
                stderr=log,
            )
        ready = [str(self._bin / "pg_isready"), "--host=127.0.0.1", f"--port={self.port}", "--quiet"]
        until = time.monotonic() + 60
        while subprocess.run(ready, check=False).returncode:
            if self._process.poll() is not None or time.monotonic() > until:
                raise RuntimeError((self._folder / "log").read_text())
            time.sleep(0.05)

    def stop(self, number: int = signal.SIGINT) -> None:
        """End it: quickly and cleanly, or with SIGQUIT as a crash ends it."""
        if self._process and self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(60)

    def address(self, database: str = "postgres", scheme: str = "postgresql") -> str:
        return f"{scheme}://desk:{QUOTED}@127.0.0.1:{self.port}/{database}"

    def database(self, template: str = "template0") -> SecretStr:
        """The address of a new, empty database, or of a copy of another."""
        name = f"d{uuid.uuid4().hex}"
        self.execute(f"create database {name} template {template}")
        return SecretStr(self.address(name))

    def execute(self, statement: str, database: str = "postgres") -> None:
        with closing(psycopg.connect(self.address(database), autocommit=True)) as connection:
            connection.execute(statement.encode())


@contextmanager
def serving() -> Iterator[PostgresServer]:
    """A server that is up; nothing of it is left afterwards. Raises `FileNotFoundError`, which says how to install it."""
    bin_folder = programs()
    if bin_folder is None:
        raise FileNotFoundError(HOW)
    folder = Path(tempfile.mkdtemp(prefix="nightdesk-postgres-"))
    try:
        server = PostgresServer(bin_folder, folder)
        try:
            server.start()
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def emptied(ledger: Ledger) -> None:
    """Take every row out of a ledger."""
    with ledger.engine.begin() as connection:
        for table in reversed(metadata.sorted_tables):
            connection.execute(sa.delete(table))
