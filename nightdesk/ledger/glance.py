"""What a page asks of the ledger: the newest rows of each kind, so many and no more, and sums that the database makes itself."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from nightdesk.ledger import tables
from nightdesk.ledger.file import LedgerFile
from schemas.evidence import Replacement
from schemas.findings import Restatement
from schemas.records import Fill, Gap, Mark, ModelRef, Order, Run

NANO = 1_000_000_000
"""Quantities have at most nine places: summed as whole billionths they lose nothing up to nine million shares."""
NO_REPORT = "no report"
"""The outcome of a heartbeat's row: a person was told that the session has no report."""


class Glance(LedgerFile):
    """Reads whose cost does not grow with the years that a book has, but for one narrow row a session."""

    def recent_runs(self, book_id: str, n: int, before: date | None = None) -> list[Run]:
        """The newest runs of sessions, newest first, without a heartbeat's; of sessions before a day."""
        runs = tables.runs
        query = sa.select(runs).where(runs.c.book_id == book_id, runs.c.session.is_not(None), runs.c.outcome != NO_REPORT)
        query = query if before is None else query.where(runs.c.session < before)
        return self._records(Run, query.order_by(runs.c.session.desc(), runs.c.started_at.desc()).limit(n))

    def told_of(self, book_id: str, n: int) -> list[tuple[Run, bool]]:
        """The newest sessions that a heartbeat told a person of, newest first, and whether a run of theirs has ended since."""
        runs, days = tables.runs, tables.runs.alias()
        kind = sa.func.coalesce(days.c.detail["kind"].as_string(), "")
        ended = sa.exists().where(
            days.c.book_id == runs.c.book_id,
            days.c.session == runs.c.session,
            days.c.finished_at.is_not(None),
            kind.not_in(("heartbeat", "submit")),
        )
        query = sa.select(runs, ended.label("ended")).where(runs.c.book_id == book_id, runs.c.outcome == NO_REPORT)
        rows = self._rows(query.order_by(runs.c.session.desc(), runs.c.started_at.desc()).limit(n))
        return [(Run(**{column.name: row[column.name] for column in runs.c}), bool(row["ended"])) for row in rows]

    def last_gap(self, book_id: str) -> Gap | None:
        gaps = tables.gaps
        query = sa.select(gaps).where(gaps.c.book_id == book_id).order_by(gaps.c.session.desc()).limit(1)
        return self._record(Gap, query)

    def gap_sums(self, book_id: str, names: Sequence[str]) -> dict[str, Any]:
        """The sums of some columns of every gap of a book, as floats, with `since`, its first session, and the number of
        `sessions`."""
        gaps = tables.gaps
        sums = [sa.func.sum(sa.cast(gaps.c[name], sa.Float)).label(name) for name in names]
        counted = sa.func.min(gaps.c.session).label("since"), sa.func.count().label("sessions")
        return dict(self._rows(sa.select(*counted, *sums).where(gaps.c.book_id == book_id))[0])

    def n_marks(self, book_id: str) -> int:
        """Sessions that a book has been marked in."""
        marks = tables.marks
        return int(self._rows(sa.select(sa.func.count().label("n")).where(marks.c.book_id == book_id))[0]["n"])

    def recent_replacements(self, strategy: str, n: int) -> list[Replacement]:
        """What was done last to the file of a strategy, newest first."""
        rows = tables.replacements
        query = sa.select(rows).where(rows.c.strategy == strategy)
        return self._records(Replacement, query.order_by(rows.c.number.desc()).limit(n))

    def last_mark(self, book_id: str) -> Mark | None:
        marks = tables.marks
        query = sa.select(marks).where(marks.c.book_id == book_id).order_by(marks.c.session.desc()).limit(1)
        return self._record(Mark, query)

    def equity_course(self, book_id: str) -> Sequence[tuple[date, float, float, float | None]]:
        """A row for each marked session, oldest first: session, equity, flow, benchmark; for pictures, as floats."""
        marks = tables.marks
        numbers = [sa.cast(marks.c[name], sa.Float).label(name) for name in ("equity", "flow", "benchmark")]
        query = sa.select(marks.c.session, *numbers).where(marks.c.book_id == book_id).order_by(marks.c.session)
        with self.engine.connect().execution_options(reading=True) as connection:
            return [tuple(row) for row in connection.execute(query)]

    def held(self, book_id: str) -> dict[str, Decimal]:
        """Quantity held of each instrument, by name; flat ones are absent."""
        events = tables.position_events
        whole = sa.func.round(sa.cast(sa.cast(events.c.quantity, sa.Text), sa.Float) * NANO)
        total = sa.func.sum(sa.cast(whole, sa.BigInteger))
        query = sa.select(events.c.instrument, total.label("total")).where(events.c.book_id == book_id)
        found = self._rows(query.group_by(events.c.instrument).having(total != 0).order_by(events.c.instrument))
        return {row["instrument"]: Decimal(int(row["total"])) / NANO for row in found}

    def recent_orders(self, book_id: str, n: int, before: date | None = None) -> list[Order]:
        """The orders that were decided last, newest first; those of sessions before a day."""
        orders = tables.orders
        query = sa.select(orders).where(orders.c.book_id == book_id)
        query = query if before is None else query.where(orders.c.decided_session < before)
        return self._records(Order, query.order_by(orders.c.decided_session.desc(), orders.c.order_id).limit(n))

    def fills_of(self, order_ids: Sequence[str]) -> list[Fill]:
        """The fills of some orders, oldest first."""
        fills = tables.fills
        query = sa.select(fills).where(fills.c.order_id.in_(order_ids)).order_by(fills.c.session, fills.c.fill_id)
        return self._records(Fill, query)

    def recent_models(self, book_id: str, n: int) -> list[ModelRef]:
        """The newest fits, newest cut-off first."""
        models = tables.models
        query = sa.select(models).where(models.c.book_id == book_id).order_by(models.c.cutoff.desc(), models.c.model_id).limit(n)
        return self._records(ModelRef, query)

    def models_at(self, book_id: str, session: date, n: int = 50) -> list[ModelRef]:
        """The fits that a decision of a session may have used: those with a cut-off up to it, newest first."""
        models = tables.models
        query = sa.select(models).where(models.c.book_id == book_id, models.c.cutoff <= session)
        return self._records(ModelRef, query.order_by(models.c.cutoff.desc(), models.c.model_id).limit(n))

    def restatements_of(self, run_ids: Sequence[str], n: int) -> list[Restatement]:
        """What some runs found changed in the past of their bars, newest sessions first, what nothing explains first."""
        rows = tables.restatements
        query = sa.select(rows).where(rows.c.run_id.in_(run_ids))
        return self._records(Restatement, query.order_by(rows.c.explained != "", rows.c.session.desc(), rows.c.symbol).limit(n))
