"""Which broker's account is behind a name, and what changed there without the desk."""

from collections.abc import Sequence
from dataclasses import asdict

import sqlalchemy as sa

from nightdesk.database import insert_new
from nightdesk.errors import OutOfSync
from nightdesk.ledger import tables
from nightdesk.ledger.file import LedgerFile
from schemas.records import BrokerAccount, OutsideChange


class Accounts(LedgerFile):
    """The rows."""

    def require_account(self, account: BrokerAccount) -> None:
        """Keep whose number an account has. Raises `OutOfSync` where the ledger knows it by another broker or number."""
        accounts = tables.accounts
        with self._writing() as connection:
            connection.execute(insert_new(accounts, [asdict(account)]))
        (known,) = self._records(BrokerAccount, sa.select(accounts).where(accounts.c.account == account.account))
        if known != account:
            was, now = f"{known.broker} {known.number}", f"{account.broker} {account.number}"
            raise OutOfSync(
                f"The account {account.account!r} was {was} and is now {now}: give it another name.", was=was, now=now
            )

    def outside_changes(self, book_id: str, waiting: bool = False) -> list[OutsideChange]:
        """A book's outside changes, oldest first; with `waiting` those that nobody has taken over."""
        rows = tables.outside_changes
        query = sa.select(rows).where(rows.c.book_id == book_id).order_by(rows.c.found_at, rows.c.reference)
        return self._records(OutsideChange, query.where(rows.c.adopted_at.is_(None)) if waiting else query)

    def _save_changes(self, connection: sa.Connection, changes: Sequence[OutsideChange]) -> None:
        """Keep changes, each once by its reference; one that a person takes over is marked so, once."""
        rows = tables.outside_changes
        connection.execute(insert_new(rows, [asdict(change) for change in changes]))
        for change in changes:
            if change.adopted_at is not None:
                own = (rows.c.book_id == change.book_id, rows.c.reference == change.reference, rows.c.adopted_at.is_(None))
                taken = {name: getattr(change, name) for name in ("adopted_at", "adopted_by", "reason")}
                connection.execute(sa.update(rows).where(*own).values(taken))
