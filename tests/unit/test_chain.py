"""The hash chain of decisions: whatever is changed after the commit is found and named."""

import hashlib
import json
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path

import pytest

from nightdesk.errors import OutOfSync
from nightdesk.ledger.chain import Link, chained
from nightdesk.ledger.file import canonical_json
from nightdesk.ledger.store import Ledger
from schemas.records import Decision
from tests.ledgers import BOOK, NEXT, a_run

DAYS = [date(2018, 12, day) for day in (3, 4, 5, 6)]


def decision(session: date, origin: str = "manual") -> Decision:
    body = {"session": session.isoformat(), "wanted": {"SPY": 1.0}}
    sha256 = hashlib.sha256(canonical_json(body).encode()).hexdigest()
    return Decision(BOOK.book_id, session, NEXT, 1, origin, sha256, body, {"run_id": "r", "strategy": {}})  # type: ignore[arg-type]  # a literal in the record


@pytest.fixture
def path(tmp_path: Path) -> Path:
    ledger = Ledger(tmp_path / "paper.sqlite")
    ledger.open_book(BOOK)
    ledger.open_book(replace(BOOK, book_id="paper/other/seed", account="other"))
    for session in DAYS:
        assert ledger.commit_decision(decision(session), [])
        assert ledger.commit_decision(replace(decision(session), book_id="paper/other/seed"), [])
    run = a_run()
    ledger.append_run(run)
    ledger.finish_run(replace(run, finished_at=run.started_at, outcome="traded", decision_sha256=decision(DAYS[0]).sha256))
    ledger.close()
    return tmp_path / "paper.sqlite"


def broken(path: Path, book: str = BOOK.book_id) -> dict[date, str]:
    ledger = Ledger(path)
    try:
        return ledger.broken_links(book)
    finally:
        ledger.close()


def test_an_untouched_chain_is_whole_for_every_book(path: Path) -> None:
    assert broken(path) == {} and broken(path, "paper/other/seed") == {}


OURS = f"where book_id = '{BOOK.book_id}' and session = '2018-12-04'"
TAMPERED: dict[str, tuple[str, date, str]] = {
    "a byte of the body": (f"update decisions set body = replace(body, '1.0', '0.0') {OURS}", DAYS[1], "was changed"),
    "the envelope": (f"update decisions set envelope = replace(envelope, 'r', 's') {OURS}", DAYS[1], "does not follow"),
    "the origin": (f"update decisions set origin = 'scheduled' {OURS}", DAYS[1], "does not follow"),
    "its name": (f"update decisions set sha256 = replace(sha256, substr(sha256, 1, 1), 'x') {OURS}", DAYS[1], "was changed"),
    "its link": (f"update decisions set chain_sha256 = 'x' {OURS}", DAYS[1], "does not follow"),
    "a removed one": (f"delete from decisions {OURS}", DAYS[2], "is number 3 of its chain, where number 2 is missing"),
    "a removed last one": (
        f"delete from decisions where book_id = '{BOOK.book_id}' and session >= '2018-12-03'",
        DAYS[0],
        "is gone from the ledger",
    ),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_was_changed_after_the_commit_is_named_by_its_session(what: str, path: Path) -> None:
    change, session, said = TAMPERED[what]
    with sqlite3.connect(path) as connection:
        assert connection.execute(change).rowcount
    found = broken(path)
    assert said in found[session] and str(session) in found[session]
    assert broken(path, "paper/other/seed") == {}
    ledger = Ledger(path)
    with pytest.raises(OutOfSync, match=str(session)):
        ledger.require_unbroken(BOOK.book_id)
    ledger.close()


def test_two_decisions_that_changed_places_are_found(path: Path) -> None:
    swap = [(9, DAYS[1]), (2, DAYS[2]), (3, DAYS[1])]
    with sqlite3.connect(path) as connection:
        for position, session in swap:
            change = "update decisions set position = ? where book_id = ? and session = ?"
            connection.execute(change, (position, BOOK.book_id, session.isoformat()))
    assert DAYS[2] in broken(path)


def test_a_body_that_is_no_document_any_more_is_named_and_not_a_traceback(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute(f"update decisions set body = substr(body, 2) {OURS}")
    ledger = Ledger(path)
    with pytest.raises(OutOfSync, match=r"2018-12-04.*no document"):
        ledger.decision(BOOK.book_id, DAYS[1])
    ledger.close()


def test_a_link_covers_the_one_before_it_and_every_part_of_its_row() -> None:
    link = Link("b", 1, DAYS[0], 1, "manual", "a" * 64, "{}", "{}", "")
    changes: list[Callable[[Link], Link]] = [
        lambda row: replace(row, book_id="c"),
        lambda row: replace(row, position=2),
        lambda row: replace(row, session=DAYS[1]),
        lambda row: replace(row, attempt=2),
        lambda row: replace(row, origin="backfill"),
        lambda row: replace(row, sha256="b" * 64),
        lambda row: replace(row, envelope="{ }"),
    ]
    hashes = {chained("", link), chained("x", link), *(chained("", change(link)) for change in changes)}
    assert len(hashes) == len(changes) + 2


def test_the_first_link_by_hand() -> None:
    envelope = hashlib.sha256(b"{}").hexdigest()
    text = "\n".join(["", "b", "1", "2018-12-03", "1", "manual", "a" * 64, envelope])
    assert chained("", Link("b", 1, DAYS[0], 1, "manual", "a" * 64, "", "{}", "")) == hashlib.sha256(text.encode()).hexdigest()


def test_a_ledger_of_the_first_schema_is_chained_when_it_is_opened(tmp_path: Path) -> None:
    import sqlalchemy as sa
    from alembic import command
    from alembic.config import Config

    from nightdesk.database import sqlite_engine
    from nightdesk.ledger import tables

    path = tmp_path / "paper.sqlite"
    engine = sqlite_engine(path)
    config = Config()
    config.set_main_option("script_location", str(Path(tables.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
        book = {"id": BOOK.book_id}
        connection.execute(sa.text("insert into books values (:id, 'acct', 'paper', 'seed', 'USD', '100000', null)"), book)
        for session in DAYS:
            made = decision(session)
            row = book | {"session": session.isoformat(), "sha256": made.sha256, "body": canonical_json(made.body)}
            row |= {"envelope": json.dumps(made.envelope)}
            insert = "insert into decisions values (:id, :session, '2018-12-04', 1, 'manual', :sha256, :body, :envelope)"
            connection.execute(sa.text(insert), row)
    engine.dispose()
    ledger = Ledger(path)
    assert ledger.broken_links(BOOK.book_id) == {}
    found = ledger.decision(BOOK.book_id, DAYS[2])
    assert found and found.chain_sha256 and found.envelope == {"run_id": "r", "strategy": {}}
    assert ledger.commit_decision(replace(decision(DAYS[0]), attempt=2), []) and ledger.broken_links(BOOK.book_id) == {}
    ledger.close()
