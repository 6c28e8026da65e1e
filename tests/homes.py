"""Where the ledgers of a test's home are: SQLite files in it or, with `pytest --ledger postgresql`, a database of its own."""

import hashlib
import os
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import psycopg
import sqlalchemy as sa
from pydantic import SecretStr

from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from schemas.records import Mode

SERVER = "LEDGERS_OF_THE_TESTS"
"""In the environment of the tests and of the processes that they start: a database of the server; not set: SQLite."""
TEMPLATE = "migrated"
"""The database that those of the homes are copies of: its paper ledger is there, empty."""

_made: dict[Path, SecretStr] = {}


def ledgers_of(home: Path) -> Path | SecretStr:
    """What the settings of a home say of its ledgers: the home, or the address of its database, which is made where it is new."""
    server, home = os.environ.get(SERVER), home.resolve()
    if not server:
        return home
    if home not in _made:
        _create(server, home, TEMPLATE)
    return _made[home]


def ledger_environment(home: Path) -> dict[str, str]:
    """What the environment of a process in this home has, beside the home, for its ledgers."""
    place = ledgers_of(home)
    return {} if isinstance(place, Path) else {"NIGHTDESK_LEDGER": place.get_secret_value()}


def ledger_in(home: Path, mode: Mode = "paper") -> Ledger:
    """A ledger of a home, open."""
    return Ledger(ledger_file(ledgers_of(home), mode))  # type: ignore[arg-type]  # either is one of the overloads


def edited_rows(home: Path, statement: str, **values: Any) -> int:
    """Change the paper ledger behind the desk's back: how many rows are different now."""
    with closing(ledger_in(home)) as ledger, ledger.engine.begin() as connection:
        return connection.execute(sa.text(statement), values).rowcount


def copy_ledgers(home: Path, copy: Path) -> None:
    """Beside the copy of a home's files: its database, too, where it has one. Nothing may be connected to that."""
    if server := os.environ.get(SERVER):
        ledgers_of(home)
        _create(server, copy.resolve(), _name(home.resolve()))


def save_template(address: SecretStr) -> None:
    """Make the empty ledgers that those of all homes are copies of, in a database."""
    Ledger(ledger_file(address, "paper")).close()


def drop_databases_in(folder: Path) -> None:
    """The databases of the homes in a folder are not used any more."""
    for home in [home for home in _made if home.is_relative_to(folder)]:
        _execute(os.environ[SERVER], f"drop database if exists {_name(home)} with (force)")
        del _made[home]


def _name(home: Path) -> str:
    return f"home_{hashlib.sha256(str(home).encode()).hexdigest()[:32]}"


def _create(server: str, home: Path, template: str) -> None:
    with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):  # another process was quicker
        _execute(server, f"create database {_name(home)} template {template}")
    _made[home] = SecretStr(f"{server.rpartition('/')[0]}/{_name(home)}")


def _execute(server: str, statement: str) -> None:
    with closing(psycopg.connect(server, autocommit=True)) as connection:
        connection.execute(statement.encode())
