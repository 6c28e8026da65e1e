"""The ledger on PostgreSQL: what differs from SQLite, and what must not."""

import logging
import multiprocessing
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from nightdesk import postgres as door
from nightdesk.consent.waiting import named_decision
from nightdesk.errors import Misconfigured, TryAgain
from nightdesk.ledger.file import HEAD, ledger_file, ledgers_in
from nightdesk.ledger.halts import submit_halt, submit_release
from nightdesk.ledger.lock import only_writer
from nightdesk.ledger.status import book_statuses
from nightdesk.ledger.store import Ledger
from nightdesk.postgres import Schema
from nightdesk.secrecy import redacted
from nightdesk.settings import Settings, order_environment
from nightdesk.wiring.orders import open_ledger
from tests import ledgers
from tests.ledgers import BOOK, DAY, START, a_decision, a_run, an_order
from tests.postgres_server import PASSWORD, QUOTED, PostgresServer, emptied

SPAWN = multiprocessing.get_context("spawn")


@pytest.fixture(scope="module")
def address(postgres: PostgresServer) -> SecretStr:
    return postgres.database()


@pytest.fixture
def ledger(address: SecretStr) -> Iterator[Ledger]:
    with closing(Ledger(ledger_file(address, "paper"))) as made:
        made.open_book(BOOK)
        yield made
        emptied(made)


# one place, told by a setting


@pytest.mark.parametrize("text", ["sqlite:///x", "postgresql:name", "postgresql://host", "postgresql://a b/c", "mysql://h/d"])
def test_an_address_that_is_none_is_refused_without_being_shown(text: str) -> None:
    with pytest.raises(ValueError, match="begins with postgresql://") as refused:
        Settings(ledger=SecretStr(text))
    assert text not in str(refused.value)


def test_the_ledgers_of_a_home_are_in_it_unless_a_database_is_set(tmp_path: Path) -> None:
    here, database = Settings(home=tmp_path), SecretStr("postgresql://desk:secret-word@host/name")
    assert (here.ledgers, here.locks) == (tmp_path, tmp_path / "locks")
    there = Settings(home=tmp_path, ledger=database)
    assert there.ledgers == there.locks == database
    assert order_environment(there)["NIGHTDESK_LEDGER"] == database.get_secret_value()
    assert "secret-word" not in f"{there!r} {there}"


def test_the_password_is_hidden_in_either_spelling(address: SecretStr) -> None:
    Settings(ledger=address)
    assert redacted(f"{PASSWORD} and {QUOTED}") == "(hidden) and (hidden)"


def test_a_ledger_is_named_without_its_password(ledger: Ledger) -> None:
    shown = f"{ledger.path} {ledger.path!r} {ledger.engine!r}"
    assert "nightdesk_paper in the database" in shown
    assert PASSWORD not in shown and QUOTED not in shown


def test_a_wrong_password_is_a_sentence_at_once(postgres: PostgresServer) -> None:
    wrong = SecretStr(postgres.address().replace(QUOTED, "wrong-word"))
    with pytest.raises(Misconfigured, match=r"the database postgres at 127\.0\.0\.1 refused the connection") as refused:
        Ledger(ledger_file(wrong, "paper"))
    assert "wrong-word" not in refused.value.message


# a schema for each mode


def test_modes_lie_in_schemas_of_one_database_and_only_those_that_are_there_are_listed(postgres: PostgresServer) -> None:
    home = postgres.database()
    assert ledgers_in(home) == []
    here = Settings(ledger=home)
    for mode in ("live", "paper"):
        open_ledger(mode, here).close()
    assert ledgers_in(home) == [Schema(home, "live"), Schema(home, "paper")]
    with closing(open_ledger("paper", here)) as ledger:
        ledger.open_book(BOOK)
    assert [row["book"] for row in book_statuses(home)] == [BOOK.book_id]
    submit_halt(home, "", "ana", START, "stop")
    assert [row["state"] for row in book_statuses(home)] == ["HALTED"]
    assert BOOK.book_id in submit_release(home, "", "ana", START, "go")


def test_a_paper_schema_that_was_renamed_is_not_opened_as_the_live_one(postgres: PostgresServer) -> None:
    home = postgres.database()
    here = Settings(ledger=home)
    with closing(open_ledger("paper", here)) as ledger:
        ledger.open_book(BOOK)
    postgres.execute("alter schema nightdesk_paper rename to nightdesk_live", sa.make_url(home.get_secret_value()).database or "")
    with pytest.raises(Misconfigured, match="opened as the live ledger, but holds paper books"):
        open_ledger("live", here)


def test_a_schema_that_is_newer_than_the_code_is_refused(ledger: Ledger) -> None:
    def write(version: str) -> None:
        with ledger.engine.begin() as connection:
            connection.exec_driver_sql("update alembic_version set version_num = %s", (version,))

    write("9999")
    try:
        with pytest.raises(Misconfigured, match=f"schema 9999, newer than {HEAD}"):
            Ledger(ledger.path)
    finally:
        write(HEAD)


def test_texts_are_sorted_by_their_bytes_whatever_the_database_speaks(ledger: Ledger) -> None:
    names = ["a-b", "Z", "a", "ä", "B", "_", "ab"]
    ledger.commit_decision(a_decision(), [an_order(name) for name in names])
    assert [order.order_id for order in ledger.orders(BOOK.book_id)] == sorted(names)
    with ledger.engine.connect() as connection:
        query = """select count(*) from information_schema.columns where table_schema = 'nightdesk_paper'
            and data_type = 'text' and collation_name is distinct from 'C'"""
        assert connection.exec_driver_sql(query).scalar_one() == 0


def test_every_row_of_a_ledger_is_copied_into_one_of_another_kind(ledger: Ledger, tmp_path: Path) -> None:
    ledger.commit_decision(a_decision(), [an_order()])
    ledger.append_run(a_run())
    with closing(Ledger(tmp_path / "copy.sqlite")) as copy:
        copy.append_all_of(ledger)
        assert copy.books() == ledger.books() and copy.runs(BOOK.book_id) == ledger.runs(BOOK.book_id)
        assert copy.decision(BOOK.book_id, DAY) == ledger.decision(BOOK.book_id, DAY) and copy.order("o-1") == ledger.order("o-1")


def test_a_decision_is_found_by_the_start_of_its_hash(ledger: Ledger, address: SecretStr) -> None:
    ledger.commit_decision(a_decision("ab" * 32), [])
    assert [made.session for made in ledger.decisions_named("abab")] == [DAY]
    with pytest.raises(Misconfigured, match=r"lists in the database \w+ at 127"), named_decision(address, "c" * 12):
        pass


# processes at once


def test_processes_on_a_server_lose_nothing_and_make_one_ledger(postgres: PostgresServer) -> None:
    place, start = ledger_file(postgres.database(), "paper"), SPAWN.Barrier(3)
    children = [SPAWN.Process(target=ledgers.open_then_count_up, args=(place, 40, start)) for _ in range(3)]
    for child in children:
        child.start()
    for child in children:
        child.join(timeout=60)
    assert [child.exitcode for child in children] == [0] * 3
    with closing(Ledger(place)) as ledger:
        order = ledger.order("o-1")
    assert order is not None and order.quantity == 3 * 40


def test_a_writer_that_does_not_get_its_turn_is_told_to_try_again(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(door, "TURN_MS", 50)
    with closing(Ledger(ledger.path)) as other, ledger._writing():
        assert other.books() == [BOOK], "who reads waits for nobody"
        with pytest.raises(TryAgain, match=r"could not be used: .*lock timeout"):
            other.append_run(a_run())
    assert ledger.runs(BOOK.book_id) == []


# the lock of an account


def test_a_lock_on_a_server_is_held_by_one_at_a_time(address: SecretStr) -> None:
    with (
        only_writer(address, "paper/a") as first,
        only_writer(address, "paper/a") as second,
        only_writer(address, "paper/b") as other,
    ):
        assert first is not None and second is None and other is not None
    with only_writer(address, "paper/a") as after:
        assert after is not None


HOLDS = """
import os, subprocess, sys, time
from pydantic import SecretStr
from nightdesk.ledger.lock import only_writer
with only_writer(SecretStr(os.environ["ADDRESS"]), "paper/a") as lock:
    child = [sys.executable, "-c", os.environ["CHILD"], str(lock)]
    subprocess.Popen(child, pass_fds=(lock,), stdout=sys.stdout).wait()
"""
ORDERS = """
import os, sys
from pydantic import SecretStr
from nightdesk.ledger.lock import only_writer
with only_writer(SecretStr(os.environ["ADDRESS"]), "paper/a", inherited=int(sys.argv[1])) as lock:
    print(os.getpid(), lock == int(sys.argv[1]), flush=True)
    sys.stdin.read()
"""


def test_the_lock_of_a_killed_day_stays_with_its_child_until_that_ends(address: SecretStr) -> None:
    told = {**os.environ, "ADDRESS": address.get_secret_value(), "CHILD": ORDERS}
    day = subprocess.Popen([sys.executable, "-c", HOLDS], env=told, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert day.stdin and day.stdout
    with day.stdin, day.stdout:
        child, inherited = day.stdout.readline().split()
        assert inherited == "True"
        day.kill()
        day.wait(30)
        time.sleep(0.2)
        with only_writer(address, "paper/a") as lock:
            assert lock is None, "the child still orders"
        os.kill(int(child), signal.SIGKILL)
        until = time.monotonic() + 30
        while not _is_free(address):
            assert time.monotonic() < until
            time.sleep(0.05)


def _is_free(address: SecretStr) -> bool:
    with only_writer(address, "paper/a") as lock:
        return lock is not None


def test_a_descriptor_that_holds_no_lock_is_not_taken_for_one(address: SecretStr) -> None:
    with socket.socket() as stranger, only_writer(address, "paper/a") as held:
        for descriptor in (stranger.fileno(), 987):
            with only_writer(address, "paper/a", inherited=descriptor) as lock:
                assert lock is None
        with only_writer(address, "paper/b", inherited=held) as other:
            assert other not in (None, held), "it took that lock itself"


# a server that goes


@pytest.fixture
def own(postgres: PostgresServer) -> Iterator[PostgresServer]:
    """The server, which the test may stop."""
    yield postgres
    postgres.start()


def test_a_server_that_goes_is_waited_for_and_what_was_committed_is_there(
    own: PostgresServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(door, "PAUSE_S", 0.05)
    home = own.database()
    with closing(Ledger(ledger_file(home, "paper"))) as ledger:
        ledger.open_book(BOOK)
        own.stop(signal.SIGQUIT)  # as a crash: nothing is written down on the way out
        back = threading.Timer(0.5, own.start)
        back.start()
        with caplog.at_level(logging.WARNING):
            assert ledger.commit_decision(a_decision(), [an_order()])
        back.join()
        assert [record.levelname for record in caplog.records if "waiting for it" in record.getMessage()] == ["WARNING"]
        with pytest.raises(TryAgain, match="nightdesk_paper in the database"), ledger._writing() as connection:
            own.stop()
            connection.exec_driver_sql("select 1")
        monkeypatch.setattr(door, "WAIT_S", 0.2)
        with pytest.raises(TryAgain, match=r"did not answer within 0 s"):
            ledger.books()
        own.start()
        assert ledger.books() == [BOOK]
        assert [order.order_id for order in ledger.orders(BOOK.book_id, date(2018, 12, 3))] == ["o-1"]
        ledger.require_sound()
