"""Strategies without a model: target weights from a rule or from a table, where others have features and a fit."""

from dataclasses import fields
from datetime import date

import numpy as np
import pandas as pd

from nightdesk.features.panels import Panels, forward_adjusted, panels
from nightdesk.fence.own import OwnCode, own_weights
from nightdesk.portfolio.weights import session_days, weights_panel
from nightdesk.signals.membership import members_panel
from nightdesk.signals.rules import OWN_RULE, allowed_weights, rule_weights
from nightdesk.wiring.beside import NOTHING, Beside
from schemas.bars import Bars
from schemas.features import Features
from schemas.signals import Signals
from schemas.strategy import Strategy
from schemas.weights import Weights

NOT_FITTED = {"rule": "a rule is not fitted", "weights": "a table of weights is not fitted"}
"""Why there is no model, by the kind of the strategy."""


def feature_columns(strategy: Strategy) -> list[str]:
    """What the features frame has beside its keys: what the model sees, else the target weights themselves."""
    return list(strategy.features.columns) if strategy.kind == "model" else [Weights.weight]


def target_weights(strategy: Strategy, bars: pd.DataFrame, beside: Beside = NOTHING) -> pd.DataFrame:
    """Sessions x instruments, from the bars' first session to their last: NaN holds, 0 closes. Row t is known at the close of t.

    Of a table of weights the rows after the last bar are not read. Raises `BadData` and `Misconfigured` as `rule_weights`,
    `own_weights` and `weights_panel`.
    """
    sessions = pd.DatetimeIndex(np.unique(bars[Bars.session].to_numpy()))
    names = [row.instrument for row in strategy.market.instruments]
    if beside.weights is not None:
        known = _until(beside.weights, sessions[-1])
        return pd.DataFrame(weights_panel(known, sessions, names, strategy.limits), sessions, names)
    prices, members = _of_instruments(strategy, bars), members_panel(beside.membership, sessions, names)
    if strategy.rule is not None and strategy.rule.name == OWN_RULE:
        code = OwnCode(strategy.own_file, strategy.own_code or "")
        return allowed_weights(strategy, own_weights(code, prices, strategy.rule.params), prices, members)
    return rule_weights(strategy, prices, members)


def weights_frame(wanted: pd.DataFrame) -> pd.DataFrame:
    """The `Features` frame of target weights: a row for each session and instrument."""
    sessions, names = wanted.index, wanted.columns.sort_values()
    return pd.DataFrame(
        {
            Features.session: sessions.repeat(len(names)),
            Features.symbol: pd.array(np.tile(names.to_numpy(dtype=object), len(sessions)), dtype="str"),
            Weights.weight: wanted[names].to_numpy(dtype=float).ravel(),
        }
    )


def ruled_signals(strategy: Strategy, features: pd.DataFrame, session: date) -> pd.DataFrame:
    """The `Signals` frame of the target weights of a session; an instrument without one holds."""
    rows = features[features[Features.session] == pd.Timestamp(session)].set_index(Features.symbol)[Weights.weight]
    names = [row.instrument for row in strategy.market.instruments]
    weights = rows.reindex(names).to_numpy(dtype=float)
    return pd.DataFrame(
        {
            Signals.symbol: [row.signal for row in strategy.market.instruments],
            Signals.instrument: names,
            Signals.action: np.where(np.isnan(weights), "hold", "target"),
            Signals.weight: weights,
            Signals.score: np.full(len(names), np.nan),
            Signals.score_kind: ["none"] * len(names),
        }
    )


def nothing_said(strategy: Strategy, features: pd.DataFrame, session: date) -> str:
    """Why nothing is wanted anew where no instrument has a weight in the session; "" where one has."""
    known = features.dropna(subset=[Weights.weight])[Features.session]
    if (known == pd.Timestamp(session)).any():
        return ""
    what = f"the rule {strategy.rule.name} says nothing" if strategy.rule else "the table of weights has no row"
    last = f", its last are of {known.max():%Y-%m-%d}" if len(known) else ", and none before"
    return f"{what} for {session}{last}: what is held stays"


def _until(table: pd.DataFrame, last: pd.Timestamp) -> pd.DataFrame:
    """The rows up to the last session, and those whose day cannot be read: they are refused later."""
    return table[~(session_days(table) > last)]


def _of_instruments(strategy: Strategy, bars: pd.DataFrame) -> Panels:
    """Forward-adjusted panels of what each instrument reads, the columns named by instrument."""
    adjusted, rows = forward_adjusted(panels(bars)), strategy.market.instruments
    symbols, names = [row.signal for row in rows], [row.instrument for row in rows]
    return Panels(**{field.name: getattr(adjusted, field.name)[symbols].set_axis(names, axis=1) for field in fields(Panels)})
