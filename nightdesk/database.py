"""Databases: an engine on a SQLite file that survives `kill -9`, and column types that keep decimals and instants exact."""

import sqlite3
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.engine import Dialect

from nightdesk.errors import NightdeskError, TryAgain

WAL_ATTEMPTS = 100
WAL_PAUSE_S = 0.05
FOR_A_MOMENT = {sqlite3.SQLITE_BUSY: "another process is writing to it", sqlite3.SQLITE_FULL: "the disk is full"}
"""What SQLite fails for that passes by itself, or once there is room."""


class DecimalText(sa.types.TypeDecorator[Decimal]):
    """A decimal as text: exact, and the same on SQLite and PostgreSQL."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Decimal | None, dialect: Dialect) -> str | None:
        return None if value is None else format(value, "f")

    def process_result_value(self, value: str | None, dialect: Dialect) -> Decimal | None:
        return None if value is None else Decimal(value)


class Instant(sa.types.TypeDecorator[datetime]):
    """A UTC instant as ISO 8601 text; a naive one is refused."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> str | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"an instant must carry its time zone, was {value!r}")
        return value.astimezone(UTC).isoformat(timespec="microseconds")

    def process_result_value(self, value: str | None, dialect: Dialect) -> datetime | None:
        return None if value is None else datetime.fromisoformat(value)


def sqlite_engine(path: Path) -> sa.Engine:
    """An engine on a SQLite file: WAL, synchronous=FULL, and BEGIN IMMEDIATE, so that a read before a write cannot race.

    A connection with the execution option `reading=True` begins deferred and holds up no writer. Writers queue for 30 s.
    With `unsynced=True` a commit outlives its process, but waits for the disk only with the next commit that does.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    engine = sa.create_engine(f"sqlite:///{path}", connect_args={"timeout": 30})

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = None
        _use_wal(connection)
        for pragma in ("foreign_keys=ON", "busy_timeout=30000"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        if options.get("reading"):
            connection.exec_driver_sql("BEGIN")
            return
        connection.exec_driver_sql(f"PRAGMA synchronous={'NORMAL' if options.get('unsynced') else 'FULL'}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    @sa.event.listens_for(engine, "handle_error")
    def _on_error(context: sa.engine.ExceptionContext) -> NightdeskError | None:
        code = getattr(context.original_exception, "sqlite_errorcode", 0) & 0xFF  # the rest of the number says which kind of it
        why = FOR_A_MOMENT.get(code)
        return TryAgain(f"{path} could not be used: {why}.", path=str(path)) if why else None

    return engine


def _use_wal(connection: sqlite3.Connection) -> None:
    """Switch to WAL. SQLite does not queue for this as it does for a write: processes that open a new file at once collide."""
    for attempt in range(WAL_ATTEMPTS):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or attempt + 1 == WAL_ATTEMPTS:
                raise
            time.sleep(WAL_PAUSE_S)


def insert_new(table: sa.Table, rows: list[dict[str, Any]]) -> sa.Insert:
    """An insert that leaves rows alone whose key is there already; PostgreSQL and SQLite say it in the same words."""
    return insert(table).values(rows).on_conflict_do_nothing().execution_options(preserve_rowcount=True)
