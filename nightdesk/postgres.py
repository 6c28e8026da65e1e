"""PostgreSQL in the place of SQLite for the ledgers: one database, a schema for each mode, the same promises.

Writers of a ledger take turns from the start of a transaction on, as SQLite's do. A commit is on the server's disk. A server that
is gone is waited for; after that, or where it leaves in the middle, it is `TryAgain`.
"""

import hashlib
import logging
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg
import sqlalchemy as sa
from pydantic import SecretStr

from nightdesk.errors import Misconfigured, NightdeskError, TryAgain

WAIT_S = 60.0
"""How long a server that does not answer is waited for."""
PAUSE_S = 1.0
TURN_MS: Final = 30_000
"""How long a writer waits for its turn."""
ALIVE: Final = {"keepalives_idle": "30", "keepalives_interval": "10", "keepalives_count": "3", "connect_timeout": "10"}
"""A host or a server that died without a word is noticed by the other within a minute."""
FOR_A_MOMENT: Final = ("08", "53", "55P03", "57")
"""SQLSTATEs that pass by themselves: connection, resources (a full disk too), a turn that did not come, a server that stops."""
REFUSED: Final = ("authentication failed", "no password supplied", "does not exist", "pg_hba.conf", "not permitted to log in")

_log = logging.getLogger("nightdesk.postgres")


@dataclass(frozen=True, slots=True)
class Schema:
    """Where a mode's ledger lies in the database at `address`."""

    address: SecretStr
    stem: str

    @property
    def name(self) -> str:
        return f"nightdesk_{self.stem}"

    def __str__(self) -> str:
        return f"{self.name} in {shown(self.address)}"

    def exists(self) -> bool:
        with closing(_connection(self.address)) as connection:
            return bool(_one(connection, "select to_regclass(%s) is not null", f"{self.name}.books"))


def shown(address: SecretStr) -> str:
    """An address without its password and options."""
    url = sa.make_url(address.get_secret_value())
    return f"the database {url.database} at {url.host or 'this machine'}"


def postgres_engine(schema: Schema) -> sa.Engine:
    """An engine on the tables of one schema, made where it is new.

    With the execution option `reading=True` a connection waits for no writer; with `unsynced=True` its commit waits for no disk.
    """
    url = sa.make_url(schema.address.get_secret_value()).set(drivername="postgresql+psycopg")
    engine = sa.create_engine(
        url, pool_pre_ping=True, isolation_level="READ COMMITTED", connect_args={**_defaults(url), "prepare_threshold": None}
    )

    @sa.event.listens_for(engine, "do_connect")
    def _on_reaching(_dialect: object, _record: object, args: Any, options: Any) -> psycopg.Connection[Any]:
        return _reached(schema.address, *args, **options)

    @sa.event.listens_for(engine, "connect")
    def _on_connect(connection: psycopg.Connection[Any], _record: object) -> None:
        _prepare(connection, schema)
        connection.commit()

    @sa.event.listens_for(engine, "begin")
    def _on_begin(connection: sa.Connection) -> None:
        options = connection.get_execution_options()
        if options.get("reading"):
            return
        connection.exec_driver_sql("select pg_advisory_xact_lock(%s)", (_key(f"writer {schema.name}"),))
        if options.get("unsynced"):
            connection.exec_driver_sql("set local synchronous_commit = off")

    @sa.event.listens_for(engine, "handle_error")
    def _on_error(context: sa.engine.ExceptionContext) -> NightdeskError | None:
        if context.is_pre_ping:  # an old connection is tried before it is used, and made anew
            return None
        state = getattr(context.original_exception, "sqlstate", None) or ""
        if context.is_disconnect or state.startswith(FOR_A_MOMENT):
            return TryAgain(f"The ledger {schema} could not be used: {_sentence(context.original_exception)}.", sqlstate=state)
        return None

    return engine


@contextmanager
def session_lock(address: SecretStr, name: str, inherited: int | None = None) -> Iterator[int | None]:
    """Hold the lock `name` for the length of the block, among all hosts that use the database. Gives the descriptor of the
    connection that holds it; None, at once, where another session has it.

    The server lets go of it when the connection ends. A child to which the descriptor was passed on keeps the connection open,
    and with it the lock, also when its parent is killed: it names the descriptor as `inherited`.
    """
    with closing(_connection(address)) as connection:
        key = _key(f"account {name}")
        if inherited is not None and _is_holder(connection, key, inherited):
            yield inherited
            return
        _one(connection, "select set_config('application_name', %s, false)", _tag(connection.fileno()))
        yield connection.fileno() if _one(connection, "select pg_try_advisory_lock(%s)", key) else None


def use_bytewise_order(connection: sa.Connection) -> None:
    """Have texts sorted and compared by their bytes, as SQLite does, whatever the database's own language is."""
    columns = """
        select table_name, column_name from information_schema.columns where table_schema = current_schema()
        and data_type in ('text', 'character varying') and collation_name is distinct from 'C' and table_name <> 'alembic_version'
    """
    for table, column in connection.exec_driver_sql(columns).all():
        connection.exec_driver_sql(f'alter table "{table}" alter column "{column}" type text collate "C"')


def unreadable_rows(connection: sa.Connection) -> str:
    """Read every value of every table of the schema: what the server says where it cannot, "" where it can."""
    try:
        for table in sa.inspect(connection).get_table_names():
            connection.exec_driver_sql(f'select sum(length(row::text)) from "{table}" as row')
    except sa.exc.DBAPIError as error:
        return _sentence(error.orig or error)
    return ""


def _prepare(connection: psycopg.Connection[Any], schema: Schema) -> None:
    """Make the schema where there is none, work in it, and keep to what a ledger promises. Raises `Misconfigured` for a server
    that cannot."""
    for name, allowed in (("fsync", "on"), ("server_encoding", "UTF8")):
        if (was := _one(connection, "select current_setting(%s)", name)) != allowed:
            raise Misconfigured.value(f"NIGHTDESK_LEDGER: {name} of {shown(schema.address)}", was, allowed)
    if not _one(connection, "select count(*) from pg_namespace where nspname = %s", schema.name):
        _one(connection, "select pg_advisory_xact_lock(%s)", _key("schemas"))
        connection.execute(f"create schema if not exists {schema.name}")
    chosen = {"search_path": schema.name, "lock_timeout": str(TURN_MS), **{f"tcp_{key}": ALIVE[key] for key in _of_the_server()}}
    if _one(connection, "select current_setting('synchronous_commit')") == "off":
        chosen["synchronous_commit"] = "on"
    for key, value in chosen.items():
        _one(connection, "select set_config(%s, %s, false)", key, value)


def _of_the_server() -> list[str]:
    return [key for key in ALIVE if key.startswith("keepalives_")]


def _connection(address: SecretStr) -> psycopg.Connection[Any]:
    """A connection of its own, outside transactions."""
    url = sa.make_url(address.get_secret_value())
    plain = re.sub(r"^postgresql\+\w+:", "postgresql:", address.get_secret_value())
    connection = _reached(address, plain, **_defaults(url), autocommit=True)
    for key in _of_the_server():
        _one(connection, "select set_config(%s, %s, false)", f"tcp_{key}", ALIVE[key])
    return connection


def _reached(address: SecretStr, *args: Any, **options: Any) -> psycopg.Connection[Any]:
    """A connection, waited for. Raises `Misconfigured` where the server refuses this user, `TryAgain` where it stays away."""
    until, told = time.monotonic() + WAIT_S, False
    while True:
        try:
            return psycopg.connect(*args, **options)
        except psycopg.OperationalError as error:
            why = _sentence(error)
        if any(words in why for words in REFUSED):
            raise Misconfigured(f"NIGHTDESK_LEDGER: {shown(address)} refused the connection: {why}.", key="NIGHTDESK_LEDGER")
        if time.monotonic() + PAUSE_S > until:
            raise TryAgain(f"{shown(address).capitalize()} did not answer within {WAIT_S:.0f} s: {why}.")
        if not told:
            _log.warning("%s does not answer (%s): waiting for it, up to %.0f s.", shown(address).capitalize(), why, WAIT_S)
            told = True
        time.sleep(PAUSE_S)


def _defaults(url: sa.URL) -> dict[str, Any]:
    own = {**ALIVE, "application_name": f"nightdesk {os.getpid()}@{socket.gethostname()}"[:63], "client_encoding": "utf8"}
    return {key: value for key, value in own.items() if key not in url.query}


def _is_holder(connection: psycopg.Connection[Any], key: int, descriptor: int) -> bool:
    """Whether the lock is held by the session at the other end of this socket."""
    held = """
        select count(*) from pg_locks join pg_stat_activity using (pid) where locktype = 'advisory' and granted
        and ((classid::bigint << 32) | objid::bigint) = %s and application_name = %s
        and pg_locks.database = (select oid from pg_database where datname = current_database())
    """
    try:
        return bool(_one(connection, held, key, _tag(descriptor)))
    except OSError:
        return False


def _tag(descriptor: int) -> str:
    """A socket's name in its host, the same in every process that has it."""
    return f"nightdesk lock {os.fstat(descriptor).st_ino}@{socket.gethostname()}"[:63]


def _key(name: str) -> int:
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], signed=True)


def _one(connection: psycopg.Connection[Any], query: str, *values: object) -> Any:
    row = connection.execute(query.encode(), values).fetchone()
    return row[0] if row else None


def _sentence(error: BaseException) -> str:
    """What an error says, in one line."""
    return " ".join(str(error).split()).rstrip(".")[:300]
