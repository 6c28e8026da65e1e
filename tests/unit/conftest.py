"""A ledger on either database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from tests.ledgers import BOOK
from tests.postgres_server import PostgresServer, emptied


@pytest.fixture(scope="module")
def on_a_server(postgres: PostgresServer) -> Iterator[Ledger]:
    made = Ledger(ledger_file(postgres.database(), "paper"))
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ledger]:
    """A ledger with one book, on either database."""
    made = Ledger(tmp_path / "ledger.sqlite") if request.param == "sqlite" else request.getfixturevalue("on_a_server")
    made.open_book(BOOK)
    yield made
    emptied(made)
