"""What a backtest leaves behind: a trial of its target, and what the gates say of it with all trials counted."""

from contextlib import closing
from dataclasses import replace
from datetime import date, datetime

from nightdesk.backtest.run import LEVEL, Backtest
from nightdesk.clock import WallClock
from nightdesk.ledger.store import Ledger
from nightdesk.performance.metrics import session_returns
from nightdesk.performance.trials import deflated_gate, search_gate, trial_of
from nightdesk.settings import Settings
from nightdesk.wiring.orders import open_ledger
from schemas.evidence import Evidence, GateResult, Trial, gate_document


def recorded(made: Backtest, here: Settings) -> Backtest:
    """`append_evidence` in the home's paper ledger, now."""
    with closing(open_ledger("paper", here)) as ledger:
        return append_evidence(made, ledger, WallClock().now())


def append_evidence(made: Backtest, ledger: Ledger, at: datetime) -> Backtest:
    """Keep a backtest as a trial and its evidence in the paper ledger. Returns it with the gates that count trials.

    They are the deflated Sharpe ratio, and the overfitting of the newest search that tried this configuration.
    """
    returns = session_returns(made.equity).dropna()
    first: date = returns.index[0].date() if len(returns) else made.first
    trial = trial_of(made.strategy, returns, first=first, last=made.last, origin="backtest", evaluated_at=at)
    ledger.append_trials([trial])
    deflated = deflated_gate(trial, returns, ledger.trials_of(trial.target_sha256), level=LEVEL)
    overfitted = _overfitting(trial, ledger)
    judged = replace(made, evidence=(*made.evidence, deflated, *([overfitted] if overfitted else [])))
    ledger.append_evidence(
        Evidence(
            config_sha256=trial.config_sha256,
            target_sha256=trial.target_sha256,
            strategy=trial.strategy,
            first=made.first,
            last=made.last,
            bars_sha256=made.bars_sha256,
            gates=[gate_document(gate) for gate in judged.evidence],
            recorded_at=at,
        )
    )
    return judged


def _overfitting(trial: Trial, ledger: Ledger) -> GateResult | None:
    searches = [row.search_id for row in ledger.trials_of_configuration(trial.config_sha256) if row.search_id]
    return search_gate(trial, ledger.trials_of_search(searches[-1]), level=LEVEL) if searches else None
