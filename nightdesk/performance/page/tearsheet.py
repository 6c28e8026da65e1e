"""All numbers of the page, from the metrics and the evidence functions only."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd
from pandera.typing import DataFrame

from nightdesk.performance.gates import excess_return_gate
from nightdesk.performance.metrics import cost_drag, costs_paid, drawdowns, exposure, performance_of_returns, turnover
from nightdesk.performance.page import tables, words
from nightdesk.performance.sharpe import minimum_track_record_2012, moments, probabilistic_sharpe_2012
from schemas.equity import Equity
from schemas.evidence import GateResult
from schemas.fills import Fills
from schemas.findings import Finding
from schemas.records import Restriction

SHOWN = 5
"""Drawdowns, and best and worst sessions."""
REPEATS = "open_repeats_close"
"""The finding of `nightdesk/market/quiet.py`; its sessions are the first of each year that it is about."""


@dataclass(frozen=True)
class Fold:
    """One walk-forward test: accuracy on its `n` rows, that of the training majority, and the interval of the first."""

    first: date
    last: date
    n: int
    accuracy: float
    baseline: float
    lower: float
    upper: float


@dataclass(frozen=True)
class YearOfOpens:
    """A year of a symbol whose open repeats the close before on `share` of its sessions; `fills` of the book fall into it."""

    symbol: str
    year: int
    share: float
    fills: int


@dataclass(frozen=True)
class Trading:
    """What a backtest knows beside its returns: its book, its folds, and what the day's check finds in its bars.

    `facts` are lines of (what, how it was), `says` further sentences of the first paragraph, `gates` all that judge it.
    """

    currency: str
    equity: DataFrame[Equity]
    fills: DataFrame[Fills]
    folds: tuple[Fold, ...] = ()
    findings: tuple[Finding, ...] = ()
    facts: tuple[tuple[str, str], ...] = ()
    says: tuple[str, ...] = ()
    gates: tuple[GateResult, ...] = ()
    opens: tuple[YearOfOpens, ...] = ()
    restrictions: tuple[Restriction, ...] = ()


@dataclass(frozen=True)
class Tearsheet:
    """The numbers of a page. Frames are by session, fractions throughout; `wealth` starts at 1 before the first session.

    `headline` and `sentences` say what the evidence allows to say, `warnings` and `notes` what a reader should know.
    `lines` has wealth and drawdown, and the benchmark's where there is one; `rolling` Sharpe ratio and beta. `book` has the
    figures of a traded book, empty without one.
    """

    title: str
    headline: str
    sentences: tuple[str, ...]
    warnings: tuple[str, ...]
    notes: tuple[str, ...]
    returns: pd.Series
    benchmark: pd.Series | None
    benchmark_name: str
    performance: dict[str, float]
    benchmark_performance: dict[str, float]
    evidence: dict[str, float]
    gate: GateResult | None
    lines: pd.DataFrame
    rolling: pd.DataFrame
    months: pd.DataFrame
    drawdowns: tuple[tables.Drawdown, ...]
    distribution: tables.Distribution
    best: pd.Series
    worst: pd.Series
    book: dict[str, float]
    trading: Trading | None


def tearsheet(
    title: str,
    returns: pd.Series,
    benchmark: pd.Series | None = None,
    *,
    benchmark_name: str = "benchmark",
    notes: Sequence[str] = (),
    trading: Trading | None = None,
) -> Tearsheet:
    """The numbers for returns per session, after costs, as fractions, oldest first; `benchmark` of the same sessions.

    Raises
    ------
    BadData
        The benchmark does not move.
    """
    market = pd.Series(np.nan, index=returns.index) if benchmark is None else benchmark
    own, theirs = performance_of_returns(returns, market), {} if benchmark is None else performance_of_returns(market, market)
    evidence = _evidence(returns)
    gate = None if benchmark is None else excess_return_gate(returns, benchmark, level=words.LEVEL)
    best, worst = tables.extreme_sessions(returns, SHOWN)
    says = trading.says if trading else ()
    counted = trading is not None and any(one.name == "deflated Sharpe" for one in trading.gates)
    return Tearsheet(
        title=title,
        headline=words.headline(int((returns.fillna(0) != 0).sum()), evidence["probabilistic_sharpe_2012"], gate),
        sentences=tuple(words.sentences(returns, own, evidence, theirs, gate, says, counted)),
        warnings=tuple(opens_warnings(trading.fills, trading.findings)) if trading else (),
        notes=tuple(notes),
        returns=returns,
        benchmark=benchmark,
        benchmark_name=benchmark_name,
        performance=own,
        benchmark_performance=theirs,
        evidence=evidence,
        gate=gate,
        lines=_lines(returns, benchmark),
        rolling=_rolling(returns, benchmark),
        months=tables.monthly_returns(returns),
        drawdowns=tuple(tables.worst_drawdowns(returns, SHOWN)),
        distribution=tables.distribution(returns),
        best=best,
        worst=worst,
        book=_book(trading) if trading else {},
        trading=trading,
    )


def _evidence(returns: pd.Series) -> dict[str, float]:
    record = moments(returns)
    return {
        "sessions_known": float(record.n),
        "sharpe_per_session": record.sharpe,
        "skewness": record.skewness,
        "kurtosis": record.kurtosis,
        "probabilistic_sharpe_2012": probabilistic_sharpe_2012(record),
        "minimum_track_record_sessions_2012": minimum_track_record_2012(record, level=words.LEVEL),
    }


def _lines(returns: pd.Series, benchmark: pd.Series | None) -> pd.DataFrame:
    """Wealth of 1 and drawdown at each close."""
    columns = {"wealth": _wealth(returns), "drawdown": drawdowns(returns)[1:]}
    if benchmark is not None:
        columns |= {"benchmark_wealth": _wealth(benchmark), "benchmark_drawdown": drawdowns(benchmark)[1:]}
    return pd.DataFrame(columns, index=returns.index)


def _wealth(returns: pd.Series) -> pd.Series:
    return (1 + returns.fillna(0)).cumprod()


def _rolling(returns: pd.Series, benchmark: pd.Series | None) -> pd.DataFrame:
    columns = {"sharpe": tables.rolling_sharpe(returns)}
    if benchmark is not None:
        columns["beta"] = tables.rolling_beta(returns, benchmark)
    return pd.DataFrame(columns)


def _book(trading: Trading) -> dict[str, float]:
    equity, fills = trading.equity, trading.fills
    return {
        "exposure": exposure(equity),
        "turnover": turnover(equity, fills),
        "costs_paid": costs_paid(fills),
        "cost_drag": cost_drag(equity, fills),
    }


def opens_warnings(fills: pd.DataFrame, findings: Sequence[Finding]) -> Iterator[str]:
    """Fills in years whose opens repeat the previous close."""
    year_of_fill = fills[Fills.session].dt.year
    for finding in findings:
        years = {session.year for session in finding.sessions}
        n_affected = int(year_of_fill.isin(years).sum())
        if finding.code == REPEATS and n_affected:
            yield words.opens_warning(n_affected, len(year_of_fill), finding.message)
