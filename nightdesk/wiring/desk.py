"""The desk of a whole day."""

from datetime import date
from typing import cast

from nightdesk.brokers.broker import Broker
from nightdesk.day.desk import Desk
from nightdesk.learning.estimator import new_estimator
from nightdesk.learning.model_file import TRUSTED_TYPES, load_model
from nightdesk.ledger.store import Ledger
from nightdesk.sessions import exchange_sessions
from nightdesk.settings import Settings
from nightdesk.tracking.tracker import Tracker
from nightdesk.wiring.markets import clock_of, quarantine_of, source_of, store_of
from nightdesk.wiring.orders import new_broker, open_book
from schemas.records import Mode
from schemas.strategy import Strategy


def open_desk(strategy: Strategy, mode: Mode, session: date, ledger: Ledger, here: Settings, looking_back: bool = False) -> Desk:
    """The desk for one session. Whatever is wrong with the strategy or the home is refused here, before anything runs.

    A desk that looks back has no broker: it asks nobody, and needs no keys.
    """
    new_estimator(strategy.model)
    sessions, source = exchange_sessions(strategy.market.calendar), source_of(strategy, here)
    clock, store = clock_of(source, sessions, session, mode), store_of(source, here)
    book = open_book(strategy, mode, ledger)
    broker = cast(Broker, None) if looking_back else new_broker(strategy, mode, sessions, store, clock, here)
    return Desk(
        strategy=strategy,
        book=book,
        clock=clock,
        sessions=sessions,
        broker=broker,
        ledger=ledger,
        settings=here,
        source=source,
        store=store,
        quarantine=quarantine_of(source, here),
        tracker=new_tracker(here),
    )


def new_tracker(here: Settings) -> Tracker:
    """The door to MLflow, as the settings say."""
    return Tracker(
        uri=here.tracking_uri,
        artifacts=here.home / "mlflow" / "artifacts",
        spool=here.home / "mlflow" / "spool",
        load_model=load_model,
        trusted_types=TRUSTED_TYPES,
        ui_url=here.mlflow_url,
    )
