"""What a rule is: its parameters, and target weights from bars and membership. Row t is known at the close of t."""

from typing import Protocol

import pandas as pd

from schemas.section import Section
from schemas.strategy import Strategy

SILENT_SESSIONS = 10
"""A symbol without a bar for more sessions than these is gone; up to there its last close stands in for a missing one."""


class Prices(Protocol):
    """Forward-adjusted panels, sessions x instruments; NaN without a bar. `nightdesk.features.panels.Panels` are such."""

    @property
    def open(self) -> pd.DataFrame: ...
    @property
    def high(self) -> pd.DataFrame: ...
    @property
    def low(self) -> pd.DataFrame: ...
    @property
    def close(self) -> pd.DataFrame: ...
    @property
    def volume(self) -> pd.DataFrame: ...


class RuleParams(Section):
    """The parameters of a rule. A subclass names them, each with its range, and makes weights of them."""

    def weights(self, strategy: Strategy, prices: Prices, members: pd.DataFrame) -> pd.DataFrame:
        """Target weights, sessions x instruments: NaN holds, 0 closes, below 0 is short.

        `members` has the shape of the prices, True where an instrument belongs to the universe. Row t looks no later than t.
        """
        raise NotImplementedError


def known_closes(prices: Prices) -> pd.DataFrame:
    """Each close, or the last one where up to `SILENT_SESSIONS` bars are missing; NaN before the first and after the last."""
    return prices.close.ffill(limit=SILENT_SESSIONS)


def equal_shares(prices: Prices, members: pd.DataFrame) -> pd.DataFrame:
    """The same share of equity for every instrument that is a member and has bars; 0 for others."""
    there = (known_closes(prices).notna() & members).astype(float)
    return there.div(there.sum(axis=1).clip(lower=1.0), axis=0)
