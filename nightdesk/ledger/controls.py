"""What books may do: append-only rows that say ACTIVE, REDUCING or HALTED, with who, when and why."""

from dataclasses import asdict
from datetime import date, datetime

import sqlalchemy as sa

from nightdesk.ledger import tables
from nightdesk.ledger.file import LedgerFile
from schemas.records import Control, State

STATES: tuple[State, ...] = ("ACTIVE", "REDUCING", "HALTED")
"""From the mildest to the strictest."""

EVERY_BOOK = ""
"""The `book_id` of a row that holds for every book of its ledger, also for books to come."""

DESK = "nightdesk"
"""Who a state is from that a loss limit or the end date has set."""


def strictest(controls: list[Control]) -> Control | None:
    """The control with the strictest state, the first of equals; None where all are ACTIVE or there is none."""
    found = max(controls, key=lambda row: STATES.index(row.state), default=None)
    return None if found is None or found.state == "ACTIVE" else found


class Controls(LedgerFile):
    """The rows, and what they come to: of a book's own newest row and the newest row for every book, the stricter counts."""

    def append_control(self, control: Control) -> None:
        with self._writing() as connection:
            connection.execute(sa.insert(tables.controls), asdict(control))

    def controls(self, book_id: str, until: datetime | None = None) -> list[Control]:
        """A book's own rows, oldest first; up to an instant."""
        rows = tables.controls
        query = sa.select(rows).where(rows.c.book_id == book_id).order_by(rows.c.number)
        return self._records(Control, query if until is None else query.where(rows.c.at <= until))

    def control(self, book_id: str, until: datetime | None = None) -> Control | None:
        """What restricts a book, now or at an instant; None where it is ACTIVE."""
        rows = tables.controls
        query = sa.select(rows).where(rows.c.book_id.in_((book_id, EVERY_BOOK))).order_by(rows.c.number)
        found = self._records(Control, query if until is None else query.where(rows.c.at <= until))
        newest = {row.book_id: row for row in found}
        return strictest([newest[name] for name in (book_id, EVERY_BOOK) if name in newest])

    def released_at(self, book_id: str, until: datetime | None = None) -> date | None:
        """The session that the book had marked last when a person last released it: losses before it are forgiven."""
        sessions = [row.session for row in self.controls(book_id, until) if row.state == "ACTIVE"]
        return max((session for session in sessions if session is not None), default=None)
