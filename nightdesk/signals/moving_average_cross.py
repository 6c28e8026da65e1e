"""Long while the fast average lies above the slow one."""

from typing import Self

import pandas as pd
from pydantic import Field, model_validator

from nightdesk.signals.rule import Prices, RuleParams, equal_shares, known_closes
from schemas.strategy import Strategy


class MovingAverageCross(RuleParams):
    """After Brock, Lakonishok and LeBaron (1992), Journal of Finance 47(5): variable-length moving average, without a band."""

    fast_sessions: int = Field(50, ge=1, le=1000, description="Sessions of the fast average.")
    slow_sessions: int = Field(200, ge=2, le=1000, description="Sessions of the slow average, more than of the fast one.")

    @model_validator(mode="after")
    def _slower(self) -> Self:
        if self.slow_sessions <= self.fast_sessions:
            raise ValueError(f"slow_sessions was {self.slow_sessions}, allowed: above fast_sessions, {self.fast_sessions}")
        return self

    def weights(self, strategy: Strategy, prices: Prices, members: pd.DataFrame) -> pd.DataFrame:
        """An equal share where mean(close of the last fast sessions) > mean(close of the last slow sessions), else 0.

        NaN until the slow average is full.
        """
        close = known_closes(prices)
        fast, slow = close.rolling(self.fast_sessions).mean(), close.rolling(self.slow_sessions).mean()
        return equal_shares(prices, members).where(fast > slow, 0.0).where(slow.notna())
