"""One backtest: bars, walk, simulation, figures, evidence."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from nightdesk.backtest.fits import FitCache, require_cluster
from nightdesk.backtest.folds import folds, labels_of, repeated_opens
from nightdesk.backtest.limits import limited_history
from nightdesk.backtest.rows import known_rows, labelled_rows
from nightdesk.backtest.ruled import ruled_range, ruled_walk
from nightdesk.backtest.walk import NONE, Walk, walk_forward
from nightdesk.clock import WallClock
from nightdesk.day.engineer import strategy_features
from nightdesk.day.ruled import target_weights
from nightdesk.day.settle import benchmark_values
from nightdesk.day.validate import bars_sha256, findings_of
from nightdesk.errors import Misconfigured
from nightdesk.features.panels import adjusted_bars
from nightdesk.learning.labels import labels
from nightdesk.market.checks import raise_errors
from nightdesk.performance.gates import accuracy_gate, excess_return_gate
from nightdesk.performance.metrics import benchmark_returns, performance, session_returns
from nightdesk.performance.page.tearsheet import REPEATS, Fold, YearOfOpens
from nightdesk.portfolio.history import History
from nightdesk.sessions import Sessions, exchange_sessions
from nightdesk.settings import Settings
from nightdesk.wiring.beside import load_beside
from nightdesk.wiring.markets import quarantine_of, source_of, store_of
from nightdesk.wiring.strategies import load_strategy
from schemas.bars import Bars
from schemas.equity import Equity
from schemas.evidence import GateResult
from schemas.fills import Fills
from schemas.findings import Finding
from schemas.records import Restriction
from schemas.strategy import Strategy

MOST_CAPITAL = 1_000_000_000_000
"""As in a strategy file."""
LEVEL = 0.05
"""The error that each piece of evidence is allowed."""


@dataclass(frozen=True, slots=True, eq=False)
class Backtest:
    """What a strategy would have done. `equity` and `fills` are the frames of those names; ratios in `figures` are fractions.

    `findings` are what the checks of the bars warn of; `evidence` is the gate on accuracy, where there is a model, then the one
    on return, then what `append_evidence` adds. `opens` are the years of fills whose opens are hardly ever real ones,
    `restrictions` what limits changed.
    """

    strategy: Strategy
    source: str
    capital: float
    bars_sha256: str
    walk: Walk
    history: History
    equity: pd.DataFrame
    fills: pd.DataFrame
    figures: dict[str, float]
    evidence: tuple[GateResult, ...]
    findings: tuple[Finding, ...]
    folds: tuple[Fold, ...]
    opens: tuple[YearOfOpens, ...]
    restrictions: tuple[Restriction, ...]

    @property
    def first(self) -> date:
        """The first session, whose close makes the first decision."""
        session: date = self.walk.sessions[0].date()
        return session

    @property
    def last(self) -> date:
        """The last session."""
        session: date = self.walk.sessions[-1].date()
        return session


def run_backtest(
    strategy_name: str,
    start: date | None,
    end: date | None,
    capital: float | None,
    here: Settings,
    tell: Callable[[int, int], None],
    on: str | None = None,
) -> Backtest:
    """A strategy over the sessions from `start` to `end`, both included, as a new paper book would have played them.

    Without `start`: from the first session whose fit can have its training sessions, without a model from the first that has a
    target weight. Without `end`: to the last bar. Without
    `capital`: the strategy's. `tell` hears how many of how many fits are made; what the home's cache has is not. `on` is
    the address of a Dask scheduler whose workers make them; without it this machine does.

    Raises
    ------
    Misconfigured
        The strategy, a date, the capital or the cluster is not what it must be, or the bars are not there.
    BadData
        The bars have errors.
    TryAgain
        The cluster is away.
    """
    if on is not None:
        require_cluster(on)
    strategy = load_strategy(strategy_name, here)
    money = float(strategy.capital) if capital is None else capital
    if not 0 < money <= MOST_CAPITAL:
        raise Misconfigured.value("capital", money, f"above 0, up to {MOST_CAPITAL}, in {strategy.market.currency}")
    if start is not None and end is not None and end < start:
        raise Misconfigured.value("end", end.isoformat(), f"{start}, the start, or later")
    sessions = exchange_sessions(strategy.market.calendar)
    bars, findings = checked_history(strategy, sessions, end, here)
    every = sessions.between(bars[Bars.session].min().date(), end or bars[Bars.session].max().date())
    if strategy.kind == "model":
        walk, accuracy, parts = _fitted_walk(strategy, bars, _range(strategy, every, start), here, tell, on)
    else:
        wanted = target_weights(strategy, bars, load_beside(strategy, strategy_name, here))
        walk, accuracy, parts = ruled_walk(strategy, wanted, ruled_range(strategy, wanted, every, start)), (), ()
    days = walk.sessions
    history, restrictions = limited_history(strategy, bars, sessions, days, walk.weights, money)
    held = benchmark_values(strategy, bars, days[0].date(), money).reindex(days)
    equity = Equity.validate(history.equity_table(days, held.to_numpy()))
    fills = Fills.validate(history.fills_table(days, [row.instrument for row in strategy.market.instruments]))
    return Backtest(
        strategy=strategy,
        source=strategy.market.source,
        capital=money,
        bars_sha256=bars_sha256(bars),
        walk=walk,
        history=history,
        equity=equity,
        fills=fills,
        figures=performance(equity, fills),
        evidence=(*accuracy, excess_return_gate(session_returns(equity), benchmark_returns(equity), level=LEVEL)),
        findings=findings,
        folds=parts,
        opens=repeated_opens(bars, fills, strategy, _years_without_opens(findings)),
        restrictions=restrictions,
    )


def _fitted_walk(
    strategy: Strategy,
    bars: pd.DataFrame,
    days: pd.DatetimeIndex,
    here: Settings,
    tell: Callable[[int, int], None],
    on: str | None,
) -> tuple[Walk, tuple[GateResult, ...], tuple[Fold, ...]]:
    """The walk of a strategy with a model, the gate on its accuracy, and its folds."""
    signals = {row.signal for row in strategy.market.instruments}
    features = strategy_features(strategy, bars)
    target = labels(adjusted_bars(bars[bars[Bars.symbol].isin(signals)]), strategy.target)
    cache = FitCache(here.home / "cache" / "fits")
    walk = walk_forward(labelled_rows(features, target), known_rows(features), days, strategy, cache, tell, on)
    return walk, (_accuracy(walk, target, strategy),), folds(walk, target)


def checked_history(
    strategy: Strategy, sessions: Sessions, end: date | None, here: Settings
) -> tuple[pd.DataFrame, tuple[Finding, ...]]:
    """The strategy's bars up to `end` and what the checks warn of. Raises `BadData` where they have errors."""
    bars = _bars(strategy, sessions, end, here)
    if bars.empty:
        raise Misconfigured(f"There is no bar of {', '.join(strategy.data_symbols)} up to {end}.", end=end)
    first, last = bars[Bars.session].min().date(), end or bars[Bars.session].max().date()
    quarantine = quarantine_of(source_of(strategy, here), here)
    found = findings_of(bars, strategy, sessions.between(first, last), quarantine.released())
    quarantine.close()
    raise_errors(found)
    return bars, tuple(row for row in found if row.severity == "warning")


def _years_without_opens(findings: tuple[Finding, ...]) -> list[tuple[str, int]]:
    """The symbols and years whose opens are hardly ever real ones."""
    return [(row.symbol, session.year) for row in findings if row.code == REPEATS for session in row.sessions]


def _bars(strategy: Strategy, sessions: Sessions, end: date | None, here: Settings) -> pd.DataFrame:
    """Bars of a file of ours from their source; bars of a vendor from the store, so that it is not asked twice."""
    source, symbols = source_of(strategy, here), strategy.data_symbols
    if strategy.market.source in ("sample", "csvdir"):
        final = sessions.latest_settled(WallClock().now())
        first, last = source.span or (sessions.first, final)
        if end is not None and not first <= end <= last:
            raise Misconfigured.value("end", end.isoformat(), f"{first} to {last}")
        return source.fetch_bars(symbols, first, end or last)
    store = store_of(source, here)
    stored = store.last_session(symbols)
    if stored is None or (end is not None and end > stored):
        reach = f"up to {stored}" if stored else "no bar"
        raise Misconfigured(
            f"The store has {reach} of {', '.join(symbols)} from {source.name}: `nightdesk day` fetches what is missing."
        )
    return store.load_bars(symbols, available_until=sessions.settled_at(_last_session(sessions, end or stored)))


def _last_session(sessions: Sessions, day: date) -> date:
    """The day itself, or the last session before it."""
    return day if sessions.is_session(day) else sessions.before(day)


def _range(strategy: Strategy, every: pd.DatetimeIndex, start: date | None) -> pd.DatetimeIndex:
    """The sessions to play, of those that have bars. Raises `Misconfigured` where there is none, or too little history before."""
    first, last = every[0].date(), every[-1].date()
    needed = _sessions_needed(strategy)
    if len(every) <= needed:
        raise Misconfigured(
            f"{len(every)} sessions of bars from {first} to {last} are too few: the first fit of {strategy.name} needs {needed}, "
            "and one more to trade."
        )
    earliest = every[needed - 1].date()
    if start is not None and not earliest <= start <= last:
        raise Misconfigured.value(
            "start", start.isoformat(), f"{earliest} to {last}: a fit needs {needed} sessions, the bars start {first}"
        )
    return every[every >= pd.Timestamp(start or earliest)]


def _sessions_needed(strategy: Strategy) -> int:
    """So many sessions up to its cut-off a fit needs to have its training sessions, after the purge."""
    ahead = strategy.target.horizon_sessions + (strategy.target.name == "open_up")
    labelled = math.ceil((strategy.model.min_train_sessions + ahead) / strategy.model.train_fraction)
    return labelled + ahead


def _accuracy(walk: Walk, target: pd.DataFrame, strategy: Strategy) -> GateResult:
    """What was predicted for sessions that no fit had seen, beside the training majority of the fit that predicted it."""
    label = labels_of(walk, target)
    row, column = np.nonzero(~np.isnan(walk.predicted) & ~np.isnan(label))
    majority = np.array([fit.made.facts.majority for fit in walk.fits] + [NONE])[walk.champion]
    return accuracy_gate(
        walk.sessions.to_numpy()[row],
        label[row, column].astype(int),
        walk.predicted[row, column].astype(int),
        majority[row],
        horizon_sessions=strategy.target.horizon_sessions,
        level=LEVEL,
    )
