"""Step 7: action, weight and score for each symbol, from the champion."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from nightdesk.day.desk import Day, step
from nightdesk.day.drift import drift_document, outliers
from nightdesk.day.limited import standing_control
from nightdesk.day.retrain import Trained
from nightdesk.day.ruled import ruled_signals
from nightdesk.learning.predictions import predictions
from nightdesk.signals.long_flat import flat, long_flat
from schemas.features import Features
from schemas.signals import Signals
from schemas.strategy import Strategy


@step("decide")
def generate_signal(day: Day, features: pd.DataFrame, trained: Trained) -> pd.DataFrame:
    """The `Signals` frame for the next open. A session that was decided before gives the signals of that decision.

    A symbol without today's features holds, as does one whose features lie too far outside of the training
    window. Where no model may trade, and where
    the book is REDUCING, every target is zero: what is held is closed.
    """
    committed = day.desk.ledger.decision(day.desk.book.book_id, day.session)
    day.detail["drift"] = drift_document(day, features, trained)
    return wanted_signals(day, features, trained) if committed is None else signals_of(committed.body)


def wanted_signals(day: Day, features: pd.DataFrame, trained: Trained) -> pd.DataFrame:
    """The `Signals` frame that features and model, or the rule's weights, make, whatever was decided before. A book that is
    REDUCING wants nothing."""
    strategy, control = day.desk.strategy, standing_control(day)
    if not trained.may_trade or (control is not None and control.state == "REDUCING"):
        return flat(strategy.market.instruments)
    if strategy.kind != "model":
        return ruled_signals(strategy, features, day.session)
    strange = outliers(strategy, features, day.session, trained)
    day.outliers = "; ".join(strange.values())
    return model_signals(strategy, features, day.session, trained.estimator, tuple(strange))


def model_signals(
    strategy: Strategy, features: pd.DataFrame, session: date, estimator: Any, unasked: Sequence[str] = ()
) -> pd.DataFrame:
    """The `Signals` frame that a fitted estimator makes of the features of a session; symbols that are not asked about hold."""
    rows = features[features[Features.session] == pd.Timestamp(session)].set_index(Features.symbol)
    known = rows[list(strategy.features.columns)].dropna().drop(index=list(unasked))
    if known.empty:
        nothing = pd.Series(np.nan, index=[row.signal for row in strategy.market.instruments])
        return long_flat(strategy.market.instruments, nothing, nothing, "none")
    predicted, scores, kind = predictions(estimator, known)
    said, told = pd.Series(predicted, known.index), pd.Series(scores, known.index)
    return long_flat(strategy.market.instruments, said, told, kind, strategy.signal)


def signals_of(body: object) -> pd.DataFrame:
    """The `Signals` frame that a decision's document holds."""
    rows = body["signals"]  # type: ignore[index]  # a committed document always has it
    frame = pd.DataFrame(rows)
    return frame.astype({Signals.weight: float, Signals.score: float})
