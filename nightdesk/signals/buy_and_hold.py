"""Equal shares of everything, always."""

import pandas as pd

from nightdesk.signals.rule import Prices, RuleParams, equal_shares
from schemas.strategy import Strategy


class BuyAndHold(RuleParams):
    """No parameters: what drifts is brought back by `sizing.rebalance_band`, with 1.0 never."""

    def weights(self, strategy: Strategy, prices: Prices, members: pd.DataFrame) -> pd.DataFrame:
        """Equal shares of the members that have bars."""
        return equal_shares(prices, members)
