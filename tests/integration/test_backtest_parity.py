"""A backtest gives what the days give: the same fits, signals, orders, fills and marks as the real day with its ledger."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nightdesk.backtest.run import Backtest, run_backtest
from nightdesk.backtest.walk import NONE
from nightdesk.learning.digest import model_sha256
from nightdesk.learning.model_file import load_model
from nightdesk.ledger.book import book_id
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.sessions import exchange_sessions
from schemas.records import Decision, ModelRef
from tests.desks import settings_in
from tests.integration.test_history_parity import play_to_order
from tests.strategy_documents import NO_MLFLOW, Document, saved, seed, two_instruments, with_key


def unheard(done: int, of: int) -> None:
    """Progress that nobody follows."""


def signals_of_walk(made: Backtest, place: int) -> list[tuple[str, str, float | None, float | None]]:
    """Instrument, action, weight and score at a session, as a decision's document has them."""
    walk = made.walk
    rows = []
    for column, row in enumerate(made.strategy.market.instruments):
        weight, score = walk.weights[place, column], walk.scores[place, walk.symbols.index(row.signal)]
        action = "hold" if np.isnan(weight) else "target"
        rows.append((row.instrument, action, *(None if np.isnan(value) else round(float(value), 9) for value in (weight, score))))
    return rows


def signals_of_day(decision: Decision) -> list[tuple[str, str, float | None, float | None]]:
    rows: Any = decision.body["signals"]
    rounded = [[None if row[name] is None else round(row[name], 9) for name in ("weight", "score")] for row in rows]
    return [(row["instrument"], row["action"], *values) for row, values in zip(rows, rounded, strict=True)]


def without_train_accuracy(model: ModelRef) -> dict[str, float]:
    """A backtest does not ask a fit about the rows that it has learnt."""
    return {name: value for name, value in model.metrics.items() if name != "train_accuracy"}


def require_equal_fits(made: Backtest, models: list[ModelRef], home: Path) -> None:
    facts = [(fit.cutoff, fit.status, fit.reason, dict(fit.made.facts.metrics)) for fit in made.walk.fits]
    assert facts == [(model.cutoff, model.status, model.reason, without_train_accuracy(model)) for model in models]
    kept = [(fit.made.facts, model) for fit, model in zip(made.walk.fits, models, strict=True) if fit.made.facts.file]
    assert kept
    for fit, model in kept:
        estimator = load_model(home / "cache" / "fits" / fit.file, fit.file_sha256)
        assert model_sha256(estimator) == model.sha256


def require_parity(document: Document, sessions: pd.DatetimeIndex, folder: Path) -> Backtest:
    here, path = settings_in(folder / "home", mlflow_uri=NO_MLFLOW), saved(document, folder)
    for session in sessions:
        play_to_order(path, session.date(), here)
    ledger, book = Ledger(ledger_file(here.home, "backfill")), book_id("backfill", "cheap", "cheap")
    days = [stamp.date() for stamp in sessions]
    decisions = [ledger.decision(book, day) for day in days]
    orders, fills, marks, models = ledger.orders(book), ledger.fills(book), ledger.marks(book), list(ledger.models(book))
    ledger.close()

    made = run_backtest(path, days[0], days[-1], None, here, unheard)
    require_equal_fits(made, models, here.home)
    assert [signals_of_walk(made, place) for place in range(len(days))] == [signals_of_day(one) for one in decisions if one]
    gates: list[Any] = [one.body["gate"] for one in decisions if one]
    assert [(champion != NONE, why) for champion, why in zip(made.walk.champion, made.walk.why, strict=True)] == [
        (gate["passed"], gate["reason"]) for gate in gates
    ]
    history, names = made.history, [row.instrument for row in made.strategy.market.instruments]
    wanted = [
        (days[at], names[symbol], Decimal(str(round(quantity, 9))).normalize())
        for at, symbol, quantity in zip(history.decided, history.symbol, history.ordered, strict=True)
    ]
    assert sorted(wanted) == sorted((row.decided_session, row.instrument, row.quantity.normalize()) for row in orders)
    assert len(made.fills) == len(fills)
    assert [mark.session for mark in marks] == list(made.equity["session"].dt.date)
    np.testing.assert_allclose(made.equity["equity"], [float(mark.equity) for mark in marks], rtol=0, atol=0.005)
    np.testing.assert_allclose(made.equity["cash"], [float(mark.cash) for mark in marks], rtol=0, atol=0.005)
    np.testing.assert_allclose(made.equity["benchmark"], [float(mark.benchmark or 0) for mark in marks], rtol=0, atol=0.005)
    return made


@pytest.mark.timeout(400)  # thirty real days, each with its own ledger and broker
def test_thirty_days_across_two_months_edges_are_what_the_backtest_gives(tmp_path: Path) -> None:
    sessions = exchange_sessions("XNYS").between(date(2018, 10, 22), date(2018, 12, 3))
    made = require_parity(with_key(two_instruments(seed()), "sizing.increment", 0.001), sessions, tmp_path)
    assert len(sessions) == 30 and len(made.walk.fits) == 3
    assert len(made.history.ordered) > 10


@pytest.mark.timeout(400)
def test_a_champion_that_is_kept_and_grows_too_old_is_what_the_backtest_gives(tmp_path: Path) -> None:
    sessions = exchange_sessions("XNYS").between(date(2018, 10, 22), date(2018, 11, 6))
    document = with_key(with_key(seed(), "gate.on_fail", "keep_champion"), "model.retrain", "weekly")
    document = with_key(with_key(document, "gate.min_test_accuracy", 0.5295), "model.max_age_sessions", 6)
    made = require_parity(document, sessions, tmp_path)
    assert [fit.status for fit in made.walk.fits] == ["passed", "failed", "passed"]
    assert made.walk.champion.tolist() == [0] * 7 + [NONE] * 3 + [2] * 2
