"""What a figure of performance is called, and its number as text."""

import math
from collections.abc import Mapping

LABELS: dict[str, str] = {
    "total_return": "Total return [%]",
    "annual_return": "Annual return [%]",
    "annual_volatility": "Annual volatility [%]",
    "sharpe": "Sharpe ratio",
    "sortino": "Sortino ratio",
    "calmar": "Calmar ratio",
    "max_drawdown": "Max. drawdown [%]",
    "max_drawdown_sessions": "Max. drawdown length [sessions]",
    "exposure": "Exposure [%]",
    "turnover": "Turnover [x/year]",
    "hit_rate": "Hit rate [% of sessions]",
    "profit_factor": "Profit factor",
    "alpha": "Alpha [%/year]",
    "beta": "Beta",
    "costs_paid": "Costs paid [{currency}]",
}
"""The printed label of each figure with its unit, in the order of printing."""


def formatted(values: Mapping[str, float], currency: str) -> list[tuple[str, str]]:
    """Label and text of each figure, as printed: fractions as percentages, NaN as "n/a"."""
    labels = {name: LABELS[name].format(currency=currency) for name in values}
    return [(label, _text(values[name], label)) for name, label in labels.items()]


def _text(value: float, label: str) -> str:
    if math.isnan(value):
        return "n/a"
    return f"{value * (100 if '[%' in label else 1):z,.{0 if '[sessions]' in label else 2}f}"
