"""The ledger: books, runs, models, what happened, what the bars were. Decisions and orders lie in `decisions.py`, the states
of books in `controls.py`."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime

import sqlalchemy as sa

from nightdesk.database import insert_new
from nightdesk.errors import Misconfigured
from nightdesk.ledger import tables
from nightdesk.ledger.accounts import Accounts
from nightdesk.ledger.consents import Consents
from nightdesk.ledger.controls import Controls
from nightdesk.ledger.decisions import Decisions
from nightdesk.ledger.glance import Glance
from nightdesk.ledger.replacements import Replacements
from nightdesk.ledger.trials import Trials
from schemas.findings import Restatement
from schemas.records import Book, CashEvent, Fill, Gap, Mark, Mode, ModelRef, OutsideChange, PositionEvent, Run


class Ledger(Decisions, Controls, Consents, Accounts, Trials, Replacements, Glance):
    """Reads and writes of one ledger file."""

    # books and runs

    def open_book(self, book: Book) -> Book:
        """The book, made when it is new. Capital and currency of a book that is there already cannot change."""
        with self._writing() as connection:
            connection.execute(insert_new(tables.books, [asdict(book)]))
        known = self.book(book.book_id)
        if known is None or (known.capital, known.currency) != (book.capital, book.currency):
            raise Misconfigured(
                f"capital was {book.capital} {book.currency}, but the book {book.book_id!r} was opened with "
                f"{known.capital if known else None} {known.currency if known else ''}: give the strategy another name or home."
            )
        return known

    def book(self, book_id: str) -> Book | None:
        return self._record(Book, sa.select(tables.books).where(tables.books.c.book_id == book_id))

    def books(self, account: str | None = None) -> list[Book]:
        query = sa.select(tables.books).order_by(tables.books.c.book_id)
        return self._records(Book, query if account is None else query.where(tables.books.c.account == account))

    def require_mode(self, mode: Mode) -> None:
        """Raise `Misconfigured` where the file holds books of another mode: it was renamed, copied or linked to."""
        others = sorted({book.mode for book in self.books()} - {mode})
        if others:
            raise Misconfigured(
                f"{self.path} is opened as the {mode} ledger, but holds {' and '.join(others)} books: put the ledgers back.",
                path=str(self.path),
                mode=mode,
            )

    def append_run(self, run: Run) -> None:
        with self._writing() as connection:
            connection.execute(sa.insert(tables.runs), asdict(run))

    def finish_run(self, run: Run) -> None:
        """Write how a run ended; a run ends once."""
        runs = tables.runs
        values = {key: value for key, value in asdict(run).items() if key != "run_id"}
        with self._writing() as connection:
            connection.execute(sa.update(runs).where(runs.c.run_id == run.run_id, runs.c.finished_at.is_(None)).values(values))

    def runs(self, book_id: str, session: date | None = None) -> list[Run]:
        """Runs in the order in which they started."""
        query = sa.select(tables.runs).where(tables.runs.c.book_id == book_id).order_by(tables.runs.c.started_at)
        return self._records(Run, query if session is None else query.where(tables.runs.c.session == session))

    def open_runs(self, book_id: str, before: date) -> list[Run]:
        """Runs of earlier sessions that have not ended, in the order in which they started."""
        runs = tables.runs
        query = sa.select(runs).where(runs.c.book_id == book_id, runs.c.session < before, runs.c.finished_at.is_(None))
        return self._records(Run, query.order_by(runs.c.started_at))

    # models

    def append_model(self, model: ModelRef, promote: bool) -> None:
        """Record a fit and, where it passed, make it the champion from its cut-off on: both or neither."""
        row = {**asdict(model), "metrics": dict(model.metrics), "gates": list(model.gates)}
        promotion = {"book_id": model.book_id, "session": model.cutoff, "model_id": model.model_id, "reason": model.reason}
        with self._writing() as connection:
            connection.execute(insert_new(tables.models, [row]))
            if promote:
                connection.execute(insert_new(tables.promotions, [promotion]))

    def models(self, book_id: str) -> list[ModelRef]:
        """Every fit of a book, oldest cut-off first."""
        query = sa.select(tables.models).where(tables.models.c.book_id == book_id).order_by(tables.models.c.cutoff)
        return self._records(ModelRef, query)

    def champion(self, book_id: str, session: date) -> ModelRef | None:
        """The model that was last promoted at or before `session`."""
        promotions, models = tables.promotions, tables.models
        query = (
            sa.select(models)
            .join(promotions, promotions.c.model_id == models.c.model_id)
            .where(promotions.c.book_id == book_id, promotions.c.session <= session)
            .order_by(promotions.c.session.desc(), promotions.c.promotion_id.desc())
            .limit(1)
        )
        return self._record(ModelRef, query)

    def set_mlflow_run(self, model_id: str, run_id: str) -> None:
        with self._writing() as connection:
            connection.execute(sa.update(tables.models).where(tables.models.c.model_id == model_id).values(mlflow_run_id=run_id))

    # what happened

    def append_events(
        self,
        fills: Iterable[Fill] = (),
        positions: Iterable[PositionEvent] = (),
        cash: Iterable[CashEvent] = (),
        opened: tuple[str, date] | None = None,
        changes: Sequence[OutsideChange] = (),
    ) -> None:
        """Record what the broker reports, all of it or nothing; what is there already is left as it is, but that a person has
        taken an outside change over is added to it."""
        with self._writing() as connection:
            for table, records in ((tables.fills, fills), (tables.position_events, positions), (tables.cash_events, cash)):
                rows = [asdict(record) for record in records]
                if rows:
                    connection.execute(insert_new(table, rows))
            if opened is not None:
                books = tables.books
                change = sa.update(books).where(books.c.book_id == opened[0], books.c.opened.is_(None))
                connection.execute(change.values(opened=opened[1]))
            if changes:
                self._save_changes(connection, changes)

    def fills(self, book_id: str) -> list[Fill]:
        query = sa.select(tables.fills).where(tables.fills.c.book_id == book_id)
        return self._records(Fill, query.order_by(tables.fills.c.session, tables.fills.c.fill_id))

    def position_events(self, book_id: str) -> list[PositionEvent]:
        query = sa.select(tables.position_events).where(tables.position_events.c.book_id == book_id)
        return self._records(PositionEvent, query.order_by(tables.position_events.c.session, tables.position_events.c.event_id))

    def cash_events(self, book_id: str) -> list[CashEvent]:
        query = sa.select(tables.cash_events).where(tables.cash_events.c.book_id == book_id)
        return self._records(CashEvent, query.order_by(tables.cash_events.c.session, tables.cash_events.c.event_id))

    def append_marks(self, marks: Sequence[Mark]) -> None:
        """Record a book's value at the close of sessions; the first mark of a session stands."""
        if marks:
            with self._writing() as connection:
                connection.execute(insert_new(tables.marks, [asdict(mark) for mark in marks]))

    def marks(self, book_id: str) -> list[Mark]:
        return self._records(
            Mark, sa.select(tables.marks).where(tables.marks.c.book_id == book_id).order_by(tables.marks.c.session)
        )

    def append_gaps(self, gaps: Sequence[Gap]) -> None:
        """Record what sessions made beside what was expected; the first row of a session stands."""
        if gaps:
            with self._writing() as connection:
                connection.execute(insert_new(tables.gaps, [asdict(gap) for gap in gaps]))

    def gaps(self, book_id: str) -> list[Gap]:
        """Oldest first."""
        return self._records(Gap, sa.select(tables.gaps).where(tables.gaps.c.book_id == book_id).order_by(tables.gaps.c.session))

    # bars

    def append_restatements(self, run_id: str, restated: Sequence[Restatement]) -> None:
        """Keep what a run found changed in the past of its bars."""
        if restated:
            with self._writing() as connection:
                connection.execute(insert_new(tables.restatements, [{"run_id": run_id, **asdict(row)} for row in restated]))

    def restatements(self, run_id: str) -> list[Restatement]:
        """What a run found changed, by session, symbol and field."""
        rows = tables.restatements
        query = sa.select(rows).where(rows.c.run_id == run_id)
        return self._records(Restatement, query.order_by(rows.c.session, rows.c.symbol, rows.c.field))

    def append_bar_files(self, source: str, sha256s: Mapping[str, str], recorded_at: datetime) -> None:
        """Keep the SHA-256 of files of a bar store; the first that was recorded of a file stands."""
        if sha256s:
            rows = [{"source": source, "path": p, "sha256": h, "recorded_at": recorded_at} for p, h in sha256s.items()]
            with self._writing() as connection:
                connection.execute(insert_new(tables.bar_files, rows))

    def bar_files(self, source: str) -> dict[str, str]:
        """SHA-256 by path of the recorded files of a source's bar store."""
        query = sa.select(tables.bar_files).where(tables.bar_files.c.source == source)
        return {row["path"]: row["sha256"] for row in self._rows(query)}

    def bar_sources(self) -> list[str]:
        """The sources whose files are recorded."""
        return sorted({row["source"] for row in self._rows(sa.select(tables.bar_files.c.source).distinct())})
