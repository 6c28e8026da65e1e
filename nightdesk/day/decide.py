"""Step 7: action, weight and score for each symbol, from the champion."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from nightdesk.day.desk import Day, step
from nightdesk.day.limited import standing_control
from nightdesk.day.retrain import Trained
from nightdesk.learning.fit import predictions
from nightdesk.signals.long_flat import flat, long_flat, said_up
from schemas.features import Features
from schemas.signals import Signals
from schemas.strategy import Strategy


@step("decide")
def generate_signal(day: Day, features: pd.DataFrame, trained: Trained) -> pd.DataFrame:
    """The `Signals` frame for the next open. A session that was decided before gives the signals of that decision.

    A symbol without today's features holds. Where no model may trade, and where
    the book is REDUCING, every target is zero: what is held is closed.
    """
    committed = day.desk.ledger.decision(day.desk.book.book_id, day.session)
    return wanted_signals(day, features, trained) if committed is None else signals_of(committed.body)


def wanted_signals(day: Day, features: pd.DataFrame, trained: Trained) -> pd.DataFrame:
    """The `Signals` frame that features and model make, whatever was decided before. A book that is REDUCING wants nothing."""
    strategy, control = day.desk.strategy, standing_control(day)
    if trained.champion is None or (control is not None and control.state == "REDUCING"):
        return flat(strategy.market.instruments)
    return model_signals(strategy, features, day.session, trained.estimator)


def model_signals(strategy: Strategy, features: pd.DataFrame, session: date, estimator: Any) -> pd.DataFrame:
    """The `Signals` frame that a fitted estimator makes of the features of a session."""
    rows = features[features[Features.session] == pd.Timestamp(session)].set_index(Features.symbol)
    known = rows[list(strategy.features.columns)].dropna()
    if known.empty:
        nothing = pd.Series(np.nan, index=[row.signal for row in strategy.market.instruments])
        return long_flat(strategy.market.instruments, nothing, nothing, "none")
    predicted, scores, kind = predictions(estimator, known)
    up = said_up(predicted.astype(float), scores, strategy.signal.threshold)
    return long_flat(strategy.market.instruments, pd.Series(up, known.index), pd.Series(scores, known.index), kind)


def signals_of(body: object) -> pd.DataFrame:
    """The `Signals` frame that a decision's document holds."""
    rows = body["signals"]  # type: ignore[index]  # a committed document always has it
    frame = pd.DataFrame(rows)
    return frame.astype({Signals.weight: float, Signals.score: float})
