"""The whole audit: every check in turn, and what came of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from nightdesk.audit.audited import Audited
from nightdesk.audit.case import Case, Turns
from nightdesk.audit.feature_checks import cut_check, future_check, hole_check, warm_up_check
from nightdesk.audit.fit_checks import (
    execution_check,
    horizon_check,
    label_check,
    model_check,
    shuffle_check,
    signal_check,
    train_only_check,
)
from nightdesk.audit.found import Checked, Leak
from nightdesk.audit.perturbed import audit_sessions
from nightdesk.audit.single_sessions import single_check
from nightdesk.errors import Misconfigured
from schemas.bars import Bars

CHECKS: tuple[Callable[[Case], Checked], ...] = (
    future_check,
    cut_check,
    hole_check,
    single_check,
    warm_up_check,
    horizon_check,
    label_check,
    model_check,
    train_only_check,
    shuffle_check,
    signal_check,
    execution_check,
)


@dataclass(frozen=True, slots=True)
class Audit:
    """What an audit of `name` came to, on bars from `first` to `last`."""

    name: str
    first: date
    last: date
    sessions: tuple[date, ...]
    checks: tuple[Checked, ...]

    @property
    def findings(self) -> tuple[Leak, ...]:
        return tuple(leak for check in self.checks for leak in check.leaks)

    @property
    def leaks(self) -> tuple[Leak, ...]:
        return tuple(leak for leak in self.findings if leak.severity == "leak")


def unseen(_: str, sessions: Sequence[date]) -> Sequence[date]:
    """Turns that nobody watches."""
    return sessions


def audit(audited: Audited, bars: pd.DataFrame, count: int = 50, turns: Turns = unseen) -> Audit:
    """Every check at `count` sessions of the bars. Raises `Misconfigured` where there are fewer."""
    index = pd.DatetimeIndex(np.unique(bars[Bars.session].to_numpy()))
    if not 1 <= count < len(index):
        raise Misconfigured.value("sessions", count, f"1 to {len(index) - 1}, as the bars have {len(index)} sessions")
    sessions = audit_sessions(index, count)
    case = Case(audited, bars, sessions, turns)
    return Audit(audited.name, index[0].date(), index[-1].date(), tuple(sessions), tuple(check(case) for check in CHECKS))
