"""Strategy files that were replaced by a promotion or a rollback. A row is there before the file, and is finished after it."""

from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from nightdesk.ledger import tables
from nightdesk.ledger.file import LedgerFile
from schemas.evidence import Replacement


class Replacements(LedgerFile):
    """The rows; but for `finished_at` they never change."""

    def append_replacement(self, replacement: Replacement) -> Replacement:
        """Keep what is about to be done to a file. Returns it with its number."""
        row = {name: value for name, value in asdict(replacement).items() if name != "number"}
        with self._writing() as connection:
            number = connection.execute(sa.insert(tables.replacements), row).inserted_primary_key
        return self.replacements(replacement.path)[-1] if number else replacement

    def finish_replacement(self, number: int, at: datetime) -> None:
        rows = tables.replacements
        with self._writing() as connection:
            change = sa.update(rows).where(rows.c.number == number, rows.c.finished_at.is_(None))
            connection.execute(change.values(finished_at=at))

    def replacements(self, path: str) -> list[Replacement]:
        """What was done to a file, oldest first."""
        rows = tables.replacements
        return self._records(Replacement, sa.select(rows).where(rows.c.path == path).order_by(rows.c.number))
