"""The quarantine: bars that were set aside instead of stored, in a SQLite file, until a person releases them."""

import json
import math
import re
from collections.abc import Iterable, Sequence
from datetime import date, datetime
from pathlib import Path

import sqlalchemy as sa

from nightdesk.database import Instant, insert_new, sqlite_engine
from nightdesk.errors import Misconfigured
from schemas.findings import QuarantinedBar
from schemas.strategy import DATA_SYMBOL

_metadata = sa.MetaData()
_bars = sa.Table(
    "bars",
    _metadata,
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=True),
    sa.Column("session", sa.Date, nullable=False),
    sa.Column("symbol", sa.Text, nullable=False),
    sa.Column("values", sa.Text, nullable=False),
    sa.Column("code", sa.Text, nullable=False),
    sa.Column("message", sa.Text, nullable=False),
    sa.Column("seen_at", Instant, nullable=False),
    sa.Column("closed", sa.Boolean, nullable=False, default=False),
    sa.Column("released_at", Instant),
    sa.Column("released_by", sa.Text, nullable=False, default=""),
    sa.Column("reason", sa.Text, nullable=False, default=""),
)
_waiting = sa.and_(_bars.c.closed.is_(False), _bars.c.released_at.is_(None))
sa.Index(
    "one_row_unless_closed",
    *(_bars.c[name] for name in ("session", "symbol", "values", "code")),
    unique=True,
    sqlite_where=_bars.c.closed.is_(False),
)
RECORD = tuple(_bars.c[name] for name in QuarantinedBar.__dataclass_fields__)


class Quarantine:
    """The bars that were set aside, in one file. A row waits, is released, or is closed: another version
    was released, or the vendor mended the bar."""

    def __init__(self, path: Path) -> None:
        self._engine = sqlite_engine(path)
        with self._engine.begin() as connection:
            _metadata.create_all(connection)

    def append_bars(self, rows: Sequence[QuarantinedBar]) -> None:
        """Set bars aside. One that is here already with the same values and code changes nothing, unless it was closed."""
        fields = ("session", "symbol", "code", "message", "seen_at")
        new = [{name: getattr(row, name) for name in fields} | {"values": _text(row)} for row in rows]
        if new:
            with self._engine.begin() as connection:
                connection.execute(insert_new(_bars, new))

    def bars(self, waiting_only: bool = True) -> list[QuarantinedBar]:
        """The bars that wait, or all that ever did; by session, symbol and when they were first seen."""
        query = sa.select(*RECORD).order_by(_bars.c.session, _bars.c.symbol, _bars.c.seen_at, _bars.c.number)
        with self._engine.connect().execution_options(reading=True) as connection:
            return [_record(row) for row in connection.execute(query.where(_waiting) if waiting_only else query)]

    def release(self, session: date, symbol: str, by: str, reason: str, released_at: datetime) -> list[QuarantinedBar]:
        """Let a bar be stored: all its rows with the values that were seen last. Other versions that wait are closed: they keep
        no `released_at`, and their `reason` says so. Returns all these rows, as `bars` sorts them.

        Raises `Misconfigured` for an empty reason or name, and where no version of the bar waits.
        """
        for key, text in (("reason", reason), ("by", by)):
            if not text.strip():
                raise Misconfigured.value(key, text, "a few words")
        if re.fullmatch(DATA_SYMBOL, symbol) is None:
            raise Misconfigured.value("symbol", symbol, f"a match of {DATA_SYMBOL}")
        of_bar = sa.and_(_bars.c.session == session, _bars.c.symbol == symbol)
        with self._engine.begin() as connection:
            query = sa.select(_bars.c.number, _bars.c["values"]).where(of_bar, _waiting)
            waiting = connection.execute(query.order_by(_bars.c.seen_at, _bars.c.number)).all()
            if not waiting:
                raise Misconfigured.value("bar", f"{symbol} on {session}", "a bar that waits in the quarantine")
            numbers, newest = [row[0] for row in waiting], waiting[-1][1]
            change = sa.update(_bars).where(_bars.c.number.in_(numbers)).values(released_by=by)
            connection.execute(change.where(_bars.c["values"] == newest).values(released_at=released_at, reason=reason))
            closed = f"closed, as a newer version was released: {reason}"
            connection.execute(change.where(_bars.c["values"] != newest).values(closed=True, reason=closed))
            changed = sa.select(*RECORD).where(_bars.c.number.in_(numbers)).order_by(_bars.c.seen_at, _bars.c.number)
            return [_record(row) for row in connection.execute(changed)]

    def close_mended(self, mended: Iterable[tuple[date, str]]) -> None:
        """Close what waits of these bars, by (session, symbol): the vendor delivers a sound version of each now."""
        keys = sorted(set(mended))
        of_bars = sa.tuple_(_bars.c.session, _bars.c.symbol).in_(keys)
        if keys:
            with self._engine.begin() as connection:
                change = sa.update(_bars).where(of_bars, _waiting)
                connection.execute(change.values(closed=True, reason="closed, as the vendor delivers a sound bar now"))

    def released(self) -> frozenset[tuple[date, str]]:
        """The (session, symbol) of the bars that were released and of which no newer version waits."""
        released = sa.select(_bars.c.session, _bars.c.symbol).where(_bars.c.released_at.is_not(None))
        again = sa.select(_bars.c.session, _bars.c.symbol).where(_waiting)
        with self._engine.connect().execution_options(reading=True) as connection:
            return frozenset((session, symbol) for session, symbol in connection.execute(released.except_(again)))

    def close(self) -> None:
        self._engine.dispose()


def _text(row: QuarantinedBar) -> str:
    """The values in one spelling, so that equal ones are found. A NaN becomes null."""
    values = {name: None if value is None or math.isnan(value) else float(value) for name, value in row.values.items()}
    return json.dumps(values, sort_keys=True)


def _record(row: sa.Row[tuple[object, ...]]) -> QuarantinedBar:
    fields = dict(row._mapping)
    return QuarantinedBar(**{**fields, "values": json.loads(fields["values"])})
