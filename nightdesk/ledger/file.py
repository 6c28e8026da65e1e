"""The ledger's database: opened, brought to today's schema, read and written in transactions.

SQLite in the home (WAL, synchronous=FULL but for the statuses of orders), one file for each mode, or one schema for each mode in
a PostgreSQL database (`nightdesk.postgres`). Every write is one transaction
that takes the writer's place at its start, so that a read followed by a write cannot race. Rows are added, and
the few that change (a run's end, an order's status, a model's MLflow run) change forward only.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, get_args, overload

import sqlalchemy as sa
from pydantic import SecretStr

from nightdesk.database import sqlite_engine
from nightdesk.errors import Misconfigured, OutOfSync
from schemas.evidence import Evidence, Override, Replacement, Trial
from schemas.findings import Restatement
from schemas.records import (
    Book,
    BrokerAccount,
    CashEvent,
    Consent,
    Control,
    Fill,
    Gap,
    Mark,
    Mode,
    ModelRef,
    Order,
    OutsideChange,
    PositionEvent,
    Run,
)

if TYPE_CHECKING:
    from nightdesk.postgres import Schema

HEAD = "0007"
"""The schema version that this code writes."""

Record = TypeVar(
    "Record",
    Book,
    BrokerAccount,
    CashEvent,
    Consent,
    Control,
    Evidence,
    Fill,
    Gap,
    Mark,
    ModelRef,
    Order,
    OutsideChange,
    Override,
    PositionEvent,
    Replacement,
    Restatement,
    Run,
    Trial,
)


@overload
def ledger_file(home: Path, mode: str) -> Path: ...
@overload
def ledger_file(home: SecretStr, mode: str) -> "Schema": ...
def ledger_file(home: Path | SecretStr, mode: str) -> "Path | Schema":
    """Paper, live and backfill books lie in different files of a home, or schemas of the database at an address."""
    if isinstance(home, Path):
        return home / "ledger" / f"{mode}.sqlite"
    from nightdesk.postgres import Schema

    return Schema(home, mode)


def ledgers_in(home: Path | SecretStr) -> "list[Path | Schema]":
    """The ledgers that there are, in the order of their modes' names."""
    if isinstance(home, Path):
        return [*sorted((home / "ledger").glob("*.sqlite"))]
    return [schema for mode in sorted(get_args(Mode)) if (schema := ledger_file(home, mode)).exists()]


def where(home: Path | SecretStr) -> str:
    """For a person: where ledgers are, without a password."""
    if isinstance(home, Path):
        return str(home)
    from nightdesk.postgres import shown

    return shown(home)


def canonical_json(body: object) -> str:
    """The one spelling of a document: sorted keys, no spaces, shortest float text, no NaN."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def _version(engine: sa.Engine) -> str:
    with engine.connect().execution_options(reading=True) as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return ""
        return str(connection.execute(sa.text("select version_num from alembic_version")).scalar_one_or_none() or "")


def migrate(engine: sa.Engine, place: object) -> None:
    """Bring the schema to `HEAD`. A ledger that is newer than this code is refused."""
    version = _version(engine)
    if version == HEAD:
        return
    if version > HEAD:
        raise Misconfigured(f"The ledger {place} has schema {version}, newer than {HEAD} which this version writes.")
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        if engine.dialect.name == "postgresql":
            from nightdesk.postgres import use_bytewise_order

            use_bytewise_order(connection)


def _engine(place: "Path | Schema") -> sa.Engine:
    if isinstance(place, Path):
        return sqlite_engine(place)
    from nightdesk.postgres import postgres_engine

    return postgres_engine(place)


class LedgerFile:
    """One ledger, open."""

    def __init__(self, path: "Path | Schema") -> None:
        self.path = path
        self.engine = _engine(path)
        with ExitStack() as unless_ready:
            unless_ready.callback(self.engine.dispose)
            migrate(self.engine, path)
            unless_ready.pop_all()

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _writing(self, synced: bool = True) -> Iterator[sa.Connection]:
        """A transaction that is on the disk once the block has ended; what the broker can be asked again need not be `synced`."""
        with self.engine.execution_options(unsynced=not synced).begin() as connection:
            yield connection

    def _rows(self, query: sa.Select[Any]) -> Sequence[sa.RowMapping]:
        with self.engine.connect().execution_options(reading=True) as connection:
            return connection.execute(query).mappings().all()

    def _records(self, kind: type[Record], query: sa.Select[Any]) -> list[Record]:
        names = [column.name for column in fields(kind)]
        return [kind(**{name: row[name] for name in names}) for row in self._rows(query)]

    def _record(self, kind: type[Record], query: sa.Select[Any]) -> Record | None:
        """The first that the query finds."""
        found = self._records(kind, query)
        return found[0] if found else None

    def append_all_of(self, other: "LedgerFile") -> None:
        """Fill this ledger, which is empty, with every row of another, of whichever kind."""
        from nightdesk.ledger.tables import metadata

        with self._writing() as connection:
            for table in metadata.sorted_tables:
                if rows := [dict(row) for row in other._rows(sa.select(table))]:
                    connection.execute(sa.insert(table), rows)

    def require_sound(self) -> None:
        """Raise `OutOfSync` where SQLite finds its own file damaged, or PostgreSQL cannot read every row."""
        with self.engine.connect().execution_options(reading=True) as connection:
            if self.engine.dialect.name == "sqlite":
                verdict = connection.exec_driver_sql("PRAGMA quick_check").scalar_one()
            else:
                from nightdesk.postgres import unreadable_rows

                verdict = unreadable_rows(connection) or "ok"
        if verdict != "ok":
            raise OutOfSync(f"The ledger {self.path} is damaged: {verdict}.", path=str(self.path))
