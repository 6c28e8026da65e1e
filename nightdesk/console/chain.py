"""A decision and what it rests on, from its orders back to the bars: what the ledger knows of each link."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from nightdesk.errors import Misconfigured, OutOfSync
from nightdesk.ledger.chain import require_as_decided
from nightdesk.ledger.store import Ledger
from schemas.records import Book, Consent, Decision, Fill, ModelRef, Order

SIGNALS_SHOWN = 50


@dataclass(frozen=True, slots=True)
class Chain:
    """The links. `broken` says what is not as it was committed, a sentence each; `signals` has the strongest first, `n_signals`
    how many there are; `model` is None where the ledger has no such fit."""

    book: Book
    decision: Decision
    orders: tuple[tuple[Order, tuple[Fill, ...]], ...]
    consent: Consent | None
    model: ModelRef | None
    signals: tuple[Mapping[str, Any], ...]
    n_signals: int
    broken: tuple[str, ...]

    @property
    def body(self) -> Any:
        return self.decision.body

    @property
    def envelope(self) -> Any:
        return self.decision.envelope


def chain_of(ledgers: Sequence[Ledger], sha256: str) -> Chain:
    """The chain of the decision with this hash. Raises `Misconfigured` where none of the ledgers has it."""
    for ledger in ledgers:
        found = ledger.decisions_named(sha256) if len(sha256) == 64 else []
        book = ledger.book(found[0].book_id) if found else None
        if book is not None:
            return _chain(ledger, book, found[0])
    raise Misconfigured.value("decision", sha256, "the SHA-256 of a decision of this home")


def _chain(ledger: Ledger, book: Book, decision: Decision) -> Chain:
    body: Any = decision.body
    orders = [row for row in ledger.orders(book.book_id, decision.session) if row.attempt == decision.attempt]
    fills = ledger.fills_of([order.order_id for order in orders])
    used = body["model"]
    models = [row for row in ledger.models_at(book.book_id, decision.session) if row.sha256 == used["sha256"]]
    return Chain(
        book=book,
        decision=decision,
        orders=tuple((row, tuple(fill for fill in fills if fill.order_id == row.order_id)) for row in orders),
        consent=ledger.consent(decision.sha256),
        model=models[0] if models else None,
        signals=tuple(sorted(body["signals"], key=_strength))[:SIGNALS_SHOWN],
        n_signals=len(body["signals"]),
        broken=tuple(_broken(ledger, decision, orders)),
    )


def _strength(row: Mapping[str, Any]) -> tuple[float, float]:
    return -abs(row.get("weight") or 0.0), -abs(row.get("score") or 0.0)


def _broken(ledger: Ledger, decision: Decision, orders: Sequence[Order]) -> list[str]:
    found = [ledger.broken_link(decision)]
    try:
        require_as_decided(decision, orders)
    except OutOfSync as error:
        found.append(error.message)
    return [sentence for sentence in found if sentence]
