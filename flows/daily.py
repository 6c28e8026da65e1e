"""The trading day."""

from datetime import date
from typing import Literal

from prefect import flow
from prefect.client.schemas.objects import State

from flows.forms import StrategyName
from tasks.decide import generate_signal
from tasks.engineer import engineer_features
from tasks.ingest import ingest_bars
from tasks.log import log_experiment
from tasks.opening import Closed, ended, trading_day
from tasks.order import place_orders
from tasks.report import compute_performance
from tasks.retrain import retrain_model
from tasks.settle import settle_books
from tasks.validate import validate_bars


@flow(name="daily", description="One trading day after the close: ingest to report.", version="1")
def daily(
    strategy: StrategyName = "sp500_svc", session: date | None = None, mode: Literal["paper", "live", "backfill"] = "paper"
) -> State:
    """Run one trading day.

    Prefect's form shows what stands under Args.

    Args:
        strategy: Name of a strategy file, or a path to one.
        session: The session to decide after. None: the next one that this book has not decided.
        mode: Which book: paper, live, or the backfill's own.
    """
    with trading_day(strategy, session, mode) as day:
        if isinstance(day, Closed):
            return ended(day)
        with day.fence():
            ingest_bars(day)
            bars = validate_bars(day)
            state = settle_books(day, bars)
            features = engineer_features(day, bars)
            trained = retrain_model(day, features, bars)
            log_experiment(day, trained, bars)
            signals = generate_signal(day, features, trained)
            place_orders(day, signals, trained, state, bars)
        report = compute_performance(day)
    return ended(report)
