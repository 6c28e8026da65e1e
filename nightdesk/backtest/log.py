"""A backtest as a run in MLflow, in an experiment of its own: the same numbers, so that runs compare side by side."""

import hashlib
import math
from collections.abc import Mapping
from typing import Any

from nightdesk.backtest.report import as_document
from nightdesk.backtest.run import Backtest
from nightdesk.ledger.file import canonical_json
from nightdesk.tracking.tracker import BacktestLog, Tracker

PAGE = "backtest.html"
LONGEST_PARAM = 6000
"""MLflow takes no longer text."""


def log_backtest(made: Backtest, page: str, tracker: Tracker) -> str:
    """Log a backtest with its page, or spool it where MLflow is away. Returns its run, "" while spooled.

    The same backtest with the same result is the same run, however often it is made.
    """
    document = {name: value for name, value in as_document(made).items() if name != "fits_made"}
    return tracker.log_backtest(
        backtest_log(made, page), f"backtest/{hashlib.sha256(canonical_json(document).encode()).hexdigest()}"
    )


def backtest_log(made: Backtest, page: str) -> BacktestLog:
    """What is logged: the strategy's keys as params, figures and gates as metrics, folds as their steps."""
    strategy = made.strategy
    return BacktestLog(
        experiment=f"{strategy.name}-backtests",
        run_name=f"{made.first} to {made.last}",
        params=params_of(strategy.model_dump(mode="json")),
        metrics=_metrics(made),
        steps={
            "fold.accuracy": [fold.accuracy for fold in made.folds],
            "fold.baseline": [fold.baseline for fold in made.folds],
            "fold.lower": [fold.lower for fold in made.folds],
            "fold.upper": [fold.upper for fold in made.folds],
            "fold.rows": [float(fold.n) for fold in made.folds],
        },
        tags={
            "kind": "backtest",
            "strategy": strategy.name,
            "sha256": strategy.sha256,
            "start": made.first.isoformat(),
            "end": made.last.isoformat(),
            "capital": f"{made.capital:g}",
            "source": made.source,
            "bars_sha256": made.bars_sha256,
        },
        pictures={},
        texts={PAGE: page} if page else {},
    )


def _metrics(made: Backtest) -> dict[str, float]:
    own = dict(made.figures)
    own |= {"equity": float(made.equity["equity"].iloc[-1]), "fills": float(len(made.fills)), "sessions": float(len(made.equity))}
    own |= {"restrictions": float(len(made.restrictions))}
    for gate in made.evidence:
        name = f"gate.{gate.name.replace(' ', '_')}"
        own |= {f"{name}.passed": float(gate.passed), f"{name}.bound": gate.bound, f"{name}.n": float(gate.n)}
    return {name: value for name, value in own.items() if math.isfinite(value)}


def params_of(table: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """The keys of a strategy file as `section.key` with their values as text; a list is one value."""
    found: dict[str, str] = {}
    for name, value in table.items():
        if isinstance(value, Mapping):
            found |= params_of(value, f"{prefix}{name}.")
        elif value is not None:
            text = value if isinstance(value, str) else canonical_json(value)
            found[f"{prefix}{name}"] = text[:LONGEST_PARAM]
    return found
