"""The honest gates at a fit: what it showed on its test rows, beside always saying the training majority."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np

from nightdesk.learning.fit import PREDICTED, Fit
from nightdesk.performance.gate_words import gate_sentence
from nightdesk.performance.gates import accuracy_gate
from schemas.evidence import GateResult
from schemas.labels import Labels
from schemas.learnt import Gate

LEVEL: Final = 0.05
"""The error that each gate is allowed."""


def fit_gates(made: Fit, horizon_sessions: int) -> tuple[GateResult, ...]:
    """What the honest gates say of a fit; none of a degenerate one."""
    if made.estimator is None:
        return ()
    rows = made.test_predictions
    label, predicted = rows[Labels.label].to_numpy(), rows[PREDICTED].to_numpy()
    majority = np.full(len(rows), made.majority)
    session = rows[Labels.session].to_numpy()
    return (accuracy_gate(session, label, predicted, majority, horizon_sessions=horizon_sessions, level=LEVEL),)


def judged(made: Fit, gates: Sequence[GateResult], gate: Gate) -> Fit:
    """The fit, failed where a gate that the strategy requires did not pass; its numbers are then in the reason."""
    failed = [said for said in gates if said.name in gate.require and not said.passed]
    if made.status != "passed" or not failed:
        return made
    said = "; ".join(f"the gate {one.name} {gate_sentence(one)}" for one in failed)
    return replace(made, status="failed", reason=f"{made.reason}, but {said}")


def required(made: Fit, gate: Gate, horizon_sessions: int) -> Fit:
    """The fit by the gates that the strategy requires; untouched where it requires none."""
    return judged(made, fit_gates(made, horizon_sessions), gate) if gate.require else made
