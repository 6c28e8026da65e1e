"""Equal shares of the k that rose most."""

from typing import Literal, Self

import pandas as pd
from pydantic import Field, model_validator

from nightdesk.signals.rule import Prices, RuleParams, known_closes
from schemas.strategy import Strategy

PERIODS = {"monthly": "M", "weekly": "W"}


class MomentumTopK(RuleParams):
    """After Jegadeesh and Titman (1993), Journal of Finance 48(1): the past winners, the newest sessions left out."""

    lookback_sessions: int = Field(252, ge=2, le=2000, description="How many sessions back the return begins.")
    skip_sessions: int = Field(21, ge=0, le=500, description="How many sessions back it ends, fewer than it begins.")
    k: int = Field(1, ge=1, le=1000, description="How many are held.")
    rebalance: Literal["weekly", "monthly"] = Field("monthly", description="Ranked at the first close of each period.")

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Self:
        if self.skip_sessions >= self.lookback_sessions:
            raise ValueError(
                f"skip_sessions was {self.skip_sessions}, allowed: below lookback_sessions, {self.lookback_sessions}"
            )
        return self

    def weights(self, strategy: Strategy, prices: Prices, members: pd.DataFrame) -> pd.DataFrame:
        """1/k for the k members with the highest close(t - skip) / close(t - lookback), 0 for others, until the next ranking.

        Fewer than k that can be ranked leave the rest in cash. NaN before the first ranking. The last session of a month is not
        known to be it without looking ahead; the first one is.
        """
        close = known_closes(prices)
        grown = close.shift(self.skip_sessions) / close.shift(self.lookback_sessions)
        ranked = grown.where(members & close.notna())
        chosen = (ranked.rank(axis=1, ascending=False, method="first") <= self.k).astype(float) / self.k
        ranks = first_of_period(close.index, self.rebalance) & ranked.notna().any(axis=1)
        return chosen.where(ranks, axis=0).ffill()


def first_of_period(sessions: pd.Index, rebalance: str) -> pd.Series:
    """Whether a session is the first of its month or week, as far as the bars go back."""
    period = pd.Series(pd.DatetimeIndex(sessions).to_period(PERIODS[rebalance]), index=sessions)
    return period != period.shift()
