"""Limits change a backtest as they change the days: same orders, fills and marks, and the same sentences."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nightdesk.backtest.run import Backtest, run_backtest
from nightdesk.errors import LimitBreached
from nightdesk.ledger.book import book_id
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.sessions import exchange_sessions
from tests.desks import settings_in
from tests.integration.test_history_parity import play_to_order
from tests.strategy_documents import NO_MLFLOW, Document, saved, seed, two_instruments, with_key

SESSIONS = exchange_sessions("XNYS").between(date(2018, 11, 30), date(2018, 12, 13))


def limited(document: Document, **keys: object) -> Document:
    for name, value in keys.items():
        document = with_key(document, f"limits.{name}", value)
    return document


def unheard(done: int, of: int) -> None:
    """Progress that nobody follows."""


def backtested(document: Document, folder: Path, sessions: pd.DatetimeIndex) -> Backtest:
    path = saved(document, folder)
    return run_backtest(path, sessions[0].date(), sessions[-1].date(), None, settings_in(folder / "home"), unheard)


def require_parity(document: Document, sessions: pd.DatetimeIndex, folder: Path) -> Backtest:
    here, path = settings_in(folder / "home", mlflow_uri=NO_MLFLOW), saved(document, folder)
    for session in sessions:
        try:
            play_to_order(path, session.date(), here)
        except LimitBreached:
            continue  # the decision is kept, without orders
    ledger, book = Ledger(ledger_file(here.home, "backfill")), book_id("backfill", "cheap", "cheap")
    days = [stamp.date() for stamp in sessions]
    bodies: list[Any] = [decision.body for day in days if (decision := ledger.decision(book, day))]
    orders, marks, controls = ledger.orders(book), ledger.marks(book), ledger.controls(book)
    ledger.close()

    made = backtested(document, folder, sessions)
    history, names = made.history, [row.instrument for row in made.strategy.market.instruments]
    wanted = [
        (days[at], names[symbol], Decimal(str(round(quantity, 9))).normalize())
        for at, symbol, quantity in zip(history.decided, history.symbol, history.ordered, strict=True)
    ]
    assert sorted(wanted) == sorted((row.decided_session, row.instrument, row.quantity.normalize()) for row in orders)
    np.testing.assert_allclose(made.equity["equity"], [float(mark.equity) for mark in marks], rtol=0, atol=0.005)
    kept = [(row.session, row.reason) for row in made.restrictions if not row.state]
    assert kept == [
        (day, "; ".join(body["limits"]["breaches"])) for day, body in zip(days, bodies, strict=True) if body["limits"]["breaches"]
    ]
    states = [(row.session, row.state, row.reason) for row in made.restrictions if row.state]
    assert states == [(row.session, row.state, row.reason) for row in controls]
    return made


@pytest.mark.timeout(300)  # real days, each with its own ledger and broker
@pytest.mark.parametrize(
    ("keys", "states", "n"),
    [
        ({"max_daily_loss": 0.025}, ["HALTED"], 6),
        ({"max_drawdown": 0.03, "max_daily_loss": 0.5}, ["REDUCING"], 6),
        ({"max_order_notional": 40_000.0, "max_orders_per_day": 1, "end_date": "2018-12-11"}, ["", "REDUCING"], 9),
    ],
    ids=["daily loss", "drawdown", "orders and end date"],
)
def test_days_under_limits_are_what_the_backtest_gives(
    keys: dict[str, object], states: list[str], n: int, tmp_path: Path
) -> None:
    made = require_parity(limited(with_key(two_instruments(seed()), "sizing.increment", 0.001), **keys), SESSIONS[:n], tmp_path)
    assert sorted({row.state for row in made.restrictions}) == sorted(states)
