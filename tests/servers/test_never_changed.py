"""The ledger of former versions on PostgreSQL becomes today's, and trials, evidence and overrides are never changed there."""

from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext

from nightdesk.ledger import tables
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.postgres import Schema, postgres_engine
from schemas.evidence import Evidence, Override
from tests.ledgers import BOOK, DAY, START
from tests.postgres_server import PostgresServer
from tests.unit.test_trials import a_trial

TEXTS = ("estimator", "config_sha256", "data_sha256", "sha256", "file", "file_sha256", "status", "reason", "mlflow_run_id")


def a_ledger_of_schema_0004(place: Schema) -> None:
    """A book and a fit, in the tables of the version before trials."""
    engine, config = postgres_engine(place), Config()
    config.set_main_option("script_location", str(Path(tables.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0004")
        book = {name: getattr(BOOK, name) for name in ("book_id", "account", "mode", "strategy", "currency", "capital")}
        connection.execute(sa.insert(tables.books).values(book))
        fit = {"model_id": "m", "book_id": BOOK.book_id, "cutoff": DAY, "metrics": {"accuracy": 0.5}}
        connection.execute(sa.insert(tables.models).values(fit | dict.fromkeys(TEXTS, "x")))
    engine.dispose()


@pytest.fixture(scope="module")
def ledger(postgres: PostgresServer) -> Iterator[Ledger]:
    """That ledger, opened by today's code, with a row in each table that is only added to."""
    place = ledger_file(postgres.database(), "paper")
    a_ledger_of_schema_0004(place)
    with closing(Ledger(place)) as made:
        made.append_trials([a_trial()])
        made.append_evidence(Evidence("c", "t", "seed", date(2017, 1, 3), date(2018, 12, 31), "", [], START))
        made.append_override(Override(BOOK.book_id, "a line", "ana", START, "on purpose"))
        yield made


def rows(ledger: Ledger, table: str) -> list[sa.Row[tuple[object, ...]]]:
    with ledger.engine.connect() as connection:
        return list(connection.execute(sa.select(tables.metadata.tables[table])))


def test_a_ledger_of_a_former_version_has_todays_tables_and_its_rows(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []
    (fit,) = ledger.models(BOOK.book_id)
    assert (fit.model_id, fit.metrics, fit.gates) == ("m", {"accuracy": 0.5}, [])
    assert ledger.books() == [BOOK]


@pytest.mark.parametrize("change", ["update {} set {} = {}", "delete from {}", "truncate {}"])
@pytest.mark.parametrize(("table", "column"), [("trials", "n_sessions"), ("evidence", "number"), ("overrides", "number")])
def test_what_is_only_added_to_is_never_changed_nor_removed(ledger: Ledger, table: str, column: str, change: str) -> None:
    before = rows(ledger, table)
    with pytest.raises(sa.exc.DBAPIError, match=f"{table} are never changed"), ledger.engine.begin() as connection:
        connection.exec_driver_sql(change.format(table, column, f"{column} + 1"))
    assert rows(ledger, table) == before and len(before) == 1
