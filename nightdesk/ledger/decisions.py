"""Decisions and their orders in the ledger."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from nightdesk.database import insert_new
from nightdesk.errors import OutOfSync
from nightdesk.ledger import tables
from nightdesk.ledger.chain import Link, broken_links, chained
from nightdesk.ledger.file import LedgerFile, canonical_json
from schemas.records import Decision, Json, Order, OrderStatus

OPEN_STATUSES: tuple[OrderStatus, ...] = ("intent", "unknown", "accepted")
"""An order in one of these may still fill; each may become a later one of them, never an earlier."""

ROW_OF_LINK = tuple(column.name for column in fields(Link) if column.name not in ("position", "chain_sha256"))


class Decisions(LedgerFile):
    """Decisions in their hash chain, each committed once with its orders."""

    def commit_decision(self, decision: Decision, orders: Sequence[Order]) -> bool:
        """Commit a decision with its order intents in one transaction. False where one was committed before: that one stands."""
        row = {**asdict(decision), "body": canonical_json(decision.body), "envelope": canonical_json(decision.envelope)}
        decisions = tables.decisions
        newest = sa.select(decisions.c.position, decisions.c.chain_sha256).where(decisions.c.book_id == decision.book_id)
        with self._writing() as connection:
            last = connection.execute(newest.order_by(decisions.c.position.desc()).limit(1)).one_or_none()
            position, previous = last or (0, "")
            link = Link(**{name: row[name] for name in ROW_OF_LINK}, position=position + 1, chain_sha256="")
            row |= {"position": position + 1, "chain_sha256": chained(previous, link)}
            if not connection.execute(insert_new(decisions, [row])).rowcount:
                return False
            if orders:
                connection.execute(sa.insert(tables.orders), [asdict(order) for order in orders])
            return True

    def decision(self, book_id: str, session: date, attempt: int | None = None) -> Decision | None:
        """The decision of a session; the latest attempt, unless one is named."""
        decisions = tables.decisions
        query = sa.select(decisions).where(decisions.c.book_id == book_id, decisions.c.session == session)
        if attempt is not None:
            query = query.where(decisions.c.attempt == attempt)
        return self._decision(query.order_by(decisions.c.attempt.desc()).limit(1))

    def last_decision(self, book_id: str, before: date | None = None, ordered: bool = False) -> Decision | None:
        """The newest decision, or the newest of a session before the given one; with `ordered` none that was reconstructed."""
        decisions = tables.decisions
        query = sa.select(decisions).where(decisions.c.book_id == book_id)
        if before is not None:
            query = query.where(decisions.c.session < before)
        if ordered:
            query = query.where(decisions.c.origin != "reconstructed")
        return self._decision(query.order_by(decisions.c.session.desc(), decisions.c.attempt.desc()).limit(1))

    def strategies(self, book_id: str) -> list[tuple[date, Json]]:
        """The session and the strategy, as a document, of each decision of a book, in their order; empty where none was kept."""
        decisions = tables.decisions
        query = sa.select(decisions.c.session, decisions.c.envelope).where(decisions.c.book_id == book_id)
        rows = self._rows(query.order_by(decisions.c.session, decisions.c.attempt))
        return [(row["session"], _document(dict(row), book_id, "envelope").get("strategy", {})) for row in rows]

    def decisions_named(self, start: str) -> list[Decision]:
        """The decisions whose SHA-256 begins with a text."""
        hashes = tables.decisions.c.sha256
        found = self._rows(sa.select(hashes).where(hashes.startswith(start, autoescape=True)))
        named = [self._decision(sa.select(tables.decisions).where(hashes == row["sha256"])) for row in found]
        return [decision for decision in named if decision is not None]

    def _decision(self, query: sa.Select[Any]) -> Decision | None:
        rows = self._rows(query)
        if not rows:
            return None
        row = {name: rows[0][name] for name in (column.name for column in fields(Decision))}
        read = {name: _document(row, row["book_id"], name) for name in ("body", "envelope")}
        return Decision(**{**row, **read})

    def broken_links(self, book_id: str) -> dict[date, str]:
        """What is wrong with the book's decisions by their hash chain: a sentence for each session that was tampered with."""
        decisions = tables.decisions
        columns = [decisions.c[column.name] for column in fields(Link)]
        query = sa.select(*columns).where(decisions.c.book_id == book_id).order_by(decisions.c.position)
        broken = broken_links(Link(**row) for row in self._rows(query))
        known = {row["sha256"] for row in self._rows(sa.select(decisions.c.sha256).where(decisions.c.book_id == book_id))}
        runs = sa.select(tables.runs.c.session, tables.runs.c.decision_sha256).where(tables.runs.c.book_id == book_id)
        for run in self._rows(runs):
            if run["decision_sha256"] and run["decision_sha256"] not in known:
                named = f"The decision of {run['session']} in the book {book_id!r}, named {run['decision_sha256']},"
                broken.setdefault(run["session"], f"{named} is gone from the ledger.")
        return broken

    def require_unbroken(self, book_id: str) -> None:
        """Raise `OutOfSync` where a decision of the book was edited, removed or put in another order."""
        if broken := self.broken_links(book_id):
            raise OutOfSync(" ".join(broken.values()), sessions=sorted(broken))

    def broken_link(self, decision: Decision) -> str:
        """What is wrong with one decision by its hashes and the link to the one before it; "" where nothing is."""
        decisions = tables.decisions
        columns = [decisions.c[column.name] for column in fields(Link)]
        own = sa.select(*columns).where(decisions.c.book_id == decision.book_id, decisions.c.sha256 == decision.sha256)
        link = Link(**self._rows(own)[0])
        before = sa.select(decisions.c.chain_sha256).where(decisions.c.book_id == link.book_id)
        found = self._rows(before.where(decisions.c.position == link.position - 1))
        previous = found[0]["chain_sha256"] if found else ""
        return broken_links([link], previous, link.position - 1).get(link.session, "")

    def attempts(self, book_id: str, session: date) -> list[int]:
        """The attempts at a session's decision, the first one first."""
        decisions = tables.decisions
        query = sa.select(decisions.c.attempt).where(decisions.c.book_id == book_id, decisions.c.session == session)
        return sorted(row["attempt"] for row in self._rows(query))

    def decided_sessions(self, book_id: str) -> set[date]:
        return {
            row["session"]
            for row in self._rows(sa.select(tables.decisions.c.session).where(tables.decisions.c.book_id == book_id))
        }

    def orders(
        self,
        book_id: str,
        decided: date | None = None,
        statuses: Sequence[OrderStatus] | None = None,
        for_open: date | None = None,
    ) -> list[Order]:
        """Orders of a book, oldest first; of those decided after one session, in some statuses, for the open of one session."""
        orders = tables.orders
        query = sa.select(orders).where(orders.c.book_id == book_id).order_by(orders.c.decided_session, orders.c.order_id)
        if decided is not None:
            query = query.where(orders.c.decided_session == decided)
        if for_open is not None:
            query = query.where(orders.c.execution_session == for_open)
        return self._records(Order, query if statuses is None else query.where(orders.c.status.in_(statuses)))

    def order(self, order_id: str) -> Order | None:
        return self._record(Order, sa.select(tables.orders).where(tables.orders.c.order_id == order_id))

    def set_orders_sent(self, order_ids: Sequence[str], at: datetime) -> None:
        """Say that a request for each is about to leave: from now on each is "unknown", until the broker has been asked."""
        orders = tables.orders
        change = sa.update(orders).where(orders.c.order_id.in_(order_ids), orders.c.status.in_(("intent", "unknown")))
        with self._writing() as connection:
            connection.execute(change.values(status="unknown", reason="sent, no answer yet", sent_at=at))

    def set_order_status(self, order_id: str, status: OrderStatus, reason: str = "") -> None:
        """Move an open order on, never back. One that has ended stays as it ended.

        A kill does not undo it; a power failure may: then the order is as it was before, and is looked up again.
        """
        orders = tables.orders
        earlier = OPEN_STATUSES[: OPEN_STATUSES.index(status)] if status in OPEN_STATUSES else OPEN_STATUSES
        change = sa.update(orders).where(orders.c.order_id == order_id, orders.c.status.in_(earlier))
        with self._writing(synced=False) as connection:
            connection.execute(change.values(status=status, reason=reason))


def _document(row: Mapping[str, Any], book_id: str, name: str) -> dict[str, Any]:
    try:
        made: dict[str, Any] = json.loads(row[name])
    except ValueError as error:
        named = f"The decision of {row['session']} in the book {book_id!r}"
        raise OutOfSync(f"{named} was changed: its text is no document any more ({error}).", book_id=book_id) from None
    return made
