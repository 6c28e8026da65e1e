"""The tables that a strategy file names, which lie beside it."""

from dataclasses import dataclass

import pandas as pd

from nightdesk.portfolio.weights import load_weights
from nightdesk.settings import Settings
from nightdesk.signals.membership import load_membership
from nightdesk.wiring.strategies import strategy_path
from schemas.strategy import Strategy


@dataclass(frozen=True, slots=True, eq=False)
class Beside:
    """Tables as they were read, unchecked; None where the strategy names none."""

    weights: pd.DataFrame | None = None
    membership: pd.DataFrame | None = None


NOTHING = Beside()


def load_beside(strategy: Strategy, strategy_name: str, here: Settings) -> Beside:
    """What lies beside the strategy that was asked for by a name or a path. Raises `BadData` where a table cannot be read."""
    members = strategy.market.membership
    if strategy.weights is None and members is None:
        return NOTHING
    folder = strategy_path(strategy_name, here).parent
    return Beside(
        weights=load_weights(folder / strategy.weights.file) if strategy.weights is not None else None,
        membership=load_membership(folder / members) if members is not None else None,
    )
