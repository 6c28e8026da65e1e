"""Who halted what, when and why: rows in the ledger that only a later row of a person lifts."""

import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from nightdesk.errors import Misconfigured
from nightdesk.ledger.book import book_id
from nightdesk.ledger.controls import strictest
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.halts import submit_halt, submit_release
from nightdesk.ledger.status import book_statuses
from nightdesk.ledger.store import Ledger
from schemas.records import Book, Control, Mark, State

AT = datetime(2018, 12, 3, 21, 20, tzinfo=UTC)
A, B = book_id("paper", "a", "a"), book_id("paper", "b", "b")


def control(book: str = A, state: State = "HALTED", seconds: int = 0, session: date | None = None) -> Control:
    return Control(book, state, session, "alice", AT + timedelta(seconds=seconds), "why")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Two paper books, each with one marked session."""
    ledger = Ledger(ledger_file(tmp_path, "paper"))
    for name in (A, B):
        ledger.open_book(Book(name, name.split("/")[1], "paper", name.split("/")[2], "USD", Decimal(1000)))
        money = Decimal(1000)
        ledger.append_marks([Mark(name, date(2018, 12, 3), money, Decimal(0), money, money, None)])
    ledger.close()
    return tmp_path


def states(home: Path, mode: str = "paper", *books: str) -> list[str]:
    ledger = Ledger(ledger_file(home, mode))
    found = [row.state if (row := ledger.control(book)) else "ACTIVE" for book in books or (A, B)]
    ledger.close()
    return found


def test_a_control_comes_back_as_it_was_written(home: Path) -> None:
    ledger = Ledger(ledger_file(home, "paper"))
    assert ledger.control(A) is None
    ledger.append_control(control(session=date(2018, 12, 3)))
    assert ledger.control(A) == control(session=date(2018, 12, 3))
    assert ledger.control(B) is None


def test_the_newest_row_counts_and_older_rows_stay(home: Path) -> None:
    ledger = Ledger(ledger_file(home, "paper"))
    for place, state in enumerate(("HALTED", "ACTIVE", "REDUCING")):
        ledger.append_control(control(state=state, seconds=place))
    assert ledger.control(A) == control(state="REDUCING", seconds=2)
    assert [row.state for row in ledger.controls(A)] == ["HALTED", "ACTIVE", "REDUCING"]


def test_what_stood_at_an_instant_is_what_had_been_written_by_then(home: Path) -> None:
    ledger = Ledger(ledger_file(home, "paper"))
    ledger.append_control(control(seconds=10))
    assert ledger.control(A, AT + timedelta(seconds=9)) is None
    assert ledger.control(A, AT + timedelta(seconds=10)) == control(seconds=10)


def test_of_a_books_state_and_that_of_every_book_the_stricter_counts(home: Path) -> None:
    ledger = Ledger(ledger_file(home, "paper"))
    ledger.append_control(control(state="REDUCING"))
    ledger.append_control(control("", "HALTED", 1))
    ledger.append_control(control(B, "ACTIVE", 2))
    assert ledger.control(A) == ledger.control(B) == control("", "HALTED", 1)
    ledger.append_control(control("", "ACTIVE", 3))
    assert ledger.control(A) == control(state="REDUCING") and ledger.control(B) is None


def test_strictest_is_halted_before_reducing_and_nothing_where_all_are_active() -> None:
    halted, reducing, active = control(), control(state="REDUCING"), control(state="ACTIVE")
    assert strictest([reducing, halted, active]) is halted
    assert strictest([active, reducing]) is reducing
    assert strictest([active]) is strictest([]) is None


def test_a_halted_book_is_released_with_the_session_it_had_marked(home: Path) -> None:
    assert submit_halt(home, A, "alice", AT, "odd fills") == [A]
    assert states(home) == ["HALTED", "ACTIVE"]
    assert submit_release(home, A, "bob", AT + timedelta(hours=1), "explained") == [A]
    assert states(home) == ["ACTIVE", "ACTIVE"]
    ledger = Ledger(ledger_file(home, "paper"))
    assert [(row.who, row.reason, row.session) for row in ledger.controls(A)] == [
        ("alice", "odd fills", date(2018, 12, 3)),
        ("bob", "explained", date(2018, 12, 3)),
    ]
    assert ledger.released_at(A) == date(2018, 12, 3) and ledger.released_at(A, AT) is None


def test_a_halt_of_every_book_holds_for_all_modes_and_for_books_to_come(home: Path) -> None:
    submit_halt(home, "", "alice", AT, "stop")
    assert states(home, "paper", A, B, "paper/new/new") == ["HALTED"] * 3
    assert states(home, "live", "live/new/new") == states(home, "backfill", "backfill/c/c") == ["HALTED"]
    assert len(submit_release(home, "", "alice", AT + timedelta(hours=1), "go")) == 5
    assert states(home, "paper", A, B, "paper/new/new") == ["ACTIVE"] * 3
    assert states(home, "live", "live/new/new") == ["ACTIVE"]


def test_one_book_cannot_be_released_from_a_halt_of_every_book(home: Path) -> None:
    submit_halt(home, "", "alice", AT, "stop")
    with pytest.raises(Misconfigured, match="held by the halt of every book"):
        submit_release(home, A, "alice", AT, "go")
    assert states(home) == ["HALTED", "HALTED"]


def test_a_release_of_every_book_also_releases_a_book_halted_by_itself(home: Path) -> None:
    submit_halt(home, B, "alice", AT, "stop")
    assert submit_release(home, "", "alice", AT, "go") == [B]
    assert states(home) == ["ACTIVE", "ACTIVE"]


@pytest.mark.parametrize("reason", ["", "  "])
def test_a_halt_and_a_release_need_a_reason(home: Path, reason: str) -> None:
    with pytest.raises(Misconfigured, match="reason was"):
        submit_halt(home, A, "alice", AT, reason)
    submit_halt(home, A, "alice", AT, "stop")
    with pytest.raises(Misconfigured, match="reason was"):
        submit_release(home, A, "alice", AT, reason)
    assert states(home) == ["HALTED", "ACTIVE"]


def test_an_unknown_book_is_named_with_those_there_are(home: Path) -> None:
    with pytest.raises(Misconfigured, match="book was 'paper/c/c', allowed: paper/a/a, paper/b/b"):
        submit_halt(home, "paper/c/c", "alice", AT, "stop")


def test_releasing_what_is_active_says_so(home: Path) -> None:
    with pytest.raises(Misconfigured, match="Nothing to release"):
        submit_release(home, "", "alice", AT, "go")


def test_status_shows_the_state_with_who_when_and_why(home: Path) -> None:
    submit_halt(home, B, "alice", AT, "stop")
    shown = [(row["book"], row["state"], row["who"], row["at"], row["why"]) for row in book_statuses(home)]
    assert shown == [(A, "ACTIVE", "", None, ""), (B, "HALTED", "alice", AT.isoformat(), "stop")]


def test_halting_needs_no_prefect_no_mlflow_no_pandas_and_no_network(home: Path) -> None:
    heavy = "prefect mlflow sklearn pandas numpy httpx requests deltalake"
    code = f"""
import sys
from datetime import UTC, datetime
from pathlib import Path
import nightdesk.cli.halt, nightdesk.settings, nightdesk.clock
from nightdesk.ledger.halts import submit_halt
submit_halt(Path({str(home)!r}), {A!r}, "alice", datetime(2018, 12, 3, tzinfo=UTC), "stop")
sys.exit(", ".join(name for name in {heavy.split()!r} if name in sys.modules) or 0)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert states(home) == ["HALTED", "ACTIVE"]
