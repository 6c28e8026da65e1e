"""What the trials of a target say of one of them: its deflated Sharpe ratio, and whether the search that found it overfits."""

import math
import zlib
from collections.abc import Sequence
from datetime import date, datetime
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from nightdesk.performance.gates import deflated_sharpe_gate, overfitting_gate
from nightdesk.performance.sharpe import effective_trials_2014, moments
from schemas.evidence import GateResult, Trial
from schemas.strategy import Strategy

N_BLOCKS = 16
"""The blocks of a search's record in the test for overfitting."""


def trial_of(
    strategy: Strategy,
    returns: ArrayLike,
    *,
    first: date,
    last: date,
    origin: Literal["backtest", "search"],
    evaluated_at: datetime,
    search_id: str = "",
) -> Trial:
    """The trial of a strategy whose returns after costs, a session, shape (n,), run from `first` to `last`."""
    values = np.asarray(returns, dtype=np.float64)
    sharpe = moments(values).sharpe
    return Trial(
        config_sha256=strategy.config_sha256,
        target_sha256=strategy.target_sha256,
        strategy=strategy.name,
        first=first,
        last=last,
        n_sessions=len(values),
        sharpe=sharpe if math.isfinite(sharpe) else 0.0,
        origin=origin,
        evaluated_at=evaluated_at,
        search_id=search_id,
        returns=packed_returns(values),
    )


def packed_returns(returns: ArrayLike) -> bytes:
    """Returns as bytes: float32, little-endian, compressed by zlib."""
    return zlib.compress(np.asarray(returns, dtype="<f4").tobytes())


def unpacked_returns(trial: Trial) -> NDArray[np.float64]:
    """The returns of a trial, shape (n_sessions,), within float32; empty where it did not keep them."""
    raw = zlib.decompress(trial.returns) if trial.returns else b""
    return np.frombuffer(raw, dtype="<f4").astype(np.float64)


def deflated_gate(own: Trial, returns: ArrayLike, trials: Sequence[Trial], *, level: float) -> GateResult:
    """The gate on the deflated Sharpe ratio of a trial with its returns, among the trials of its target, each configuration once.

    Trials that were evaluated over other sessions count in full in the effective number: nothing is known of how alike they are.
    """
    others = [trial for trial in trials if trial.config_sha256 != own.config_sha256]
    sharpes = [trial.sharpe for trial in (own, *others)]
    return deflated_sharpe_gate(returns, sharpes, _effective(own, others), level=level)


def _effective(own: Trial, others: Sequence[Trial]) -> float:
    same = [unpacked_returns(trial) for trial in (own, *others) if _range(trial) == _range(own) and trial.returns]
    moving = [returns for returns in same if len(np.unique(returns)) > 1]
    if not moving:
        return 1.0 + len(others)
    return effective_trials_2014(np.column_stack(moving)) + 1 + len(others) - len(moving)


def search_gate(own: Trial, searched: Sequence[Trial], *, level: float) -> GateResult | None:
    """The gate on overfitting of the search whose trials are given, over the sessions on which it evaluated `own`.

    None where it did not, or where two trials or two sessions a block are missing.
    """
    mine = [trial for trial in searched if trial.config_sha256 == own.config_sha256]
    if not mine:
        return None
    alike = [unpacked_returns(trial) for trial in searched if _range(trial) == _range(mine[0]) and trial.returns]
    if len(alike) < 2 or len(alike[0]) < 2 * N_BLOCKS:
        return None
    return overfitting_gate(np.column_stack(alike), n_blocks=N_BLOCKS, level=level)


def _range(trial: Trial) -> tuple[date, date, int]:
    return trial.first, trial.last, trial.n_sessions
