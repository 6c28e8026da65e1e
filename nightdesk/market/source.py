"""What a bar source is."""

from collections.abc import Sequence
from datetime import date
from typing import Protocol

import pandas as pd


class Source(Protocol):
    """A vendor of daily bars. `tests/contracts/source_contract.py` is its specification."""

    @property
    def name(self) -> str:
        """What a strategy file calls it."""
        ...

    @property
    def currency(self) -> str:
        """The one currency of its prices, as USD."""
        ...

    @property
    def span(self) -> tuple[date, date] | None:
        """First and last session that a simulated market will ever have; None for a living one."""
        ...

    @property
    def opens(self) -> date | None:
        """The first session that a fresh paper book plays on a simulated market; None for a living one."""
        ...

    def fetch_bars(self, symbols: Sequence[str], first: date, last: date) -> pd.DataFrame:
        """`Bars` from `first` to `last`, both included, sorted by (session, symbol): what the vendor says, unchecked.

        No row where the vendor has none. The frame's `attrs["notes"]`, where it is there, has sentences about how it was
        fetched that a person should read. Raises `Misconfigured` for a symbol that it does not know, `TryAgain` where the vendor
        could not be asked: a failed answer is never an empty frame.
        """
        ...
