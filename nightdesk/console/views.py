"""What the pages show of a book, read from its ledger: plain values, no HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from nightdesk.consent import words
from nightdesk.consent.evidence import LimitUse, asks_for_consent, limit_uses
from nightdesk.console.course import Course
from nightdesk.console.events import Event, missing_session, next_events
from nightdesk.console.watched import GapTable, Learning, Watched, gap_table, learning, watched
from nightdesk.errors import Misconfigured
from nightdesk.ledger.book import UNATTRIBUTED, cash
from nightdesk.ledger.decisions import OPEN_STATUSES
from nightdesk.ledger.store import Ledger
from schemas.findings import Restatement
from schemas.outcomes import ENDINGS, RUNBOOK
from schemas.records import Book, Control, Decision, Fill, Mark, ModelRef, Order, Run
from schemas.strategy import Strategy

RUNS_LOOKED_AT = 3
"""The newest run may be what followed an approval; the day before it knows more."""
DAYS_SHOWN, ORDERS_SHOWN, MODELS_SHOWN, RESTATED_SHOWN = 15, 20, 8, 20
POSITIONS_SHOWN = 25
EMPTY: Mapping[str, Any] = {}


@dataclass(frozen=True, slots=True)
class Glance:
    """A book at a glance. `course` is None before the first mark, `run` before the first day; `missing` is a session that should
    have been played; `beside`: the book of what an account has beside its strategy, which has no days."""

    book: Book
    control: Control | None
    run: Run | None
    mark: Mark | None
    course: Course | None
    decision: Decision | None
    open_orders: tuple[Order, ...]
    asks: bool
    events: tuple[Event, ...]
    missing: date | None
    outside: tuple[str, ...]
    positions: int
    cash: float
    beside: bool
    watched: Watched

    @property
    def state(self) -> str:
        return self.control.state if self.control else "ACTIVE"

    @property
    def tone(self) -> str:
        """How the last day ended, as a CSS class: good, wait, bad; quiet before the first day."""
        if self.run is None:
            return "quiet"
        if self.run.outcome in ("waiting", "no trade: halted"):
            return "wait"
        return "good" if self.run.exit_code == 0 and self.run.outcome else "bad"

    @property
    def heading(self) -> str:
        """The heading of the runbook that says what to do; "" where nothing is."""
        return RUNBOOK.get(self.run.exit_code, "") if self.run and (self.run.exit_code or not _known(self.run)) else ""


@dataclass(frozen=True, slots=True)
class Position:
    """What is held of an instrument, at the price of the newest decision; None where that has no price."""

    instrument: str
    quantity: float
    price: float | None
    value: float | None
    share: float | None


@dataclass(frozen=True, slots=True)
class Used:
    """A limit in words, and how much of it is used as a fraction."""

    name: str
    used: str
    allowed: str
    left: str
    share: float


@dataclass(frozen=True, slots=True)
class Fit:
    """A fit and what it is to the book: champion, challenger or former."""

    model: ModelRef
    role: str


@dataclass(frozen=True, slots=True)
class Page:
    """A book whole."""

    glance: Glance
    positions: tuple[Position, ...]
    orders: tuple[tuple[Order, tuple[Fill, ...]], ...]
    days: tuple[Run, ...]
    limits: tuple[Used, ...]
    fits: tuple[Fit, ...]
    checks: Mapping[str, Any]
    data: Mapping[str, Any]
    restated: tuple[Restatement, ...]
    restated_sentence: str
    controls: tuple[Control, ...]
    gaps: GapTable | None
    learning: Learning


def glances(ledgers: Sequence[Ledger], now: datetime) -> list[Glance]:
    """Every book of the ledgers: live books first, then paper, then backfills."""
    found = [glance(ledger, book, now) for ledger in ledgers for book in ledger.books()]
    return sorted(found, key=lambda row: (("live", "paper", "backfill").index(row.book.mode), row.beside, row.book.book_id))


def glance(ledger: Ledger, book: Book, now: datetime) -> Glance:
    """A book at the instant `now`."""
    name = book.book_id
    runs, mark, decision = (
        ledger.recent_runs(name, RUNS_LOOKED_AT),
        ledger.last_mark(name),
        ledger.last_decision(name, ordered=True),
    )
    rows = ledger.equity_course(name)
    open_orders = tuple(ledger.orders(name, statuses=OPEN_STATUSES))
    asks = bool(decision and open_orders and asks_for_consent(decision) and not ledger.consent(decision.sha256))
    beside = book.strategy == UNATTRIBUTED
    backfill = book.mode == "backfill"
    money = cash(ledger.cash_events(name)) if beside else book.capital
    return Glance(
        book=book,
        control=ledger.control(name),
        run=runs[0] if runs else None,
        mark=mark,
        course=Course(rows) if rows else None,
        decision=decision,
        open_orders=open_orders,
        asks=asks,
        events=next_events(decision, open_orders, asks, now) if decision and not backfill else (),
        missing=missing_session(decision, runs[0].session if runs else None, now) if decision and not backfill else None,
        outside=tuple(change.sentence for change in ledger.outside_changes(name, waiting=True)),
        positions=len(ledger.held(name)),
        cash=float(mark.cash) if mark else float(money),
        beside=beside,
        watched=watched(ledger, book, decision, runs),
    )


def page_of(ledgers: Sequence[Ledger], book_id: str, now: datetime, every_position: bool, before: date | None) -> Page:
    """A book whole; its days and orders those before a session. Raises `Misconfigured` where there is no such book."""
    for ledger in ledgers:
        if book := ledger.book(book_id):
            paper = next((row for row in ledgers if row.path.stem == "paper"), ledger)
            return _page(ledger, paper, book, now, every_position, before)
    raise Misconfigured.value("book", book_id, "a book of this home")


def _page(ledger: Ledger, paper: Ledger, book: Book, now: datetime, every_position: bool, before: date | None) -> Page:
    seen = glance(ledger, book, now)
    days = ledger.recent_runs(book.book_id, DAYS_SHOWN, before)
    orders = ledger.recent_orders(book.book_id, ORDERS_SHOWN, before)
    fills = ledger.fills_of([order.order_id for order in orders])
    newest = ledger.recent_runs(book.book_id, DAYS_SHOWN)
    held, fits = _positions(ledger, seen), _fits(ledger, seen)
    detail: Any = next((run.detail for run in newest if run.detail.get("checks")), EMPTY)
    body: Any = seen.decision.body if seen.decision else EMPTY
    return Page(
        glance=seen,
        positions=tuple(held if every_position else held[:POSITIONS_SHOWN]),
        orders=tuple((row, tuple(fill for fill in fills if fill.order_id == row.order_id)) for row in orders),
        days=tuple(days),
        limits=_limits(ledger, seen),
        fits=fits,
        checks=detail.get("checks", EMPTY),
        data=body.get("data", EMPTY),
        restated=tuple(ledger.restatements_of([run.run_id for run in newest], RESTATED_SHOWN)),
        restated_sentence=detail.get("restated", EMPTY).get("sentence", ""),
        controls=tuple(reversed(ledger.controls(book.book_id)[-5:])),
        gaps=gap_table(ledger, seen.watched.last_gap),
        learning=learning(paper, book, seen.decision, fits[0].model if fits else None),
    )


def _positions(ledger: Ledger, seen: Glance) -> list[Position]:
    """What is held, the largest value first."""
    envelope: Any = seen.decision.envelope if seen.decision else EMPTY
    quotes = envelope.get("quotes", EMPTY)
    equity = float(seen.mark.equity) if seen.mark else None
    found = []
    for name, quantity in ledger.held(seen.book.book_id).items():
        price = float(quotes[name][0]) if name in quotes else None
        value = None if price is None else float(quantity) * price
        share = value / equity if value is not None and equity else None
        found.append(Position(name, float(quantity), price, value, share))
    return sorted(found, key=lambda row: (-abs(row.value or 0.0), row.instrument))


def _limits(ledger: Ledger, seen: Glance) -> tuple[Used, ...]:
    """The limits of the newest decision's strategy; none where it was made by an older version."""
    if seen.decision is None or "deadline" not in seen.decision.envelope:
        return ()
    rows = [_used(row) for row in limit_uses(ledger, seen.decision)]
    envelope: Any = seen.decision.envelope
    limits = Strategy.model_validate(envelope["strategy"]).limits
    if seen.course and seen.course.day is not None:
        lost = max(0.0, -seen.course.day)
        rows.append(_used(LimitUse("max_daily_loss", "Loss of the last session", lost, limits.max_daily_loss, "of equity")))
    streak = seen.course.losing_sessions if seen.course else 0
    losing = LimitUse("max_losing_sessions", "Sessions of loss in a row", streak, limits.max_losing_sessions, "orders")
    rows.append(_used(losing))
    if limits.end_date is not None:
        days = (limits.end_date - seen.decision.execution_session).days
        rows.append(Used("Last session that may buy", "", str(limits.end_date), f"{days} days", 1.0 if days < 0 else 0.0))
    return tuple(rows)


def _used(row: LimitUse) -> Used:
    used, allowed, left = (words.amount(value, row.unit) for value in (row.used, row.allowed, row.left))
    share = min(1.0, max(0.0, row.used / row.allowed)) if row.allowed else 1.0
    return Used(words.limit_name(row), used, allowed, left, share)


def _fits(ledger: Ledger, seen: Glance) -> tuple[Fit, ...]:
    """The newest fits and the champion: what trades, what is newer and was not promoted, what was before."""
    last = seen.run.session if seen.run else None
    champion = ledger.champion(seen.book.book_id, last) if last else None
    newest = ledger.recent_models(seen.book.book_id, MODELS_SHOWN)
    if champion and all(row.model_id != champion.model_id for row in newest):
        newest.append(champion)
    return tuple(Fit(row, _role(row, champion)) for row in newest)


def _role(row: ModelRef, champion: ModelRef | None) -> str:
    if champion and row.model_id == champion.model_id:
        return "champion"
    return "challenger" if champion is None or row.cutoff > champion.cutoff else "former"


def _known(run: Run) -> bool:
    """Whether the day has ended in an outcome of the table."""
    return run.outcome.partition(":")[0] == "failed" or run.outcome in ENDINGS
