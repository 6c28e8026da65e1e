"""The features by name, and the matrix they make."""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType

import pandas as pd

from nightdesk.errors import Misconfigured
from nightdesk.features.indicators import PREFIX, indicator, indicator_panels
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


ALLOWED = f"{', '.join(FEATURES)}, an indicator of TA-Lib as ta.RSI(14), or own.NAME, a function of the strategy's own file"
OWN = "own."
"""What a function of the strategy's own file is called in `features.columns`: `own.` and its name."""


def require_features(columns: Sequence[str]) -> None:
    """Raise `Misconfigured` on a feature that does not exist. Whether the strategy's own file has a function is not looked at."""
    for column in columns:
        if column.startswith(PREFIX):
            indicator(column)
        elif column not in FEATURES and not (column.startswith(OWN) and column.removeprefix(OWN).isidentifier()):
            raise Misconfigured.value("features.columns", column, ALLOWED)


def own_functions(columns: Sequence[str]) -> list[str]:
    """The functions of the strategy's own file that the columns name, in their order."""
    return [name.removeprefix(OWN) for name in columns if name.startswith(OWN)]


def feature_matrix(
    prices: Panels, columns: Sequence[str], symbols: Sequence[str], own: Mapping[str, pd.DataFrame] = MappingProxyType({})
) -> pd.DataFrame:
    """The `Features` frame of `symbols`, from adjusted panels: a row for each (session, symbol) that has a bar.

    `own` are the panels of the strategy's own file, sessions x symbols, by column.
    """
    require_features(columns)
    names = sorted(symbols)
    read = prices.of(names)
    indicators = indicator_panels(read, [name for name in columns if name.startswith(PREFIX)])
    made = {name: FEATURES[name](read) for name in columns if name in FEATURES} | indicators | dict(own)
    has_bar = read.close.notna().to_numpy()
    matrix = read.close.stack().dropna().index.to_frame(index=False, name=[Features.session, Features.symbol])
    values = {name: made[name][names].to_numpy(dtype="float64")[has_bar] for name in columns}
    return pd.concat([matrix, pd.DataFrame(values)], axis=1)
