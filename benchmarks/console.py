"""`console`: its pages over ten years of daily records of 500 symbols, made up and written by the ledger's own functions."""

import hashlib
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import quote

import httpx
import numpy as np

from benchmarks.homes import CHECKOUT
from benchmarks.result import Result, Row
from nightdesk.console.app import Room, console_app
from nightdesk.ledger.book import book_id, fill_events
from nightdesk.ledger.file import canonical_json, ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.sessions import exchange_sessions
from schemas.records import Book, CashEvent, Consent, Decision, Fill, Gap, Mark, ModelRef, Order, Run
from schemas.strategy import Strategy
from tests.app_server import on_socket
from tests.running import free_port

N_SESSIONS, N_SYMBOLS, ORDERS_A_SESSION = 2_520, 500, 20
FIRST_PAGE_S = 0.15
CAPITAL = Decimal(1_000_000)
LAST = date(2026, 11, 20)
NOW = datetime(2026, 11, 22, 15, 0, tzinfo=UTC)
"""A Sunday: the last session has been played, the next open is tomorrow."""


@dataclass(frozen=True)
class MadeUp:
    """A book to be made up: its strategy's name, its instruments, how much of it there is, and words of its last reason."""

    strategy: str
    instruments: tuple[str, ...]
    n_sessions: int
    orders_a_session: int
    reason: str = "buy and sell within the book"
    confirm: bool = False


def save_book(home: Path, made: MadeUp) -> Book:
    """Write a book's records through the ledger's own functions: decisions, orders, fills, marks, runs and monthly fits."""
    book = Book(book_id("paper", made.strategy, made.strategy), made.strategy, "paper", made.strategy, "USD", CAPITAL)
    sessions = [stamp.date() for stamp in exchange_sessions("XNYS").between(date(2010, 1, 4), LAST)[-made.n_sessions :]]
    following = [*sessions[1:], exchange_sessions("XNYS").after(sessions[-1])]
    prices = 50 * np.exp(np.cumsum(np.random.default_rng(0).normal(0.0003, 0.01, (len(sessions), len(made.instruments))), axis=0))
    document = _strategy(made)
    with closing(Ledger(ledger_file(home, "paper"))) as ledger:
        ledger.open_book(book)
        deposit = CashEvent("deposit", book.book_id, sessions[0], "deposit", CAPITAL, "USD")
        ledger.append_events(cash=[deposit], opened=(book.book_id, sessions[0]))
        equity = CAPITAL
        for at, (session, opens) in enumerate(zip(sessions, following, strict=True)):
            last = at == len(sessions) - 1
            if session.month != sessions[at - 1].month or at == 0:
                ledger.append_model(_model(book, session), promote=True)
            decision, orders = _decided(book, made, document, session, opens, prices[at], last)
            ledger.append_run(_run(book, decision, made.reason if last else "as before"))
            ledger.commit_decision(decision, orders)
            equity = equity + Decimal(str(round(float(equity) * float(np.sin(at)) * 0.01, 2)))
            flow = CAPITAL if at == 0 else Decimal(0)
            ledger.append_marks([Mark(book.book_id, session, equity / 10, equity - equity / 10, equity, flow, CAPITAL + at)])
            if at:
                ledger.append_gaps([_gap(book, session, equity)])
            if not last:
                _fill(ledger, book, orders, opens)
    return book


def _fill(ledger: Ledger, book: Book, orders: Sequence[Order], opens: date) -> None:
    costs = (Decimal("0.5"), Decimal("0.25"))
    fills = [
        Fill(
            f"f-{order.order_id}",
            order.order_id,
            book.book_id,
            opens,
            order.instrument,
            order.quantity,
            order.reference_price,
            *costs,
        )
        for order in orders
    ]
    events = [fill_events(fill, "USD") for fill in fills]
    ledger.append_events(fills, [shares for shares, _ in events], [row for _, cash in events for row in cash])


def _strategy(made: MadeUp) -> dict[str, Any]:
    document = tomllib.loads((CHECKOUT / "strategies" / "sp500_svc.toml").read_text(encoding="utf-8"))
    row = document["market"]["instruments"][0]
    document["market"]["instruments"] = [
        {**row, "instrument": f"S{at:03d}", "instrument_id": f"s-{at}", "signal": f"S{at:03d}"}
        for at in range(len(made.instruments))
    ]
    document["broker"]["execution"] = "confirm" if made.confirm else "automatic"
    return Strategy.model_validate(document).model_dump(mode="json")


def _decided(
    book: Book, made: MadeUp, strategy: dict[str, Any], session: date, opens: date, prices: Any, last: bool
) -> tuple[Decision, list[Order]]:
    """A decision as the desk makes it, about every instrument; its first orders buy and sell in turn."""
    names = made.instruments
    chosen = [(session.toordinal() * made.orders_a_session + at) % len(names) for at in range(made.orders_a_session)]
    orders = [
        Order(
            order_id=f"{book.strategy}-{session:%Y%m%d}-{at}",
            book_id=book.book_id,
            decided_session=session,
            execution_session=opens,
            instrument=names[at],
            instrument_id=f"s-{at}",
            leg="1",
            attempt=1,
            quantity=Decimal(10 + at % 7),
            time_in_force="opg",
            reference_price=Decimal(str(round(float(prices[at]), 2))),
            origin="scheduled",
            decision_sha256="",
        )
        for at in sorted(set(chosen))
    ]
    body = _body(book, made, session, opens, orders, made.reason if last else "as before")
    sha256 = hashlib.sha256(canonical_json(body).encode()).hexdigest()
    sessions = exchange_sessions("XNYS")
    envelope = {
        "run_id": f"{book.strategy}-{session}",
        "decided_at": sessions.settled_at(session).isoformat(),
        "known_until": sessions.settled_at(session).isoformat(),
        "mlflow_run_id": "",
        "strategy": strategy,
        "strategy_file": book.strategy,
        "clock_stands": False,
        "opens_at": sessions.opens_at(opens).isoformat(),
        "deadline": (sessions.opens_at(opens) - timedelta(minutes=5)).isoformat(),
        "quotes": {name: [round(float(price), 2), session.isoformat(), 1e6] for name, price in zip(names, prices, strict=True)},
    }
    decision = Decision(book.book_id, session, opens, 1, "scheduled", sha256, body, envelope)
    return decision, [replace(order, decision_sha256=sha256, status="intent" if last else "filled") for order in orders]


def _body(book: Book, made: MadeUp, session: date, opens: date, orders: Sequence[Order], reason: str) -> dict[str, Any]:
    signals = [
        {"instrument": name, "symbol": name, "action": "target", "weight": 0.001, "score": 0.1, "score_kind": "margin"}
        for name in made.instruments
    ]
    intents = [
        {
            "order_id": order.order_id,
            "instrument": order.instrument,
            "quantity": format(order.quantity, "f"),
            "reference_price": format(order.reference_price, "f"),
            "time_in_force": order.time_in_force,
        }
        for order in orders
    ]
    rows = len(made.instruments) * made.n_sessions
    data = {"source": "made up", "symbols": list(made.instruments), "rows": rows, "first": "2016-11-11", "last": str(session)}
    model = {"estimator": "sklearn.svm.SVC", "cutoff": str(session.replace(day=1)), "sha256": f"{session:%Y-%m}", "metrics": {}}
    return {
        "schema": 1,
        "book": book.book_id,
        "session": str(session),
        "execution_session": str(opens),
        "data": {**data, "sha256": "0" * 64},
        "features": {"columns": ["open_minus_close"], "sha256": "0" * 64},
        "model": {**model, "status": "passed"},
        "gate": {"passed": True, "reason": "test accuracy 0.530 is above 0.500"},
        "signals": signals,
        "holdings": {name: "100" for name in made.instruments},
        "cash": "100000",
        "equity": "1000000",
        "targets": {name: 100.0 for name in made.instruments},
        "limits": {"breaches": []},
        "wanted": {},
        "outcome": "traded",
        "reason": reason,
        "intents": intents,
    }


def _gap(book: Book, session: date, equity: Decimal) -> Gap:
    """Half a unit of money less than expected: slippage and fees."""
    zero = Decimal(0)
    parts = (zero, zero, zero, Decimal("-0.3"), Decimal("-0.2"), zero, zero)
    return Gap(book.book_id, session, equity, Decimal("100.5"), Decimal(100), *parts)


def _run(book: Book, decision: Decision, reason: str) -> Run:
    checks = {"passed": 27, "warnings": [f"a warning about {reason}"], "findings": []}
    drift = {
        "window": ["2010-01-04", "2014-12-31"],
        "sessions": 63,
        "inputs": {"open_minus_close": {"index": 0.05, "chance": 0.35, "word": "stable"}},
        "predictions": {},
    }
    detail = {
        "drift": drift,
        "checks": checks,
        "model": {"reason": "test accuracy 0.530 is above 0.500"},
        "restated": {"sentence": ""},
    }
    at = datetime.fromisoformat(str(decision.envelope["decided_at"]))
    named = (str(decision.envelope["run_id"]), book.book_id, decision.session, "scheduled", True)
    return Run(*named, at, at + timedelta(seconds=4), "traded", reason, 0, decision.sha256, detail)  # type: ignore[arg-type]  # "scheduled" is an origin


def _model(book: Book, session: date) -> ModelRef:
    spans = (session - timedelta(days=900), session - timedelta(days=100), session - timedelta(days=99), session)
    metrics = {"test_accuracy": 0.53, "test_baseline": 0.52}
    hashes = ("", "", f"{session:%Y-%m}", "", "")
    named = (f"{book.strategy}-{session}", book.book_id, "sklearn.svm.SVC", session)
    return ModelRef(*named, *spans, *hashes, "passed", "test accuracy 0.530 is above 0.500", metrics)


@contextmanager
def served(home: Path, port: int) -> Iterator[httpx.Client]:
    """The console over a home, on a socket."""
    app = console_app(Room(home, port, "ana (page)", lambda: NOW, lambda _: {}, lambda *_: ("", None)))
    with on_socket(app, port) as client:
        yield client


def measured_console(runs: int, work: Path) -> Result:
    """Each sample is a request of a new page, nothing of it kept from the one before."""
    names = tuple(f"S{at:03d}" for at in range(N_SYMBOLS))
    book = save_book(work, MadeUp("rotation", names, N_SESSIONS, ORDERS_A_SESSION, confirm=True))
    with served(work, free_port()) as client:
        asking = _samples(client, "/", runs, "Approve and send")
        _reject(work, book)
        first = _samples(client, "/", runs, "Nothing waits.")
        whole = _samples(client, f"/book?book={quote(book.book_id, safe='')}", runs, "Decisions")
    rows = [
        Row("the first page", first, "s", FIRST_PAGE_S),
        Row("the first page, with a decision that waits for consent", asking, "s", FIRST_PAGE_S),
        Row("a book's page", whole),
        Row("size of the ledger", [ledger_file(work, "paper").stat().st_size / 2**20], "MB"),
    ]
    title = f"{N_SESSIONS:,} sessions of {N_SYMBOLS} symbols, {ORDERS_A_SESSION} orders a session"
    return Result("console", title, rows)


def _reject(home: Path, book: Book) -> None:
    """Answer what waits, so that nothing does."""
    with closing(Ledger(ledger_file(home, "paper"))) as ledger:
        if decision := ledger.last_decision(book.book_id):
            ledger.append_consent(Consent(decision.sha256, book.book_id, decision.session, "reject", "ana", NOW, "enough"))


def _samples(client: httpx.Client, path: str, runs: int, expected: str) -> list[float]:
    seconds = []
    for _ in range(runs + 1):
        started = perf_counter()
        shown = client.get(path)
        seconds.append(perf_counter() - started)
        if shown.status_code != 200 or expected not in shown.text:
            raise RuntimeError(f"{path} was to show {expected!r}, but it was {shown.status_code}: {shown.text[:300]}")
    return seconds[1:]
