"""The steps of a strategy file as the day takes them, and the bars that they are audited on."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd

from nightdesk.audit.audited import Audited
from nightdesk.clock import WallClock
from nightdesk.day.decide import model_signals
from nightdesk.day.engineer import strategy_features
from nightdesk.day.retrain import known_labels
from nightdesk.day.ruled import ruled_signals
from nightdesk.errors import BadData, Misconfigured
from nightdesk.features.panels import panels
from nightdesk.learning.fit import Fit, fit
from nightdesk.portfolio.history import simulate
from nightdesk.sessions import exchange_sessions
from nightdesk.settings import Settings
from nightdesk.wiring.beside import NOTHING, Beside
from nightdesk.wiring.markets import source_of
from schemas.fills import Fills
from schemas.strategy import Strategy

LIVING_SESSIONS = 2520
"""Of a living market so many of the newest sessions are audited: ten years."""


def audited_steps(strategy: Strategy, beside: Beside = NOTHING) -> Audited:
    """The very functions of the day. The fit is the tested one, also where the strategy deploys a refit on everything.

    Of a rule the target weights are audited as features are, and there is nothing to fit. Raises `Misconfigured` for a table of
    weights: what it was made with is not here.
    """
    if strategy.kind == "weights":
        raise Misconfigured(
            f"{strategy.name} trades a table of weights made elsewhere: whether it looks ahead can not be seen here."
        )
    if strategy.kind == "rule":
        return _ruled_steps(strategy, beside)
    tested = strategy.model.model_copy(update={"deploy": "as_tested"})

    def features(bars: pd.DataFrame) -> pd.DataFrame:
        return strategy_features(strategy, bars)

    def labels(bars: pd.DataFrame, session: date) -> pd.DataFrame:
        return known_labels(strategy, bars, session)

    def fitted(features: pd.DataFrame, labels: pd.DataFrame) -> Fit:
        return fit(features, labels, tested, strategy.gate)

    def signal(features: pd.DataFrame, estimator: Any, session: date) -> pd.DataFrame:
        return model_signals(strategy, features, session, estimator)

    def fills(bars: pd.DataFrame, session: date) -> pd.DataFrame:
        return next_fills(strategy, bars, session)

    return Audited(name=strategy.name, features=features, labels=labels, fit=fitted, signal=signal, fills=fills)


def _ruled_steps(strategy: Strategy, beside: Beside) -> Audited:
    def weights(bars: pd.DataFrame) -> pd.DataFrame:
        return strategy_features(strategy, bars, beside)

    def signal(features: pd.DataFrame, _: Any, session: date) -> pd.DataFrame:
        return ruled_signals(strategy, features, session)

    def fills(bars: pd.DataFrame, session: date) -> pd.DataFrame:
        return next_fills(strategy, bars, session)

    return Audited(name=strategy.name, features=weights, signal=signal, fills=fills)


def next_fills(strategy: Strategy, bars: pd.DataFrame, session: date) -> pd.DataFrame:
    """The `Fills` of a book that wants equal shares of all its instruments at the close of the session, by the simulation."""
    wide, rows = panels(bars), strategy.market.instruments
    symbols = [row.prices for row in rows]
    at = int(wide.close.index.get_loc(pd.Timestamp(session)))
    near = slice(at, at + 3)
    weights = np.full((len(wide.close.index[near]), len(rows)), np.nan)
    weights[0] = 1.0 / len(rows)
    opens, closes, dividends, splits, volumes = (
        table[symbols].iloc[near].to_numpy(dtype=float)
        for table in (wide.open, wide.close, wide.dividend, wide.split, wide.volume)
    )
    capital = float(strategy.capital)
    made = simulate(weights, opens, closes, strategy.sizing, strategy.costs, capital, dividends, splits, volumes)
    table = made.fills_table(wide.close.index[near], [row.instrument for row in rows])
    return table[[Fills.session, Fills.instrument, Fills.price]]


def fetch_audit_bars(strategy: Strategy, here: Settings) -> pd.DataFrame:
    """The strategy's bars from its source: all of a simulated market, ten years of a living one. Nothing is stored.

    Raises `BadData` where there are none.
    """
    source, sessions = source_of(strategy, here), exchange_sessions(strategy.market.calendar)
    newest = sessions.latest_settled(WallClock().now())
    first, last = source.span or (sessions.before(newest, LIVING_SESSIONS - 1), newest)
    bars = source.fetch_bars(strategy.data_symbols, first, last)
    if bars.empty:
        raise BadData(
            f"{source.name} has no bar of {', '.join(strategy.data_symbols)} from {first} to {last}.", source=source.name
        )
    return bars
