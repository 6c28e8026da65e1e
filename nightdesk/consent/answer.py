"""A person's answer to a decision: one row in the ledger, the first, which alone decides."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from nightdesk.consent.evidence import listed, strategy_file
from nightdesk.consent.waiting import is_late, named_decision, orders_of, require_sound
from nightdesk.errors import LimitBreached, Misconfigured
from nightdesk.ledger.store import Ledger
from schemas.records import Consent, Decision, Mode

Answer = Literal["approve", "reject"]
PAST = {"approve": "approved", "reject": "rejected"}


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer that stands, the decision's orders in words, and how `submit` is asked for them."""

    consent: Consent
    orders: str
    mode: Mode
    strategy_file: str


def append_answer(home: Path | SecretStr, name: str, answer: Answer, who: str, now: datetime, reason: str = "") -> Answered:
    """Keep a person's answer to the decision whose SHA-256 begins with `name`.

    An answer is for the document with that hash, as it was committed. Raises, with the reason why it does not count:
    `Misconfigured` where there is nothing to answer (unknown, answered, superseded, sent, too late) or a rejection has no reason;
    `OutOfSync` where decision or orders are not what was committed; `LimitBreached` where the book is halted.
    """
    if answer == "reject" and not reason.strip():
        raise Misconfigured.value("reason", reason, "a sentence that says why; it is kept with your name")
    with named_decision(home, name) as (ledger, decision):
        _require_answerable(ledger, decision, answer, now)
        asked = Consent(decision.sha256, decision.book_id, decision.session, answer, who, now, reason.strip())
        stands = ledger.append_consent(asked)
        if stands != asked:
            _require_unanswered(stands, decision)
        book = next(row for row in ledger.books() if row.book_id == decision.book_id)
        return Answered(stands, listed(orders_of(ledger, decision)), book.mode, strategy_file(decision))


def require_answerable(home: Path | SecretStr, name: str, answer: Answer, now: datetime) -> None:
    """Raise as `append_answer` would, and keep nothing."""
    with named_decision(home, name) as (ledger, decision):
        _require_answerable(ledger, decision, answer, now)


def _require_answerable(ledger: Ledger, decision: Decision, answer: Answer, now: datetime) -> None:
    """To reject is safe, and needs less: a halted book or a broken chain does not stand in its way."""
    _require_unanswered(ledger.consent(decision.sha256), decision)
    if answer == "approve":
        require_sound(ledger, decision)
    _require_waiting(ledger, decision, now)
    if answer == "approve":
        _require_not_halted(ledger, decision)


def _require_unanswered(stands: Consent | None, decision: Decision) -> None:
    if stands is not None:
        why = f" ({stands.reason})" if stands.reason else ""
        raise Misconfigured(
            f"{_named(decision)} was {PAST[stands.answer]} already, by {stands.who} at {stands.at:%Y-%m-%d %H:%M:%S} UTC{why}: "
            "the first answer stands."
        )


def _require_waiting(ledger: Ledger, decision: Decision, now: datetime) -> None:
    orders = orders_of(ledger, decision)
    newest = ledger.last_decision(decision.book_id, ordered=True)
    if newest is None or newest.sha256 != decision.sha256:
        after = f"the book has decided again, for {newest.session}" if newest else "it was made too late for its open"
        raise Misconfigured(f"{_named(decision)} no longer counts: {after}.")
    if not any(order.status == "intent" for order in orders):
        ended = ", ".join(f"{listed([order])} is {order.status}" for order in orders) or "it intends none"
        raise Misconfigured(f"{_named(decision)} has no order that waits: {ended}.")
    if is_late(decision, now):
        raise Misconfigured(
            f"{_named(decision)} is too late: nothing leaves any more for the open of {decision.execution_session}."
        )


def _require_not_halted(ledger: Ledger, decision: Decision) -> None:
    control = ledger.control(decision.book_id)
    if control is not None and control.state == "HALTED":
        raise LimitBreached(
            f"{_named(decision)} cannot be approved: {decision.book_id} is HALTED by {control.who} ({control.reason}). "
            "Release it first: nightdesk resume.",
            book_id=decision.book_id,
        )


def _named(decision: Decision) -> str:
    return f"The decision {decision.sha256[:12]} of {decision.session}"
