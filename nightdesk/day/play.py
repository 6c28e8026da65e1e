"""The day as plain function calls, without Prefect. `flows/daily.py` makes the same nine calls as tasks."""

from datetime import date

from nightdesk.day.decide import generate_signal
from nightdesk.day.engineer import engineer_features
from nightdesk.day.ingest import ingest_bars
from nightdesk.day.log import log_experiment
from nightdesk.day.opening import Closed, open_day
from nightdesk.day.order import place_orders
from nightdesk.day.report import compute_performance
from nightdesk.day.retrain import retrain_model
from nightdesk.day.settle import settle_books
from nightdesk.day.validate import validate_bars
from nightdesk.settings import Settings
from schemas.records import Mode, Origin
from schemas.reports import DayReport


def play_day(strategy: str, session: date | None, mode: Mode, origin: Origin, here: Settings) -> DayReport | Closed:
    """Run one day from ingest to report; `Closed` where there is none to run."""
    with open_day(strategy, session, mode, origin, orchestrated=False, here=here) as day:
        if isinstance(day, Closed):
            return day
        with day.fence():
            ingest_bars(day)
            bars = validate_bars(day)
            state = settle_books(day, bars)
            features = engineer_features(day, bars)
            trained = retrain_model(day, features, bars)
            log_experiment(day, trained, bars)
            signals = generate_signal(day, features, trained)
            place_orders(day, signals, trained, state, bars)
        return compute_performance(day)
