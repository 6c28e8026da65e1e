"""The ledger on a database: SQLite in the home (WAL, synchronous=FULL), one file for each mode.

Every write is one transaction that takes the writer's place at its start (BEGIN IMMEDIATE), so that a read followed by a
write cannot race. Rows are added, and the few that change (a run's end, an order's status, a model's MLflow run) change
forward only.
"""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import sqlalchemy as sa

from nightdesk.database import insert_new, sqlite_engine
from nightdesk.errors import Misconfigured, OutOfSync
from nightdesk.ledger import tables
from schemas.records import Book, CashEvent, Decision, Fill, Mark, ModelRef, Order, OrderStatus, PositionEvent, Run

HEAD = "0001"
"""The schema version that this code writes."""

OPEN_STATUSES: tuple[OrderStatus, ...] = ("intent", "unknown", "accepted")
"""An order in one of these may still fill; each may become a later one of them, never an earlier."""

Record = TypeVar("Record", Book, CashEvent, Fill, Mark, ModelRef, Order, PositionEvent, Run)


def ledger_file(home: Path, mode: str) -> Path:
    """Paper, live and backfill books lie in different files."""
    return home / "ledger" / f"{mode}.sqlite"


def _version(engine: sa.Engine) -> str:
    with engine.connect().execution_options(reading=True) as connection:
        if not sa.inspect(connection).has_table("alembic_version"):
            return ""
        return str(connection.execute(sa.text("select version_num from alembic_version")).scalar_one_or_none() or "")


def migrate(engine: sa.Engine) -> None:
    """Bring the schema to `HEAD`. A ledger that is newer than this code is refused."""
    version = _version(engine)
    if version == HEAD:
        return
    if version > HEAD:
        raise Misconfigured(
            f"The ledger {engine.url.database} has schema {version}, newer than {HEAD} which this version writes."
        )
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


class Ledger:
    """Reads and writes of one ledger file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.engine = sqlite_engine(path)
        migrate(self.engine)

    def close(self) -> None:
        self.engine.dispose()

    @contextmanager
    def _writing(self) -> Iterator[sa.Connection]:
        with self.engine.begin() as connection:
            yield connection

    def _rows(self, query: sa.Select[Any]) -> Sequence[sa.RowMapping]:
        with self.engine.connect().execution_options(reading=True) as connection:
            return connection.execute(query).mappings().all()

    def _records(self, kind: type[Record], query: sa.Select[Any]) -> list[Record]:
        names = [column.name for column in fields(kind)]
        return [kind(**{name: row[name] for name in names}) for row in self._rows(query)]

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
        found = self._records(Book, sa.select(tables.books).where(tables.books.c.book_id == book_id))
        return found[0] if found else None

    def books(self, account: str | None = None) -> list[Book]:
        query = sa.select(tables.books).order_by(tables.books.c.book_id)
        return self._records(Book, query if account is None else query.where(tables.books.c.account == account))

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

    # models

    def append_model(self, model: ModelRef, promote: bool) -> None:
        """Record a fit and, where it passed, make it the champion from its cut-off on: both or neither."""
        row = {**asdict(model), "metrics": dict(model.metrics)}
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
        found = self._records(ModelRef, query)
        return found[0] if found else None

    def set_mlflow_run(self, model_id: str, run_id: str) -> None:
        with self._writing() as connection:
            connection.execute(sa.update(tables.models).where(tables.models.c.model_id == model_id).values(mlflow_run_id=run_id))

    # decisions and orders

    def commit_decision(self, decision: Decision, orders: Sequence[Order]) -> bool:
        """Commit a decision with its order intents in one transaction. False where one was committed before: that one stands."""
        row = {**asdict(decision), "body": canonical_json(decision.body), "envelope": dict(decision.envelope)}
        with self._writing() as connection:
            if not connection.execute(insert_new(tables.decisions, [row])).rowcount:
                return False
            if orders:
                connection.execute(sa.insert(tables.orders), [asdict(order) for order in orders])
            return True

    def decision(self, book_id: str, session: date) -> Decision | None:
        """The decision of a session, the latest attempt."""
        decisions = tables.decisions
        query = sa.select(decisions).where(decisions.c.book_id == book_id, decisions.c.session == session)
        return self._decision(query.order_by(decisions.c.attempt.desc()).limit(1))

    def last_decision(self, book_id: str, before: date | None = None) -> Decision | None:
        """The newest decision, or the newest of a session before the given one."""
        decisions = tables.decisions
        query = sa.select(decisions).where(decisions.c.book_id == book_id)
        if before is not None:
            query = query.where(decisions.c.session < before)
        return self._decision(query.order_by(decisions.c.session.desc(), decisions.c.attempt.desc()).limit(1))

    def _decision(self, query: sa.Select[Any]) -> Decision | None:
        rows = self._rows(query)
        if not rows:
            return None
        row = dict(rows[0])
        return Decision(**{**row, "body": json.loads(row["body"])})

    def decided_sessions(self, book_id: str) -> set[date]:
        return {
            row["session"]
            for row in self._rows(sa.select(tables.decisions.c.session).where(tables.decisions.c.book_id == book_id))
        }

    def orders(self, book_id: str, decided: date | None = None, statuses: Sequence[OrderStatus] | None = None) -> list[Order]:
        """Orders of a book, oldest first."""
        orders = tables.orders
        query = sa.select(orders).where(orders.c.book_id == book_id).order_by(orders.c.decided_session, orders.c.order_id)
        if decided is not None:
            query = query.where(orders.c.decided_session == decided)
        return self._records(Order, query if statuses is None else query.where(orders.c.status.in_(statuses)))

    def order(self, order_id: str) -> Order | None:
        found = self._records(Order, sa.select(tables.orders).where(tables.orders.c.order_id == order_id))
        return found[0] if found else None

    def set_order_status(self, order_id: str, status: OrderStatus, reason: str = "") -> None:
        """Move an open order on, never back. One that has ended stays as it ended."""
        orders = tables.orders
        earlier = OPEN_STATUSES[: OPEN_STATUSES.index(status)] if status in OPEN_STATUSES else OPEN_STATUSES
        change = sa.update(orders).where(orders.c.order_id == order_id, orders.c.status.in_(earlier))
        with self._writing() as connection:
            connection.execute(change.values(status=status, reason=reason))

    # what happened

    def append_events(
        self,
        fills: Iterable[Fill] = (),
        positions: Iterable[PositionEvent] = (),
        cash: Iterable[CashEvent] = (),
        opened: tuple[str, date] | None = None,
    ) -> None:
        """Record what the broker reports, all of it or nothing; what is there already is left as it is."""
        with self._writing() as connection:
            for table, records in ((tables.fills, fills), (tables.position_events, positions), (tables.cash_events, cash)):
                rows = [asdict(record) for record in records]
                if rows:
                    connection.execute(insert_new(table, rows))
            if opened is not None:
                books = tables.books
                change = sa.update(books).where(books.c.book_id == opened[0], books.c.opened.is_(None))
                connection.execute(change.values(opened=opened[1]))

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

    def require_sound(self) -> None:
        """Raise `OutOfSync` where SQLite finds its own file damaged."""
        with self.engine.connect().execution_options(reading=True) as connection:
            verdict = connection.exec_driver_sql("PRAGMA quick_check").scalar_one()
        if verdict != "ok":
            raise OutOfSync(f"The ledger {self.path} is damaged: {verdict}.", path=str(self.path))


def canonical_json(body: object) -> str:
    """The one spelling of a document: sorted keys, no spaces, shortest float text, no NaN."""
    return json.dumps(body, sort_keys=True, separators=(",", ":"), allow_nan=False, ensure_ascii=False)
