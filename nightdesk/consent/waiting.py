"""What waits for a person in a home, and the decision that they name."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pydantic import SecretStr

from nightdesk.consent.evidence import Close, Evidence, asks_for_consent, deadline, evidence_of
from nightdesk.errors import Misconfigured, OutOfSync
from nightdesk.ledger.chain import require_as_decided
from nightdesk.ledger.file import ledger_file, where
from nightdesk.ledger.store import Ledger
from schemas.records import Decision, Order

SHORTEST_NAME = 12
"""A decision is named by at least so many characters of its SHA-256."""

MODES = ("paper", "live")
Closes = Callable[[Decision], Mapping[str, Close]]
"""Closes that are newer than a decision's own, by instrument; empty where none is known."""


@dataclass(frozen=True, slots=True)
class Waiting:
    """What waits, soonest deadline first, and a sentence for each book whose decision is not what was committed."""

    evidence: tuple[Evidence, ...]
    broken: tuple[str, ...]


def waiting(home: Path | SecretStr, now: datetime, closes: Closes) -> Waiting:
    """Every decision of the home that waits for a person's answer at the instant `now`."""
    with closing(_Ledgers(home)) as ledgers:
        return waiting_in(ledgers.open, now, closes)


def waiting_in(ledgers: Iterable[Ledger], now: datetime, closes: Closes, in_short: bool = False) -> Waiting:
    """What waits in these ledgers. The whole record of each book is verified; `in_short` its newest decision only, for a page
    that is asked for again and again."""
    found: list[Evidence] = []
    broken: list[str] = []
    for ledger in ledgers:
        for book in ledger.books():
            try:
                found += _waiting(ledger, book.book_id, now, closes, in_short)
            except OutOfSync as error:
                broken.append(error.message)
    found.sort(key=lambda row: (row.deadline or row.opens_at, row.book))
    return Waiting(tuple(found), tuple(broken))


def _waiting(ledger: Ledger, book_id: str, now: datetime, closes: Closes, in_short: bool) -> list[Evidence]:
    decision = ledger.last_decision(book_id, ordered=True)
    if decision is None or not asks_for_consent(decision) or ledger.consent(decision.sha256) or is_late(decision, now):
        return []
    if not any(order.status == "intent" for order in orders_of(ledger, decision)):
        return []
    require_linked(ledger, decision) if in_short else require_sound(ledger, decision)
    return [evidence_of(ledger, decision, closes(decision))]


def require_sound(ledger: Ledger, decision: Decision) -> None:
    """Raise `OutOfSync` where the book's decisions, or the rows of this one's orders, are not what was committed."""
    ledger.require_unbroken(decision.book_id)
    require_as_decided(decision, orders_of(ledger, decision))


def require_linked(ledger: Ledger, decision: Decision) -> None:
    """Raise `OutOfSync` where this decision, or the rows of its orders, are not what was committed."""
    if broken := ledger.broken_link(decision):
        raise OutOfSync(broken, sessions=[decision.session])
    require_as_decided(decision, orders_of(ledger, decision))


def orders_of(ledger: Ledger, decision: Decision) -> list[Order]:
    """The rows of a decision's orders."""
    orders = ledger.orders(decision.book_id, decision.session)
    return [order for order in orders if order.attempt == decision.attempt]


def is_late(decision: Decision, now: datetime) -> bool:
    """Whether nothing of a decision may leave any more."""
    until = deadline(decision)
    return until is not None and now > until


@contextmanager
def named_decision(home: Path | SecretStr, name: str) -> Iterator[tuple[Ledger, Decision]]:
    """The decision whose SHA-256 begins with `name`, and its open ledger. Raises `Misconfigured` where there is not just one."""
    if not re.fullmatch(rf"[0-9a-f]{{{SHORTEST_NAME},64}}", name):
        raise Misconfigured.value("decision", name, f"the first {SHORTEST_NAME} or more characters of its SHA-256, in 0-9, a-f")
    with closing(_Ledgers(home)) as ledgers:
        found = [(ledger, decision) for ledger in ledgers.open for decision in ledger.decisions_named(name)]
        if not found:
            raise Misconfigured.value("decision", name, f"one of those that `nightdesk consent` lists in {where(home)}")
        if len(found) > 1:
            raise Misconfigured.value("decision", name, f"more of its SHA-256: {len(found)} decisions begin with this")
        ledger, decision = found[0]
        if "deadline" not in decision.envelope:
            raise Misconfigured(f"The decision {name} of {decision.session} was made by an older version, which asked nobody.")
        yield ledger, decision


class _Ledgers:
    """The ledgers of a home whose orders ask for consent, open."""

    def __init__(self, home: Path | SecretStr) -> None:
        paths = [ledger_file(home, mode) for mode in MODES]
        self.open = [Ledger(path) for path in paths if path.exists()]

    def close(self) -> None:
        for ledger in self.open:
            ledger.close()


def evidence_named(home: Path | SecretStr, name: str, closes: Closes) -> Evidence:
    """The evidence of the decision that a person names. Raises `OutOfSync` where it is not what was committed."""
    with named_decision(home, name) as (ledger, decision):
        require_sound(ledger, decision)
        return evidence_of(ledger, decision, closes(decision))
