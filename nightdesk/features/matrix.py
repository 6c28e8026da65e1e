"""The features by name, and the matrix they make."""

from collections.abc import Callable, Sequence

import pandas as pd

from nightdesk.errors import Misconfigured
from nightdesk.features.panels import Panels
from schemas.features import Features


def open_minus_close(prices: Panels) -> pd.DataFrame:
    """The session's open less its close, in currency: above zero on a falling day."""
    return prices.open - prices.close


def high_minus_low(prices: Panels) -> pd.DataFrame:
    """The session's range, in currency."""
    return prices.high - prices.low


FEATURES: dict[str, Callable[[Panels], pd.DataFrame]] = {
    "open_minus_close": open_minus_close,
    "high_minus_low": high_minus_low,
}
"""Name -> function of adjusted panels to a panel of the same shape, row t known at the close of t."""


def require_features(columns: Sequence[str]) -> None:
    """Raise `Misconfigured` on a feature that does not exist."""
    for column in columns:
        if column not in FEATURES:
            raise Misconfigured.value("features.columns", column, ", ".join(FEATURES))


def feature_matrix(prices: Panels, columns: Sequence[str], symbols: Sequence[str]) -> pd.DataFrame:
    """The `Features` frame of `symbols`, from adjusted panels: a row for each (session, symbol) that has a bar."""
    require_features(columns)
    names = sorted(symbols)
    present = prices.close[names].stack().dropna().index
    matrix = pd.DataFrame({name: FEATURES[name](prices)[names].stack().reindex(present) for name in columns})
    matrix.index.names = [Features.session, Features.symbol]
    return matrix.reset_index()
