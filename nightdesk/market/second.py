"""A source with a second one beside it: asked where the first fails, compared with it where it does not."""

from collections.abc import Sequence
from datetime import date
from typing import Final

import numpy as np
import pandas as pd

from nightdesk.errors import BadData, Misconfigured, NightdeskError, TryAgain
from nightdesk.market.source import Source
from schemas.bars import Bars

KEY: Final = [Bars.session, Bars.symbol]
SHOWN: Final = 3

Disagreement = tuple[str, date, float, float]
"""Symbol, session, the first source's close and the second's."""


class SecondedSource:
    """The first source, with a second one to fall back on and to compare its closes with.

    `tolerance` is the largest difference of a close, as a share of the first source's. Raises `Misconfigured` where the two
    quote in different currencies.
    """

    def __init__(self, first: Source, second: Source, tolerance: float) -> None:
        if first.currency != second.currency:
            raise Misconfigured.value(
                "market.second_source", second.name, f"a source that quotes in {first.currency}, as {first.name} does"
            )
        self._primary, self._second, self._tolerance = first, second, tolerance

    @property
    def name(self) -> str:
        return self._primary.name

    @property
    def currency(self) -> str:
        return self._primary.currency

    @property
    def span(self) -> tuple[date, date] | None:
        return self._primary.span

    @property
    def opens(self) -> date | None:
        return self._primary.opens

    def fetch_bars(self, symbols: Sequence[str], first: date, last: date) -> pd.DataFrame:
        """The first source's `Bars`, compared with the second's; the second's where the first could not give any.

        `attrs["notes"]` says when they are the second's, and what was not compared. Raises `BadData` where the closes of a bar
        that both have differ by more than the tolerance: all of them in `values["disagreements"]`; what is wrong with the
        request, of either source, passes as `Misconfigured`.
        """
        bars, failed = _attempt(self._primary, symbols, first, last)
        others, failed_second = _attempt(self._second, symbols, first, last)
        if bars is not None:
            return _noted(bars, [self._compared(bars, others, failed_second)])
        if others is None:
            both_bad = isinstance(failed, BadData) and isinstance(failed_second, BadData)
            message = f"Neither source gave bars. {self._primary.name}: {failed} {self._second.name}: {failed_second}"
            raise BadData(message) if both_bad else TryAgain(message)
        return _noted(others, [f"These bars are from {self._second.name}, for {self._primary.name} failed: {failed}"])

    def _compared(self, bars: pd.DataFrame, others: pd.DataFrame | None, failed: NightdeskError | None) -> str:
        """What could not be compared, as a sentence; empty where all was. Raises `BadData` where the two disagree."""
        mine, theirs = self._primary.name, self._second.name
        if others is None:
            return f"The bars of {mine} were not cross-checked, for {theirs} failed: {failed}"
        if found := disagreements(bars, others, self._tolerance):
            shown = ", ".join(f"{symbol} on {day} ({one} and {two})" for symbol, day, one, two in found[:SHOWN])
            more = f" and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
            raise BadData(
                f"The closes of {mine} and {theirs} differ by more than {self._tolerance:.6g} of them: {shown}{more}.",
                disagreements=found,
                tolerance=self._tolerance,
            )
        alone = len(bars) - len(bars[KEY].merge(others[KEY].drop_duplicates(), on=KEY))
        return f"{alone} of {len(bars)} bars of {mine} were not cross-checked: {theirs} has none of them." if alone else ""


def disagreements(bars: pd.DataFrame, others: pd.DataFrame, tolerance: float) -> tuple[Disagreement, ...]:
    """Bars of both frames whose closes differ by more than a share of the first's, in the order of `bars`.

    A bar that only one of them has is none, nor is a close that is NaN: completeness and numbers are checked elsewhere.
    """
    both = bars[[*KEY, Bars.close]].merge(others[[*KEY, Bars.close]], on=KEY, suffixes=("", "_second"))
    one, two = both[Bars.close].to_numpy(float), both[f"{Bars.close}_second"].to_numpy(float)
    with np.errstate(invalid="ignore"):
        differ = np.abs(one - two) > tolerance * np.abs(one)
    rows = both[differ]
    days = [session.date() for session in rows[Bars.session]]
    return tuple(zip(rows[Bars.symbol].tolist(), days, one[differ].tolist(), two[differ].tolist(), strict=True))


def _attempt(
    source: Source, symbols: Sequence[str], first: date, last: date
) -> tuple[pd.DataFrame, None] | tuple[None, NightdeskError]:
    """A source's bars, or why it has none to give at the moment."""
    try:
        return source.fetch_bars(symbols, first, last), None
    except (TryAgain, BadData) as error:
        return None, error


def _noted(bars: pd.DataFrame, sentences: Sequence[str]) -> pd.DataFrame:
    """The bars with sentences added to their notes; empty ones are left out."""
    notes = [*bars.attrs.get("notes", ()), *(sentence for sentence in sentences if sentence)]
    if notes:
        bars.attrs["notes"] = notes
    return bars
