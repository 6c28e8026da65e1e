"""Performance figures. Conventions are empyrical-reloaded's, so that the numbers can be compared with other tools.

`returns` are simple returns per session as fractions, in order. NaN is a session without a known return: it is left out
of means and deviations, adds nothing to the wealth, and still counts as a session where time is measured. A figure that
is not defined is NaN; a ratio with nothing below the line is inf with the sign of what is above it.
"""

import math

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pandera.typing import DataFrame

from nightdesk.performance.figure_words import LABELS
from schemas.equity import Equity
from schemas.fills import Fills

SESSIONS_PER_YEAR = 252
NEW_HIGH_TOLERANCE = 1e-12
"""Relative: a rounding error in the product of returns is not a drawdown that lasts."""


def session_returns(equity: DataFrame[Equity]) -> pd.Series:
    """Time-weighted returns r_t = E_t / (E_{t-1} + F_t) - 1, by session, from the second session on.

    Flows count as there before the open. NaN where E_{t-1} + F_t is not positive. Source: the true time-weighted return
    of the GIPS standards, valued at each flow.
    """
    return _by_session(equity, _session_returns(equity), Equity.equity)


def benchmark_returns(equity: DataFrame[Equity]) -> pd.Series:
    """Returns of the benchmark by session, from the second session on. NaN where either value is missing."""
    return _by_session(equity, _benchmark_returns(equity), Equity.benchmark)


def total_return(returns: ArrayLike) -> float:
    """Product of (1 + r), less 1. NaN without returns."""
    wealth = _wealth(returns)
    return float(wealth[-1] - 1) if len(wealth) > 1 else np.nan


def annual_return(returns: ArrayLike) -> float:
    """Compound growth a year: (1 + total return) ** (252 / sessions) - 1. Short records are annualised all the same.

    NaN on fewer than two sessions, or where more than everything was lost. Source: empyrical `annual_return` (CAGR).
    """
    wealth = _wealth(returns)
    sessions = len(wealth) - 1
    return _power(wealth[-1], SESSIONS_PER_YEAR / sessions) - 1 if sessions > 1 else np.nan


def annual_volatility(returns: ArrayLike) -> float:
    """Sample deviation (ddof = 1) times sqrt(252). NaN on fewer than two known returns. Source: empyrical."""
    return _deviation(_known(returns)) * math.sqrt(SESSIONS_PER_YEAR)


def sharpe(returns: ArrayLike) -> float:
    """Mean over sample deviation (ddof = 1), times sqrt(252), risk-free rate 0. NaN on fewer than two known returns.

    Source: Sharpe (1994), The Sharpe Ratio, Journal of Portfolio Management 21(1).
    """
    known = _known(returns)
    return _ratio(known.mean(), _deviation(known)) * math.sqrt(SESSIONS_PER_YEAR) if len(known) > 1 else np.nan


def sortino(returns: ArrayLike) -> float:
    """Mean over downside deviation sqrt(mean(min(r, 0) ** 2)), times sqrt(252). NaN on fewer than two known returns.

    The mean below the root is over all known sessions, not over the losing ones. Source: Sortino & Price (1994),
    Performance Measurement in a Downside Risk Framework, Journal of Investing 3(3).
    """
    known = _known(returns)
    if len(known) < 2:
        return np.nan
    downside = np.sqrt(np.mean(np.minimum(known, 0.0) ** 2))
    return _ratio(known.mean(), downside) * math.sqrt(SESSIONS_PER_YEAR)


def calmar(returns: ArrayLike) -> float:
    """Annual return over the size of the maximum drawdown. NaN without a drawdown. Source: empyrical `calmar_ratio`."""
    deepest = max_drawdown(returns)
    return annual_return(returns) / -deepest if deepest < 0 else np.nan


def drawdowns(returns: ArrayLike) -> NDArray[np.float64]:
    """Wealth over its highest value so far, less 1: from 0 down. One longer than `returns`: it starts before the first."""
    wealth = _wealth(returns)
    return wealth / np.maximum.accumulate(wealth) - 1


def max_drawdown(returns: ArrayLike) -> float:
    """The deepest drawdown at a close, a negative fraction or 0; a losing first session counts. NaN without returns."""
    fallen = drawdowns(returns)
    return float(fallen.min()) if len(fallen) > 1 else np.nan


def max_drawdown_sessions(returns: ArrayLike) -> float:
    """Sessions of the longest drawdown, from its peak to its recovery or to the end; not always the deepest one.

    0 without a drawdown, NaN without returns.
    """
    fallen = drawdowns(returns)
    if len(fallen) < 2:
        return np.nan
    highs = np.flatnonzero(fallen >= -NEW_HIGH_TOLERANCE)
    recovered = np.diff(highs)
    still_open = len(fallen) - 1 - highs[-1]
    return float(max(recovered[recovered > 1].max(initial=0), still_open))


def exposure(equity: DataFrame[Equity]) -> float:
    """Mean of positions_value / equity over the closes; short positions count as negative."""
    owned, invested = _column(equity, Equity.equity), _column(equity, Equity.positions_value)
    return _mean(_over_positive(invested, owned))


def turnover(equity: DataFrame[Equity], fills: DataFrame[Fills]) -> float:
    """Value traded a year over mean equity: sum(|quantity| x price) / mean(equity) x 252 / sessions with a return.

    Buys and sells both count, so selling the whole book and buying it back is 2. `fills` are those of the sessions of
    `equity`. NaN on fewer than two sessions with a return.
    """
    sessions = len(equity) - 1
    if sessions < 2:
        return np.nan
    traded = np.abs(_column(fills, Fills.quantity)) * _column(fills, Fills.price)
    return _ratio(traded.sum(), _mean(_column(equity, Equity.equity))) * SESSIONS_PER_YEAR / sessions


def hit_rate(returns: ArrayLike) -> float:
    """Winning sessions over sessions that won or lost. Sessions at exactly 0 (a book in cash) do not count.

    Of sessions, not of closed trades: with partial fills a round trip has no natural end. Source: quantstats `win_rate`.
    """
    moved = _moved(returns)
    return float(np.mean(moved > 0)) if len(moved) else np.nan


def profit_factor(returns: ArrayLike) -> float:
    """Sum of the gains over the sum of the losses, on session returns (not on closed trades). NaN if nothing moved.

    Source: quantstats `profit_factor`.
    """
    moved = _moved(returns)
    return _ratio(moved[moved > 0].sum(), -moved[moved < 0].sum() + 0.0)


def beta(returns: ArrayLike, benchmark: ArrayLike) -> float:
    """Slope of the least-squares line of `returns` on `benchmark` (same sessions), over sessions where both are known.

    NaN on fewer than two of them or where the benchmark does not move. Source: empyrical `beta`.
    """
    own, market = _paired(returns, benchmark)
    if len(market) < 2 or np.ptp(market) == 0:
        return np.nan
    centred = market - market.mean()
    return float(centred @ own / (centred @ centred))


def alpha(returns: ArrayLike, benchmark: ArrayLike) -> float:
    """Intercept of the line of `beta`, compounded to a year: (1 + a) ** 252 - 1, risk-free rate 0.

    NaN where beta is. Source: empyrical `alpha` (Jensen's alpha).
    """
    own, market = _paired(returns, benchmark)
    slope = beta(own, market)
    return np.nan if np.isnan(slope) else _power(1 + own.mean() - slope * market.mean(), SESSIONS_PER_YEAR) - 1


def costs_paid(fills: DataFrame[Fills]) -> float:
    """Commission and slippage of all fills, in the book's currency."""
    return float((_column(fills, Fills.commission) + _column(fills, Fills.slippage)).sum())


def cost_drag(equity: DataFrame[Equity], fills: DataFrame[Fills]) -> float:
    """Commission and slippage a year as a fraction of mean equity. NaN on fewer than two sessions with a return."""
    sessions = len(equity) - 1
    if sessions < 2:
        return np.nan
    return _ratio(costs_paid(fills), _mean(_column(equity, Equity.equity))) * SESSIONS_PER_YEAR / sessions


def performance_of_returns(returns: ArrayLike, benchmark: ArrayLike) -> dict[str, float]:
    """The figures of `LABELS` that need returns only, in that order; ratios are fractions. Both of the same sessions."""
    return {
        "total_return": total_return(returns),
        "annual_return": annual_return(returns),
        "annual_volatility": annual_volatility(returns),
        "sharpe": sharpe(returns),
        "sortino": sortino(returns),
        "calmar": calmar(returns),
        "max_drawdown": max_drawdown(returns),
        "max_drawdown_sessions": max_drawdown_sessions(returns),
        "hit_rate": hit_rate(returns),
        "profit_factor": profit_factor(returns),
        "alpha": alpha(returns, benchmark),
        "beta": beta(returns, benchmark),
    }


def performance(equity: DataFrame[Equity], fills: DataFrame[Fills]) -> dict[str, float]:
    """Every figure of `LABELS`, in that order; ratios are fractions. `fills` are those of the sessions of `equity`."""
    values = performance_of_returns(_session_returns(equity), _benchmark_returns(equity))
    values |= {"exposure": exposure(equity), "turnover": turnover(equity, fills), "costs_paid": costs_paid(fills)}
    return {name: values[name] for name in LABELS}


def _column(frame: pd.DataFrame, name: str) -> NDArray[np.float64]:
    """A column as an array: of a few thousand rows pandas takes longer to prepare a sum than to add."""
    return np.asarray(frame[name], dtype=np.float64)


def _by_session(equity: pd.DataFrame, returns: NDArray[np.float64], name: str) -> pd.Series:
    return pd.Series(returns, index=pd.Index(equity[Equity.session].iloc[1:]), name=name)


def _session_returns(equity: pd.DataFrame) -> NDArray[np.float64]:
    owned, flow = _column(equity, Equity.equity), _column(equity, Equity.flow)
    return _over_positive(owned[1:], owned[:-1] + flow[1:]) - 1


def _benchmark_returns(equity: pd.DataFrame) -> NDArray[np.float64]:
    held = _column(equity, Equity.benchmark)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(held[1:] / held[:-1] - 1)


def _over_positive(above: NDArray[np.float64], below: NDArray[np.float64]) -> NDArray[np.float64]:
    """NaN where what is below the line is not above 0."""
    return np.asarray(above / np.where(below > 0, below, np.nan))


def _mean(values: NDArray[np.float64]) -> float:
    """Of the known values; NaN without one."""
    known = _known(values)
    return float(known.mean()) if len(known) else np.nan


def _wealth(returns: ArrayLike) -> NDArray[np.float64]:
    """What 1.0 became, starting with the 1.0 itself."""
    return np.cumprod(np.append(1.0, 1 + np.nan_to_num(np.asarray(returns, dtype=np.float64))))


def _known(returns: ArrayLike) -> NDArray[np.float64]:
    values = np.asarray(returns, dtype=np.float64)
    return values[~np.isnan(values)]


def _moved(returns: ArrayLike) -> NDArray[np.float64]:
    known = _known(returns)
    return known[np.flatnonzero(known)]


def _paired(returns: ArrayLike, benchmark: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    own, market = np.asarray(returns, dtype=np.float64), np.asarray(benchmark, dtype=np.float64)
    both = ~(np.isnan(own) | np.isnan(market))
    return own[both], market[both]


def _deviation(known: NDArray[np.float64]) -> float:
    """Sample deviation; exactly 0 for equal values, where rounding would leave a speck."""
    if len(known) < 2:
        return np.nan
    return 0.0 if np.ptp(known) == 0 else float(known.std(ddof=1))


def _ratio(above: float, below: float) -> float:
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.float64(above) / np.float64(below))


def _power(base: float, exponent: float) -> float:
    """NaN for a negative base, whatever the exponent: growth below nothing cannot be compounded."""
    with np.errstate(over="ignore"):
        return float(np.float64(base) ** exponent) if base >= 0 else np.nan
