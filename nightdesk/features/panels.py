"""Bars as panels: one frame a field, sessions x symbols."""

from dataclasses import dataclass

import pandas as pd

from schemas.bars import Bars


@dataclass(frozen=True, slots=True)
class Panels:
    """Each field is a frame, index sessions (ascending), columns symbols (sorted); NaN where a symbol has no bar."""

    open: pd.DataFrame
    high: pd.DataFrame
    low: pd.DataFrame
    close: pd.DataFrame
    volume: pd.DataFrame
    dividend: pd.DataFrame
    split: pd.DataFrame

    def of(self, symbols: list[str]) -> "Panels":
        """The panels of some symbols, in that order."""
        return Panels(**{name: getattr(self, name)[symbols] for name in _FIELDS})


_FIELDS = (Bars.open, Bars.high, Bars.low, Bars.close, Bars.volume, Bars.dividend, Bars.split)


def panels(bars: pd.DataFrame) -> Panels:
    """The panels of a `Bars` frame, as traded."""
    wide = bars.pivot(index=Bars.session, columns=Bars.symbol)
    return Panels(**{name: wide[name] for name in _FIELDS})


def forward_adjusted(raw: Panels) -> Panels:
    """Prices adjusted for splits and dividends, forward: factor 1 at the first session, an action at t changes no value before t.

    The factor of t multiplies all prices from t on: split x 1 / (1 - dividend / previous close), compounded; the dividend is
    a share's of the session's own share count, so the previous close is divided by the session's split first. Volume is
    divided by the splits alone. (Backward adjustment would rescale the past at each dividend, which is look-ahead.)
    """
    split = raw.split.fillna(1.0)
    previous = raw.close.ffill().shift(1) / split
    paid = (raw.dividend.fillna(0.0) / previous).fillna(0.0)
    splits = split.cumprod()
    factor = splits * (1.0 / (1.0 - paid)).cumprod()
    return Panels(
        open=raw.open * factor,
        high=raw.high * factor,
        low=raw.low * factor,
        close=raw.close * factor,
        volume=raw.volume / splits,
        dividend=raw.dividend * 0.0,
        split=raw.split * 0.0 + 1.0,
    )


def adjusted_bars(bars: pd.DataFrame) -> pd.DataFrame:
    """The `Bars` frame with forward-adjusted prices: a row for each row of `bars`, in the same order."""
    adjusted = forward_adjusted(panels(bars))
    rows = pd.MultiIndex.from_frame(bars[[Bars.session, Bars.symbol]])
    columns = {name: getattr(adjusted, name).stack().reindex(rows).to_numpy() for name in _FIELDS}
    return bars.assign(**columns)
