"""Halting and releasing the books of a home: rows in its ledgers, and nothing else."""

from datetime import datetime
from pathlib import Path
from typing import get_args

from pydantic import SecretStr

from nightdesk.errors import Misconfigured
from nightdesk.ledger.controls import EVERY_BOOK, strictest
from nightdesk.ledger.file import ledger_file, ledgers_in, where
from nightdesk.ledger.store import Ledger
from schemas.evidence import Override
from schemas.records import Book, Control, Mode, State


def submit_halt(home: Path | SecretStr, book_id: str, who: str, at: datetime, reason: str) -> list[str]:
    """Halt a book, or with "" every book there is and every book to come. Returns what is halted now."""
    _require_reason(reason)
    if book_id:
        ledger = _ledger_of(home, book_id)
        _append(ledger, book_id, "HALTED", who, at, reason)
        ledger.close()
        return [book_id]
    for mode in get_args(Mode):
        ledger = Ledger(ledger_file(home, mode))
        _append(ledger, EVERY_BOOK, "HALTED", who, at, reason)
        ledger.close()
    return [f"every {mode} book" for mode in get_args(Mode)]


def submit_reduction(home: Path | SecretStr, book_id: str, who: str, at: datetime, reason: str) -> None:
    """Let a book only reduce what it holds, in place of what its state was, until a person releases it."""
    _require_reason(reason)
    ledger = _ledger_of(home, book_id)
    _append(ledger, book_id, "REDUCING", who, at, reason)
    ledger.close()


def submit_live(ledger: Ledger, book: Book, who: str, at: datetime, reason: str, lines: str = "", why: str = "") -> None:
    """Keep who let a book trade live, on which terms, and why although `lines` of the checklist were not right ("": all were).
    What it lost before is not forgiven. Raises `Misconfigured` where it is restricted."""
    ledger.open_book(book)
    if control := ledger.control(book.book_id):
        raise Misconfigured(f"The book is {control.state} by {control.who}: {control.reason}.", book=book.book_id)
    if lines or ledger.override(book.book_id):
        ledger.append_override(Override(book.book_id, lines, who, at, why))
    ledger.append_control(Control(book.book_id, "ACTIVE", None, who, at, reason))


def submit_release(home: Path | SecretStr, book_id: str, who: str, at: datetime, reason: str) -> list[str]:
    """Release a book, or with "" every book that is not ACTIVE. Returns what was released.

    Raises `Misconfigured` where there is nothing to release, or where a book is held by a halt of every book.
    """
    _require_reason(reason)
    ledgers = [_ledger_of(home, book_id)] if book_id else [Ledger(path) for path in ledgers_in(home)]
    released: list[str] = []
    for ledger in ledgers:
        released += _released(ledger, book_id, who, at, reason)
        ledger.close()
    if not released:
        raise Misconfigured(f"Nothing to release: {book_id or 'every book'} is ACTIVE.", book=book_id)
    return released


def _released(ledger: Ledger, book_id: str, who: str, at: datetime, reason: str) -> list[str]:
    every = strictest(ledger.controls(EVERY_BOOK)[-1:])
    if every and book_id:
        raise Misconfigured(f"{book_id} is held by the halt of every book: release that, without --book.", book=book_id)
    held = [book.book_id for book in ledger.books() if book_id in ("", book.book_id) and ledger.control(book.book_id)]
    for name in [*held, EVERY_BOOK] if every else held:
        _append(ledger, name, "ACTIVE", who, at, reason)
    return [*held, f"every {ledger.path.stem} book to come"] if every else held


def _append(ledger: Ledger, book_id: str, state: State, who: str, at: datetime, reason: str) -> None:
    marks = ledger.marks(book_id)
    ledger.append_control(Control(book_id, state, marks[-1].session if marks else None, who, at, reason))


def _ledger_of(home: Path | SecretStr, book_id: str) -> Ledger:
    """The ledger that a book is in. Raises `Misconfigured` with the books that there are."""
    known: list[str] = []
    for path in ledgers_in(home):
        ledger = Ledger(path)
        books = [book.book_id for book in ledger.books()]
        if book_id in books:
            return ledger
        ledger.close()
        known += books
    raise Misconfigured.value("book", book_id, ", ".join(known) or f"none, there is no book in {where(home)}")


def _require_reason(reason: str) -> None:
    if not reason.strip():
        raise Misconfigured.value("reason", reason, "a sentence that says why; it is kept with your name")
