"""Buy what fell far below its mean, until it is back."""

from typing import Literal, Self

import numpy as np
import pandas as pd
from pydantic import Field, model_validator

from nightdesk.signals.rule import Prices, RuleParams, equal_shares, known_closes
from schemas.strategy import Strategy


class MeanReversion(RuleParams):
    """After the bands of Bollinger, Bollinger on Bollinger Bands (2001): entered at one, left near the mean."""

    lookback_sessions: int = Field(20, ge=3, le=1000, description="Sessions of the mean and the standard deviation.")
    enter_z: float = Field(2.0, gt=0, le=20, description="So many standard deviations from the mean a position is opened.")
    exit_z: float = Field(0.5, ge=0, le=20, description="Within so many it is closed, fewer than enter_z.")
    side: Literal["long_flat", "long_short"] = Field("long_flat", description="Whether what rose far is sold short.")

    @model_validator(mode="after")
    def _leaves_nearer_than_it_enters(self) -> Self:
        if self.exit_z >= self.enter_z:
            raise ValueError(f"exit_z was {self.exit_z:g}, allowed: below enter_z, {self.enter_z:g}")
        return self

    def weights(self, strategy: Strategy, prices: Prices, members: pd.DataFrame) -> pd.DataFrame:
        """An equal share from z <= -enter until z >= -exit; with long_short minus one from z >= enter until z <= exit; else 0.

        z = (close - mean) / standard deviation of the last sessions, today's among them. NaN before the first z.
        """
        close = known_closes(prices)
        mean, deviation = close.rolling(self.lookback_sessions).mean(), close.rolling(self.lookback_sessions).std()
        z = (close - mean) / deviation.where(deviation > 1e-12 * mean)
        side = held_since(z <= -self.enter_z, z >= -self.exit_z)
        if self.side == "long_short":
            side = side - held_since(z >= self.enter_z, z <= self.exit_z)
        return (side * equal_shares(prices, members)).where(z.ffill().notna())


def held_since(enter: pd.DataFrame, leave: pd.DataFrame) -> pd.DataFrame:
    """1 from a row that enters up to, not with, the next that leaves; else 0."""
    changes = pd.DataFrame(np.select([enter, leave], [1.0, 0.0], default=np.nan), enter.index, enter.columns)
    return changes.ffill().fillna(0.0)
