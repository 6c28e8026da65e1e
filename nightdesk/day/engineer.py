"""Step 4: features known at the close, nothing later."""

import pandas as pd

from nightdesk.day.desk import Day, step
from nightdesk.day.validate import frame_sha256
from nightdesk.features.matrix import feature_matrix
from nightdesk.features.panels import forward_adjusted, panels
from schemas.features import Features


@step("engineer")
def engineer_features(day: Day, bars: pd.DataFrame) -> pd.DataFrame:
    """The `Features` frame of the symbols that the strategy reads, from forward-adjusted bars."""
    strategy = day.desk.strategy
    symbols = sorted({row.signal for row in strategy.market.instruments})
    features = feature_matrix(forward_adjusted(panels(bars)), strategy.features.columns, symbols)
    known = features[features[Features.session] <= pd.Timestamp(day.session)]
    day.features_sha256 = frame_sha256(known[list(strategy.features.columns)].to_numpy(dtype=float))
    return features
