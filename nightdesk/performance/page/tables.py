"""Returns by month, the worst drawdowns, rolling figures, the distribution, the best and worst sessions.

`returns` are simple returns per session as fractions, indexed by session, oldest first; NaN is a session without a known return,
which adds nothing to the wealth, as in `performance/metrics.py`.
"""

from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from nightdesk.performance.metrics import NEW_HIGH_TOLERANCE, SESSIONS_PER_YEAR, drawdowns
from schemas.equity import Equity
from schemas.fills import Fills

Floats = NDArray[np.float64]

ROLLING_SESSIONS = 126
YEAR = "year"
BINS = 41
TAIL = 0.005
"""Share of the returns on either side that the outermost bins may hold together with the rest."""


@dataclass(frozen=True)
class Drawdown:
    """From the first session below a high to the one that reached it again: None where none has yet.

    `depth` is a negative fraction, reached at `bottom`; `sessions` counts from the high to `end`, or to the record's end.
    """

    start: date
    bottom: date
    end: date | None
    depth: float
    sessions: int


@dataclass(frozen=True)
class Distribution:
    """`counts` of returns between neighbouring `edges`; the outermost bins hold what lies beyond them too."""

    edges: Floats
    counts: NDArray[np.int64]


def monthly_returns(returns: pd.Series) -> pd.DataFrame:
    """Compounded returns, years x (1 to 12, year). NaN for a month without a known return; a year counts the months it has."""
    index = pd.DatetimeIndex(returns.index)
    grown = (1 + returns).groupby([index.year, index.month]).prod(min_count=1) - 1
    months = grown.unstack().reindex(columns=range(1, 13))
    months[YEAR] = (1 + returns).groupby(index.year).prod(min_count=1) - 1
    return months.rename_axis(index=None, columns=None)


def worst_drawdowns(returns: pd.Series, n: int) -> list[Drawdown]:
    """The n deepest at closes, deepest first; a losing first session counts. Fewer where there are fewer."""
    fallen, days = drawdowns(returns), pd.DatetimeIndex(returns.index)
    highs = np.append(np.flatnonzero(fallen >= -NEW_HIGH_TOLERANCE), len(fallen))
    begins = highs[:-1][np.diff(highs) > 1]
    ends = highs[1:][np.diff(highs) > 1]
    bottoms = [begin + int(fallen[begin:end].argmin()) for begin, end in zip(begins, ends, strict=True)]
    deepest_first = sorted(zip(begins, bottoms, ends, strict=True), key=lambda place: float(fallen[place[1]]))
    return [_drawdown(days, fallen, int(high), bottom, int(end)) for high, bottom, end in deepest_first[:n]]


def _drawdown(days: pd.DatetimeIndex, fallen: Floats, high: int, bottom: int, end: int) -> Drawdown:
    """Place p of `fallen` is after the return of days[p - 1]."""
    recovered = end < len(fallen)
    return Drawdown(
        start=days[high].date(),
        bottom=days[bottom - 1].date(),
        end=days[end - 1].date() if recovered else None,
        depth=float(fallen[bottom]),
        sessions=(end if recovered else len(fallen) - 1) - high,
    )


def rolling_sharpe(returns: pd.Series) -> pd.Series:
    """`metrics.sharpe` of the last 126 sessions, at each of them from the 126th on. NaN where it is not finite."""
    window = returns.rolling(ROLLING_SESSIONS, min_periods=2)
    ratio = window.mean() / window.std(ddof=1) * np.sqrt(SESSIONS_PER_YEAR)
    return ratio.where(np.isfinite(ratio)).iloc[ROLLING_SESSIONS - 1 :]


def rolling_beta(returns: pd.Series, benchmark: pd.Series) -> pd.Series:
    """`metrics.beta` of the last 126 sessions, at each of them from the 126th on. NaN where it is not finite."""
    own, market = returns.where(benchmark.notna()), benchmark.where(returns.notna())
    slope = own.rolling(ROLLING_SESSIONS, min_periods=2).cov(market) / market.rolling(ROLLING_SESSIONS, min_periods=2).var()
    return slope.where(np.isfinite(slope)).iloc[ROLLING_SESSIONS - 1 :]


def rolling_turnover(equity: pd.DataFrame, fills: pd.DataFrame) -> pd.Series:
    """Value traded in the last 126 sessions over their mean equity, a year, at each of them from the 126th on."""
    owned = equity.set_index(Equity.session)[Equity.equity]
    value = (fills[Fills.quantity].abs() * fills[Fills.price]).groupby(fills[Fills.session]).sum()
    traded = value.reindex(owned.index, fill_value=0.0).rolling(ROLLING_SESSIONS).sum()
    yearly = traded / owned.rolling(ROLLING_SESSIONS).mean() * SESSIONS_PER_YEAR / ROLLING_SESSIONS
    return yearly.iloc[ROLLING_SESSIONS - 1 :]


def costs_so_far(equity: pd.DataFrame, fills: pd.DataFrame) -> pd.Series:
    """Commission and slippage paid up to each session, in the book's currency."""
    paid = (fills[Fills.commission] + fills[Fills.slippage]).groupby(fills[Fills.session]).sum()
    return paid.reindex(pd.DatetimeIndex(equity[Equity.session]), fill_value=0.0).cumsum()


def distribution(returns: ArrayLike) -> Distribution:
    """Known returns in an odd number of bins of one width around 0, up to the larger of the 0.5 % quantiles of both sides."""
    values = np.asarray(returns, dtype=np.float64)
    known = values[~np.isnan(values)]
    reach = float(np.abs(np.quantile(known, [TAIL, 1 - TAIL])).max())
    reach = reach or float(np.abs(known).max()) or 0.001
    counts, edges = np.histogram(np.clip(known, -reach, reach), bins=BINS, range=(-reach, reach))
    return Distribution(edges, counts.astype(np.int64))


def extreme_sessions(returns: pd.Series, n: int) -> tuple[pd.Series, pd.Series]:
    """The n highest gains, highest first, and the n deepest losses, deepest first: returns by session."""
    ordered = returns.dropna().sort_values(kind="stable")
    losses, gains = ordered[ordered < 0], ordered[ordered > 0]
    return gains.iloc[::-1].head(n), losses.head(n)
