"""The ledger's database file: opened, brought to today's schema, read and written in transactions.

SQLite in the home (WAL, synchronous=FULL but for the statuses of orders), one file for each mode. Every write is one transaction
that takes the writer's place at its start (BEGIN IMMEDIATE), so that a read followed by a write cannot race. Rows are added, and
the few that change (a run's end, an order's status, a model's MLflow run) change forward only.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from nightdesk.database import sqlite_engine
from nightdesk.errors import Misconfigured, OutOfSync
from schemas.records import (
    Book,
    BrokerAccount,
    CashEvent,
    Consent,
    Control,
    Fill,
    Gap,
    Mark,
    ModelRef,
    Order,
    OutsideChange,
    PositionEvent,
    Restatement,
    Run,
)

HEAD = "0007"
"""The schema version that this code writes."""

Record = TypeVar(
    "Record",
    Book,
    BrokerAccount,
    CashEvent,
    Consent,
    Control,
    Fill,
    Gap,
    Mark,
    ModelRef,
    Order,
    OutsideChange,
    PositionEvent,
    Restatement,
    Run,
)


def ledger_file(home: Path, mode: str) -> Path:
    """Paper, live and backfill books lie in different files."""
    return home / "ledger" / f"{mode}.sqlite"


def canonical_json(body: object) -> str:
    """The one spelling of a document: sorted keys, no spaces, shortest float text, no NaN."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)


def _version(engine: sa.Engine) -> str:
    with engine.connect().execution_options(reading=True) as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return ""
        return str(connection.execute(sa.text("select version_num from alembic_version")).scalar_one_or_none() or "")


def migrate(engine: sa.Engine) -> None:
    """Bring the schema to `HEAD`. A ledger that is newer than this code is refused."""
    version = _version(engine)
    if version == HEAD:
        return
    if version > HEAD:
        raise Misconfigured(
            f"The ledger {engine.url.database} has schema {version}, newer than {HEAD} which this version writes."
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


class LedgerFile:
    """One ledger file, open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine = sqlite_engine(path)
        migrate(self.engine)

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

    def require_sound(self) -> None:
        """Raise `OutOfSync` where SQLite finds its own file damaged."""
        with self.engine.connect().execution_options(reading=True) as connection:
            verdict = connection.exec_driver_sql("PRAGMA quick_check").scalar_one()
        if verdict != "ok":
            raise OutOfSync(f"The ledger {self.path} is damaged: {verdict}.", path=str(self.path))
