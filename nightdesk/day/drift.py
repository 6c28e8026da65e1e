"""What the model sees these days beside what it was trained on."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from nightdesk.day.desk import Day
from nightdesk.day.retrain import Trained
from nightdesk.learning.drift import PREDICTED, Drift, drift_of, drift_of_shares, outlying
from nightdesk.learning.predictions import predictions
from schemas.features import Features
from schemas.records import ModelRef
from schemas.strategy import Strategy

RECENT_SESSIONS = 63
"""Sessions that are compared with the training window: a quarter of a year."""


def training_window(model: ModelRef, strategy: Strategy) -> tuple[date, date] | None:
    """First and last session of the rows that the deployed fit was made of."""
    last = model.test_last if strategy.model.deploy == "refit_all" else model.train_last
    return (model.train_first, last) if model.train_first and last else None


def rows_between(features: pd.DataFrame, columns: tuple[str, ...], first: date, last: date) -> pd.DataFrame:
    """The features of some sessions, those without a gap."""
    within = features[Features.session].between(pd.Timestamp(first), pd.Timestamp(last))
    return features.loc[within, list(columns)].dropna()


def drift_document(day: Day, features: pd.DataFrame, trained: Trained) -> dict[str, object]:
    """The drift of each feature and of what is predicted, over the last `RECENT_SESSIONS` up to the session; empty where no model
    may trade. The share of "up" is compared with that of the fit's test window."""
    model, strategy = trained.champion, day.desk.strategy
    window = training_window(model, strategy) if model else None
    if model is None or window is None:
        return {}
    columns = strategy.features.columns
    before = rows_between(features, columns, *window)
    recent = rows_between(features, columns, day.desk.sessions.before(day.session, RECENT_SESSIONS - 1), day.session)
    inputs = {name: _plain(drift_of(before[name], recent[name])) for name in columns}
    return {
        "model_sha256": model.sha256,
        "window": [day_.isoformat() for day_ in window],
        "sessions": RECENT_SESSIONS,
        "inputs": inputs,
        PREDICTED: _predicted(model, trained.estimator, recent),
    }


def _plain(drift: Drift) -> dict[str, object]:
    if np.isnan(drift.index):
        return {}
    return {"index": round(drift.index, 6), "chance": round(drift.chance, 6), "word": drift.word}


def _predicted(model: ModelRef, estimator: Any, recent: pd.DataFrame) -> dict[str, object]:
    tested, n_tested = model.metrics.get("share_predicted_up_test"), model.metrics.get("n_test")
    if recent.empty or tested is None or not n_tested:
        return {}
    share = float(np.mean(predictions(estimator, recent)[0] == 1))
    found = drift_of_shares(tested, n_tested, share, len(recent))
    return {"share_up": share, "share_up_test": tested, **_plain(found)}


def outliers(strategy: Strategy, features: pd.DataFrame, session: date, trained: Trained) -> dict[str, str]:
    """By data symbol, why the model is not asked about it today: a feature farther outside of the training window than
    `gate.max_outlier_mad`. Empty where the strategy sets none."""
    most, model = strategy.gate.max_outlier_mad, trained.champion
    window = training_window(model, strategy) if model and most is not None else None
    if most is None or window is None:
        return {}
    columns = list(strategy.features.columns)
    today = features[features[Features.session] == pd.Timestamp(session)].set_index(Features.symbol)[columns].dropna()
    far = pd.DataFrame(outlying(rows_between(features, tuple(columns), *window), today), today.index, columns)
    worst = far.idxmax(axis=1) if len(far) else pd.Series(dtype=object)
    return {
        str(symbol): f"{name} of {symbol} is {today.at[symbol, name]:,.6g}, {far.at[symbol, name]:,.1f} robust standard "
        f"deviations outside of what the model was trained on, allowed: {most:g}"
        for symbol, name in worst.items()
        if far.at[symbol, name] > most
    }
