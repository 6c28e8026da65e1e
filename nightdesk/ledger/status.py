"""What the ledgers of a home say at a glance."""

from pathlib import Path
from typing import Any

from pydantic import SecretStr

from nightdesk.ledger.book import UNATTRIBUTED, cash, holdings
from nightdesk.ledger.decisions import OPEN_STATUSES
from nightdesk.ledger.file import ledgers_in
from nightdesk.ledger.store import Ledger
from schemas.records import Book


def book_statuses(home: Path | SecretStr) -> list[dict[str, Any]]:
    """A row for each book of each ledger file in the home: last day, equity, holdings, open orders, outside changes that wait,
    and its state with who, when and why. Money as numbers; the book of what an account has beside its strategy has no equity."""
    rows = []
    for path in ledgers_in(home):
        ledger = Ledger(path)
        rows += [_status(ledger, book) for book in ledger.books()]
        ledger.close()
    return rows


def _status(ledger: Ledger, book: Book) -> dict[str, Any]:
    runs, marks = ledger.runs(book.book_id), ledger.marks(book.book_id)
    days = sorted((run for run in runs if run.session), key=lambda run: (str(run.session), run.started_at))
    last, mark = days[-1] if days else None, marks[-1] if marks else None
    orders = ledger.orders(book.book_id, statuses=OPEN_STATUSES)
    control, override = ledger.control(book.book_id), ledger.override(book.book_id)
    beside = book.strategy == UNATTRIBUTED  # it has no days of its own
    money = cash(ledger.cash_events(book.book_id)) if beside else book.capital
    return {
        "book": book.book_id,
        "currency": book.currency,
        "state": control.state if control else "ACTIVE",
        "who": control.who if control else "",
        "at": control.at.isoformat() if control else None,
        "why": control.reason if control else "",
        "override": f"{override.lines}: {override.reason} ({override.who}, {override.at:%Y-%m-%d})" if override else "",
        "opened": str(book.opened) if book.opened else None,
        "sessions": len(marks),
        "session": str(last.session) if last else None,
        "outcome": (last.outcome or "running, or killed") if last else None,
        "reason": last.reason if last else "",
        "cash": float(mark.cash) if mark else float(money),
        "equity": None if beside else float(mark.equity) if mark else float(book.capital),
        "benchmark": None if beside else float(mark.benchmark or 0) if mark else float(book.capital),
        "holdings": {name: float(quantity) for name, quantity in holdings(ledger.position_events(book.book_id)).items()},
        "open_orders": [f"{order.quantity:f} {order.instrument} at the open of {order.execution_session}" for order in orders],
        "outside_changes": [change.sentence for change in ledger.outside_changes(book.book_id, waiting=True)],
    }
