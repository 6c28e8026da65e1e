"""Step 4: features known at the close, nothing later."""

import pandas as pd

from nightdesk.day.desk import Day, step
from nightdesk.day.ruled import feature_columns, nothing_said, target_weights, weights_frame
from nightdesk.day.validate import frame_sha256
from nightdesk.errors import BadData
from nightdesk.features.matrix import OWN, feature_matrix, own_functions
from nightdesk.features.panels import forward_adjusted, panels
from nightdesk.fence.own import OwnCode, own_features
from nightdesk.wiring.beside import NOTHING, Beside, load_beside
from schemas.features import Features
from schemas.strategy import Strategy


@step("engineer")
def engineer_features(day: Day, bars: pd.DataFrame) -> pd.DataFrame:
    """The `Features` frame of the symbols that the strategy reads, from forward-adjusted bars.

    Raises `BadData` where the vendor rewrote the past today with nothing to explain it: no fit and no decision on such bars.
    """
    if day.disputed:
        raise BadData(day.disputed, session=day.session)
    strategy = day.desk.strategy
    if day.flatten and strategy.kind != "model":  # what a person has closed waits for no rule and no table
        return weights_frame(pd.DataFrame(index=pd.DatetimeIndex([])))
    features = strategy_features(strategy, bars, load_beside(strategy, day.asked_for, day.desk.settings))
    known = features[features[Features.session] <= pd.Timestamp(day.session)]
    day.features_sha256 = frame_sha256(known[feature_columns(strategy)].to_numpy(dtype=float))
    if strategy.kind != "model":
        day.unsaid = nothing_said(strategy, known, day.session)
    return features


def strategy_features(strategy: Strategy, bars: pd.DataFrame, beside: Beside = NOTHING) -> pd.DataFrame:
    """The `Features` frame of the symbols that the strategy reads; without a model the target weights of its instruments.

    `beside` are the tables that the strategy's file names. Raises as `own_features` where the strategy's own file fails.
    """
    if strategy.kind != "model":
        return weights_frame(target_weights(strategy, bars, beside))
    symbols = sorted({row.signal for row in strategy.market.instruments})
    columns, prices = strategy.features.columns, forward_adjusted(panels(bars))
    functions = own_functions(columns)
    made = own_features(OwnCode(strategy.own_file, strategy.own_code or ""), functions, prices.of(symbols)) if functions else {}
    return feature_matrix(prices, columns, symbols, {f"{OWN}{name}": panel for name, panel in made.items()})
