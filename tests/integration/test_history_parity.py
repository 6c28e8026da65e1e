"""History at once gives what the days give: the same orders, fills, cash and marks as the real day with its ledger."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nightdesk.day import decide
from nightdesk.day.decide import generate_signal
from nightdesk.day.desk import Day
from nightdesk.day.engineer import engineer_features
from nightdesk.day.ingest import ingest_bars
from nightdesk.day.opening import open_day
from nightdesk.day.order import place_orders
from nightdesk.day.retrain import Trained, retrain_model
from nightdesk.day.settle import settle_books
from nightdesk.day.validate import validate_bars
from nightdesk.ledger.book import book_id
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.market.sample import SampleSource
from nightdesk.portfolio.history import History, simulate
from nightdesk.sessions import exchange_sessions
from nightdesk.settings import Settings
from schemas.bars import Bars
from schemas.records import Fill, Mark, Order
from schemas.signals import Signals
from schemas.strategy import Strategy
from tests.desks import settings_in
from tests.strategy_documents import NO_MLFLOW, Document, saved, seed, two_instruments, with_key

SYMBOLS = ("^GSPC", "^IXIC")
INSTRUMENTS = ("SPXSIM", "IXSIM")
COSTS = {"commission_bps": 2.0, "commission_per_share": 0.01, "commission_min": 3.0, "commission_max": 12.0, "slippage_bps": 5.0}


def document(increment: float) -> Document:
    made = with_key(two_instruments(seed()), "sizing.increment", increment)
    for key, value in {**COSTS, "commission_per_order": 0.5, "max_bar_volume_share": 1.5e-9}.items():
        made = with_key(made, f"costs.{key}", value)
    return made


def target_table(sessions: pd.DatetimeIndex, seed_number: int) -> np.ndarray:
    """Weights that hold, change a little, rotate and close."""
    noise = np.random.default_rng(seed_number)
    shares = noise.choice([0.0, 0.2, 0.5, 0.52, 1.0], size=len(sessions))
    weights = np.column_stack([shares, noise.choice([1.0, 0.4], size=len(sessions)) * (1.0 - shares)])
    return np.where(noise.random(weights.shape) < 0.3, np.nan, weights)


def signals_from(weights: pd.DataFrame) -> object:
    """What the day's decision is given in place of a model's signals."""

    def wanted(day: Day, features: pd.DataFrame, trained: Trained) -> pd.DataFrame:
        row = weights.loc[pd.Timestamp(day.session)].to_numpy()
        return pd.DataFrame(
            {
                Signals.symbol: SYMBOLS,
                Signals.instrument: INSTRUMENTS,
                Signals.action: np.where(np.isnan(row), "hold", "target"),
                Signals.weight: row,
                Signals.score: np.nan,
                Signals.score_kind: "none",
            }
        )

    return wanted


def play_to_order(path: str, session: date, here: Settings) -> None:
    """A day without what MLflow and the report do: neither moves the book."""
    with open_day(path, session, "backfill", "backfill", orchestrated=False, here=here) as day:
        assert isinstance(day, Day), day
        ingest_bars(day)
        bars = validate_bars(day)
        state = settle_books(day, bars)
        features = engineer_features(day, bars)
        trained = retrain_model(day, features, bars)
        place_orders(day, generate_signal(day, features, trained), trained, state, bars)
        day.finish()


def played_days(
    sessions: pd.DatetimeIndex, weights: np.ndarray, increment: float, folder: Path
) -> tuple[Sequence[Order], Sequence[Fill], Sequence[Mark]]:
    here = settings_in(folder / "home", mlflow_uri=NO_MLFLOW)
    path = saved(document(increment), folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(decide, "wanted_signals", signals_from(pd.DataFrame(weights, sessions)))
        for session in sessions:
            play_to_order(path, session.date(), here)
    ledger, book = Ledger(ledger_file(here.home, "backfill")), book_id("backfill", "cheap", "cheap")
    made = (ledger.orders(book), ledger.fills(book), ledger.marks(book))
    ledger.close()
    return made


def simulated(sessions: pd.DatetimeIndex, weights: np.ndarray, increment: float) -> History:
    strategy = Strategy.model_validate(document(increment))
    bars = SampleSource().fetch_bars(SYMBOLS, sessions[0].date(), sessions[-1].date())
    panels = [
        bars.pivot(index=Bars.session, columns=Bars.symbol, values=name)[list(SYMBOLS)].to_numpy()
        for name in (Bars.open, Bars.close, Bars.volume)
    ]
    opens, closes, volumes = panels
    return simulate(weights, opens, closes, strategy.sizing, strategy.costs, float(strategy.capital), volumes=volumes)


def require_parity(sessions: pd.DatetimeIndex, increment: float, folder: Path) -> History:
    weights = target_table(sessions, seed_number=5)
    orders, fills, marks = played_days(sessions, weights, increment, folder)
    history = simulated(sessions, weights, increment)
    days = [stamp.date() for stamp in sessions]
    made = sorted(
        (days[at], INSTRUMENTS[symbol], Decimal(str(round(quantity, 9))).normalize())
        for at, symbol, quantity in zip(history.decided, history.symbol, history.ordered, strict=True)
    )
    assert made == sorted((order.decided_session, order.instrument, order.quantity.normalize()) for order in orders)
    table = history.fills_table(sessions, list(INSTRUMENTS))
    got = sorted(
        zip(table["session"].dt.date, table["instrument"], table["quantity"], table["price"], table["commission"], strict=True)
    )
    kept = sorted((fill.session, fill.instrument, *map(float, (fill.quantity, fill.price, fill.commission))) for fill in fills)
    assert [row[:3] for row in got] == [row[:3] for row in kept]
    np.testing.assert_allclose([row[3:] for row in got], [row[3:] for row in kept], rtol=0, atol=1e-9)
    assert [mark.session for mark in marks] == days
    np.testing.assert_allclose(history.equity, [float(mark.equity) for mark in marks], rtol=0, atol=0.005)
    np.testing.assert_allclose(history.cash, [float(mark.cash) for mark in marks], rtol=0, atol=0.005)
    assert {fill.note for fill in fills} | {order.reason for order in orders} >= {"clipped: volume"}
    return history


def test_forty_days_with_a_changing_rule_and_costs_are_what_history_gives_at_once(tmp_path: Path) -> None:
    sessions = exchange_sessions("XNYS").between(date(2018, 9, 4), date(2018, 10, 29))
    history = require_parity(sessions, 0.001, tmp_path)
    assert len(sessions) == 40 and len(history.ordered) > 30
