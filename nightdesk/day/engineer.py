"""Step 4: features known at the close, nothing later."""

import pandas as pd

from nightdesk.day.desk import Day, step
from nightdesk.day.validate import frame_sha256
from nightdesk.errors import BadData
from nightdesk.features.matrix import OWN, feature_matrix, own_functions
from nightdesk.features.panels import forward_adjusted, panels
from nightdesk.fence.own import OwnCode, own_features
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
    features = strategy_features(strategy, bars)
    known = features[features[Features.session] <= pd.Timestamp(day.session)]
    day.features_sha256 = frame_sha256(known[list(strategy.features.columns)].to_numpy(dtype=float))
    return features


def strategy_features(strategy: Strategy, bars: pd.DataFrame) -> pd.DataFrame:
    """The `Features` frame of the symbols that the strategy reads. Raises as `own_features` where its own file fails."""
    symbols = sorted({row.signal for row in strategy.market.instruments})
    columns, prices = strategy.features.columns, forward_adjusted(panels(bars))
    functions = own_functions(columns)
    made = own_features(OwnCode(strategy.own_file, strategy.own_code or ""), functions, prices.of(symbols)) if functions else {}
    return feature_matrix(prices, columns, symbols, {f"{OWN}{name}": panel for name, panel in made.items()})
