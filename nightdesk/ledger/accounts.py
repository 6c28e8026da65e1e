"""Which broker's account is behind a name, and what changed there without the desk."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from datetime import datetime

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

    def append_outside_changes(self, changes: Sequence[OutsideChange]) -> None:
        """Keep changes; what is known by its reference is left as it is."""
        if changes:
            with self._writing() as connection:
                connection.execute(insert_new(tables.outside_changes, [asdict(change) for change in changes]))

    def outside_changes(self, book_id: str, waiting: bool = False) -> list[OutsideChange]:
        """A book's outside changes, oldest first; with `waiting` those that nobody has taken over."""
        rows = tables.outside_changes
        query = sa.select(rows).where(rows.c.book_id == book_id).order_by(rows.c.found_at, rows.c.reference)
        return self._records(OutsideChange, query.where(rows.c.adopted_at.is_(None)) if waiting else query)

    def set_adopted(self, changes: Sequence[OutsideChange], who: str, at: datetime, reason: str) -> list[OutsideChange]:
        """Mark changes as taken over by a person, once."""
        rows = tables.outside_changes
        with self._writing() as connection:
            for change in changes:
                own = sa.and_(rows.c.book_id == change.book_id, rows.c.reference == change.reference, rows.c.adopted_at.is_(None))
                connection.execute(sa.update(rows).where(own).values(adopted_at=at, adopted_by=who, reason=reason))
        return [replace(change, adopted_at=at, adopted_by=who, reason=reason) for change in changes]
