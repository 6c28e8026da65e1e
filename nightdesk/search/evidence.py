"""What a search allows to say of its best trial: the gates, with every trial counted, and the words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from nightdesk.backtest.fits import FitCache
from nightdesk.backtest.rows import Floats
from nightdesk.errors import BadData, Misconfigured
from nightdesk.performance.gates import accuracy_gate, deflated_sharpe_gate, excess_return_gate, overfitting_gate
from nightdesk.performance.metrics import SESSIONS_PER_YEAR
from nightdesk.performance.sharpe import effective_trials_2014
from nightdesk.search.folds import fold_fits, fold_majorities, judged
from nightdesk.search.ground import Ground
from nightdesk.search.holdout import Opening
from nightdesk.search.space import configured
from nightdesk.search.trials import Draw, Trial
from schemas.evidence import GateResult
from schemas.strategy import Strategy

LEVEL = 0.05


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Of the best trial: the gates by name (accuracy, excess return, deflated Sharpe, overfitting), each for an error of 5 %."""

    gates: dict[str, GateResult]
    effective_trials: float


def best_trial(trials: Sequence[Trial]) -> Trial:
    """The complete trial with the highest score, the first of equal ones. Raises `Misconfigured` where none is complete."""
    complete = [trial for trial in trials if trial.state == "complete"]
    if not complete:
        raise Misconfigured(f"None of {len(trials)} trials could be judged on all folds: see the reasons of its draws.")
    return max(complete, key=lambda trial: trial.score)


def evidence_of(
    strategy: Strategy, ground: Ground, draws: Sequence[Draw], trials: Sequence[Trial], best: Trial, cache: FitCache
) -> Evidence:
    """The gates on the best trial. Every judged trial counts, pruned ones too; overfitting compares the complete ones."""
    complete = np.stack([draws[trial.draw].returns[trial.place] for trial in trials if trial.state == "complete"], axis=1)
    returns = draws[best.draw].returns[best.place]
    sharpes = np.array([trial.sharpe for trial in trials if trial.state != "failed"]) / math.sqrt(SESSIONS_PER_YEAR)
    effective = effective_trials(complete)
    gates = [
        _accuracy(strategy, ground, best, cache),
        excess_return_gate(returns, ground.market, level=LEVEL),
        deflated_sharpe_gate(returns, sharpes, max(effective, 1.0), level=LEVEL),
        _overfitting(complete),
    ]
    return Evidence({gate.name: gate for gate in gates}, effective)


def effective_trials(returns: Floats) -> float:
    """What the trials, sessions x trials, are worth in independent ones; 0 where none of them ever varied."""
    return effective_trials_2014(returns) if np.ptp(returns, axis=0).any() else 0.0


def conclusion(trials: Sequence[Trial], best: Trial, found: Evidence) -> str:
    """What the evidence before the hold-out allows to say, in words."""
    judged_trials = [trial for trial in trials if trial.state != "failed"]
    return " ".join(
        [
            f"Of {len(judged_trials)} trials the best has a Sharpe ratio of {best.sharpe:.2f} a year after costs and an accuracy "
            f"of {best.accuracy:.2%}, on {found.gates['deflated Sharpe'].n} sessions in folds that its fits had not seen.",
            _accuracy_words(found.gates["accuracy"]),
            _luck_words(found.gates["deflated Sharpe"]),
            _overfitting_words(found.gates["overfitting"]),
        ]
    )


def holdout_words(seen: Sequence[Opening], search_id: str) -> str:
    """Whether the hold-out is still unseen."""
    own = next((one for one in seen if one.search_id == search_id), None)
    others = [one for one in seen if one.search_id != search_id]
    before = f" {others[0].sentence}, so its sessions are not unseen." if others else ""
    if own is None:
        return f"The hold-out of this search is locked.{before}"
    return f"{own.sentence}; what this search finds after that has been chosen with it in sight.{before}"


def _accuracy(strategy: Strategy, ground: Ground, best: Trial, cache: FitCache) -> GateResult:
    tried = configured(strategy, best.values, best.threshold)
    fits = list(fold_fits(tried, ground, cache, len(ground.folds), 1))
    said = judged(tried, ground, fits, (best.threshold,)).up[0].astype(int)
    rows = ground.rows
    return accuracy_gate(
        rows.session,
        rows.label,
        said,
        fold_majorities(ground),
        horizon_sessions=strategy.target.horizon_sessions,
        level=LEVEL,
    )


def _overfitting(complete: Floats) -> GateResult:
    try:
        return overfitting_gate(complete, level=LEVEL)
    except BadData as error:
        return GateResult("overfitting", "none", False, len(complete), math.nan, LEVEL, {}, error.message)


def _accuracy_words(gate: GateResult) -> str:
    said, same = gate.figures["accuracy"], gate.figures["baseline_accuracy"]
    shown = "which is better, with an error of 5 % for a single trial" if gate.passed else "and is not shown to be better"
    return f"Always saying what most training labels were is right on {same:.2%}; the trial is right on {said:.2%}, {shown}."


def _luck_words(gate: GateResult) -> str:
    figures = gate.figures
    year = math.sqrt(SESSIONS_PER_YEAR)
    lucky = figures["sharpe_of_luck_per_session_2014"] * year
    luck = f"The luckiest of {figures['n_trials']:.0f} worthless trials is expected to show {lucky:.2f}"
    if math.isnan(gate.bound):
        return f"The deflated Sharpe ratio is not defined here: {gate.needed}"
    verdict = "so the result is more than the luck of choosing" if gate.passed else "so this is not shown to be more than luck"
    return f"{luck} a year; the deflated Sharpe ratio is {gate.bound:.3f}, above {gate.limit:.2f} would do, {verdict}."


def _overfitting_words(gate: GateResult) -> str:
    if math.isnan(gate.bound):
        return f"The probability of overfitting cannot be said: {gate.needed}"
    return f"Choosing the best was no better than choosing the median in {gate.bound:.0%} of the ways to split the sessions."
