"""What a person must see to consent to a decision: from the ledger alone, as the strategy was when it was decided."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Any, Literal

from nightdesk.ledger.store import Ledger
from nightdesk.portfolio.losses import course_of, drawdown
from schemas.records import Book, Decision, Mode, Order
from schemas.strategy import Strategy

SHOWN_BEFORE = 5
"""How many orders that were not approved before are shown."""


@dataclass(frozen=True, slots=True)
class Close:
    """A close of an instrument that is newer than the decision's own."""

    session: date
    price: float


@dataclass(frozen=True, slots=True)
class OrderEvidence:
    """An order that would leave. `quantity` and `value` (at the reference price) are positive, `share` is of equity.

    `score` is that of the instrument's signal; `newer` a close since the reference price, and `drift` from one to the other;
    both None where no newer price is known.
    """

    order_id: str
    side: Literal["buy", "sell"]
    quantity: Decimal
    instrument: str
    value: float
    share: float
    reference_price: float
    weight: float | None
    score: float | None
    score_kind: str
    newer: Close | None
    drift: float | None


@dataclass(frozen=True, slots=True)
class LimitUse:
    """How much of a limit the decision takes. `unit` is a currency, "of equity", "of volume", or "orders"."""

    key: str
    what: str
    used: float
    allowed: float
    unit: str

    @property
    def left(self) -> float:
        return self.allowed - self.used


@dataclass(frozen=True, slots=True)
class Evidence:
    """A decision that waits. `deadline` is when its intents expire, None on a market whose clock stands still.

    `state` says who restricts the book, "" where it is ACTIVE; `not_approved` what was rejected or expired unanswered before.
    Without a model `gate_passed` is None, `estimator` and `cutoff` are "".
    """

    decision_sha256: str
    book: str
    strategy: str
    mode: Mode
    account: str
    currency: str
    equity: float
    session: date
    execution_session: date
    decided_at: datetime
    opens_at: datetime
    deadline: datetime | None
    orders: tuple[OrderEvidence, ...]
    gate_passed: bool | None
    gate_reason: str
    estimator: str
    cutoff: str
    test_accuracy: float | None
    test_baseline: float | None
    limits: tuple[LimitUse, ...]
    end_date: date | None
    days_to_end_date: int | None
    halted: bool
    state: str
    not_approved: tuple[str, ...]


def evidence_of(ledger: Ledger, decision: Decision, closes: Mapping[str, Close]) -> Evidence:
    """The evidence of a decision. `closes` are newer ones by instrument; the ledger knows only those of the decision."""
    body, envelope = _any(decision.body), _any(decision.envelope)
    book = _book(ledger, decision)
    strategy = Strategy.model_validate(envelope["strategy"])
    orders = [row for row in ledger.orders(book.book_id, decision.session) if row.attempt == decision.attempt]
    control, end = ledger.control(book.book_id), strategy.limits.end_date
    model = body["model"]
    return Evidence(
        decision_sha256=decision.sha256,
        book=book.book_id,
        strategy=book.strategy,
        mode=book.mode,
        account=book.account,
        currency=book.currency,
        equity=float(body["equity"]),
        session=decision.session,
        execution_session=decision.execution_session,
        decided_at=datetime.fromisoformat(envelope["decided_at"]),
        opens_at=datetime.fromisoformat(envelope["opens_at"]),
        deadline=deadline(decision),
        orders=tuple(_order(order, body, closes.get(order.instrument)) for order in orders),
        gate_passed=body["gate"]["passed"],
        gate_reason=body["gate"]["reason"],
        estimator=model.get("estimator", ""),
        cutoff=model.get("cutoff", ""),
        test_accuracy=model.get("metrics", {}).get("test_accuracy"),
        test_baseline=model.get("metrics", {}).get("test_baseline"),
        limits=_limit_uses(ledger, decision, book, strategy, orders),
        end_date=end,
        days_to_end_date=(end - decision.execution_session).days if end else None,
        halted=control is not None and control.state == "HALTED",
        state=f"{control.state} by {control.who}: {control.reason}" if control else "",
        not_approved=_not_approved(ledger, decision),
    )


def asks_for_consent(decision: Decision) -> bool:
    """Whether the strategy, as it was when this was decided, wants a person to be asked. In a backfill nobody is."""
    strategy = _any(decision.envelope).get("strategy", {})
    return not decision.book_id.startswith("backfill/") and strategy.get("broker", {}).get("execution") == "confirm"


def deadline(decision: Decision) -> datetime | None:
    """The instant after which none of a decision's orders leaves; None on a market whose clock stands still."""
    envelope = _any(decision.envelope)
    return None if envelope["clock_stands"] else datetime.fromisoformat(envelope["deadline"])


def strategy_file(decision: Decision) -> str:
    """What the strategy was asked for by: its name, or the whole path of its file."""
    return str(decision.envelope["strategy_file"])


def document(evidence: Evidence) -> dict[str, Any]:
    """The evidence as plain JSON: dates and instants as ISO text, quantities as numbers."""
    return {name: _plain(value) for name, value in asdict(evidence).items()}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, date):
        return value.isoformat()
    return float(value) if isinstance(value, Decimal) else value


def _any(value: object) -> Any:
    return value


def _book(ledger: Ledger, decision: Decision) -> Book:
    return next(book for book in ledger.books() if book.book_id == decision.book_id)


def _order(order: Order, body: Any, newer: Close | None) -> OrderEvidence:
    signal: Any = next((row for row in body["signals"] if row["instrument"] == order.instrument), {})
    price, equity = float(order.reference_price), float(body["equity"])
    value = abs(float(order.quantity)) * price
    return OrderEvidence(
        order_id=order.order_id,
        side="buy" if order.quantity > 0 else "sell",
        quantity=abs(order.quantity),
        instrument=order.instrument,
        value=value,
        share=value / equity,
        reference_price=price,
        weight=signal.get("weight"),
        score=signal.get("score"),
        score_kind=signal.get("score_kind", "none"),
        newer=newer,
        drift=newer.price / price - 1.0 if newer else None,
    )


# limits


def limit_uses(ledger: Ledger, decision: Decision) -> tuple[LimitUse, ...]:
    """How much of each limit a decision takes, by the strategy as it was then."""
    strategy = Strategy.model_validate(_any(decision.envelope)["strategy"])
    orders = [row for row in ledger.orders(decision.book_id, decision.session) if row.attempt == decision.attempt]
    return _limit_uses(ledger, decision, _book(ledger, decision), strategy, orders)


def _limit_uses(
    ledger: Ledger, decision: Decision, book: Book, strategy: Strategy, orders: Sequence[Order]
) -> tuple[LimitUse, ...]:
    body, limits = _any(decision.body), strategy.limits
    equity = float(body["equity"])
    value = max((abs(float(row.quantity * row.reference_price)) for row in orders), default=0.0)
    held = {name: Decimal(text) for name, text in body["holdings"].items()}
    after = [abs(held.get(row.instrument, Decimal(0)) + row.quantity) * row.reference_price for row in orders]
    position = float(max(after, default=Decimal(0)))
    quotes = _any(decision.envelope)["quotes"]
    volumes = [abs(float(row.quantity)) / quotes[row.instrument][2] for row in orders if row.instrument in quotes]
    today = _orders_of_day(ledger, decision, book)
    return (
        LimitUse("max_order_notional", "Largest order", value, limits.max_order_notional, book.currency),
        LimitUse("max_order_share", "Largest order", value / equity, limits.max_order_share, "of equity"),
        LimitUse("max_position_share", "Position after the fill", position / equity, limits.max_position_share, "of equity"),
        LimitUse("max_volume_share", "Largest order", max(volumes, default=0.0), limits.max_volume_share, "of volume"),
        LimitUse("max_orders_per_day", "Orders for this open", today, limits.max_orders_per_day, "orders"),
        LimitUse("max_drawdown", "Drawdown", _drawdown(ledger, decision), limits.max_drawdown, "of equity"),
    )


def _orders_of_day(ledger: Ledger, decision: Decision, book: Book) -> int:
    """The account's orders for the open: those that were sent, and those of the decision."""
    books, opens = ledger.books(book.account), decision.execution_session
    same = [order for other in books for order in ledger.orders(other.book_id, for_open=opens)]
    return sum(order.status != "intent" or order.decision_sha256 == decision.sha256 for order in same)


def _drawdown(ledger: Ledger, decision: Decision) -> float:
    marks = [mark for mark in ledger.marks(decision.book_id) if mark.session <= decision.session]
    released = ledger.released_at(decision.book_id)
    return drawdown(course_of(marks, None, released, decision.execution_session))


def _not_approved(ledger: Ledger, decision: Decision) -> tuple[str, ...]:
    gone = [
        order
        for order in ledger.orders(decision.book_id, statuses=("canceled", "expired"))
        if order.sent_at is None and order.decided_session < decision.session
    ]
    return tuple(f"{order.decided_session}: {listed([order])}: {order.reason}" for order in gone[-SHOWN_BEFORE:])


def listed(orders: Sequence[Order]) -> str:
    """Orders in words, as "buy 37 SPY"."""
    return ", ".join(f"{'buy' if row.quantity > 0 else 'sell'} {abs(row.quantity):,.9g} {row.instrument}" for row in orders)
