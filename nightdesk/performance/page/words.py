"""What the evidence allows to say of a record, in plain sentences. It promises nothing."""

import math
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from nightdesk.performance.gates import MIN_SESSIONS
from nightdesk.performance.metrics import SESSIONS_PER_YEAR
from nightdesk.performance.sharpe import EDITIONS
from schemas.evidence import GateResult

LEVEL = 0.05


def headline(n_moved: int, psr: float, gate: GateResult | None) -> str:
    """The whole in one sentence; nothing is said of a record that gained or lost on few sessions, however long it is."""
    if n_moved < MIN_SESSIONS:
        moved = f"it gained or lost on {n_moved:,} session{'s' if n_moved != 1 else ''}"
        return f"This record is too short to say anything: {moved}, needed: {MIN_SESSIONS} or more."
    likely = psr > 1 - LEVEL
    if gate is None:
        return (
            "This record speaks for a Sharpe ratio above 0. Whether holding the market would have done as well, it can not say."
            if likely
            else "This record does not show a Sharpe ratio above 0."
        )
    if gate.passed:
        return "This record speaks for a return above the benchmark's at the same beta."
    if math.isnan(gate.bound):
        return "This record has too few sessions beside its benchmark to compare the two."
    return "This record does not show a return above the benchmark's at the same beta."


def sentences(
    returns: pd.Series,
    performance: Mapping[str, float],
    evidence: Mapping[str, float],
    market: Mapping[str, float],
    gate: GateResult | None,
    more: Sequence[str],
    trials_counted: bool,
) -> Iterator[str]:
    """The paragraph below the headline: what was seen, how sure that is, `more` of that, and what it can not tell."""
    yield _record(returns, performance, market)
    yield _sharpe(int(returns.notna().sum()), performance["sharpe"], evidence)
    if gate is not None:
        yield _excess(gate)
    yield from more
    unknown = "" if trials_counted else "do not know how many others were tried before it, and they "
    yield f"These figures describe the past of one record. They {unknown}promise nothing about the next session."


def _record(returns: pd.Series, performance: Mapping[str, float], market: Mapping[str, float]) -> str:
    n = len(returns)
    first, last = returns.index[0], returns.index[-1]
    span = f"{n:,} sessions from {first:%Y-%m-%d} to {last:%Y-%m-%d} ({n / SESSIONS_PER_YEAR:.1f} years of 252)"
    beside = f"; the benchmark {_percent(market['total_return'])}" if market else ""
    if not returns.fillna(0).any():
        return f"{span}: nothing moved, every known return is 0{beside}."
    deepest = performance["max_drawdown"]
    fell = f", with a deepest drawdown of {deepest:.1%}".replace("-", "\N{MINUS SIGN}") if deepest < 0 else ", without a drawdown"
    return f"{span}: {_percent(performance['total_return'])} in all{fell}{beside}."


def _sharpe(n_known: int, yearly: float, evidence: Mapping[str, float]) -> str:
    if math.isnan(yearly) or math.isnan(evidence["sharpe_per_session"]):
        return "Returns that do not vary have no Sharpe ratio."
    said = (
        f"The Sharpe ratio is {yearly:.2f} a year. The probabilistic Sharpe ratio, a confidence that the true one is above 0 if "
        f"sessions do not depend on one another, is {confidence(evidence['probabilistic_sharpe_2012'])}% ({EDITIONS['2012']})."
    ).replace("-", "\N{MINUS SIGN}")
    needed = evidence["minimum_track_record_sessions_2012"]
    if math.isinf(needed):
        return f"{said} At this rate no number of sessions would show that it is above 0."
    have = "as many or more" if n_known >= needed else "fewer"
    return (
        f"{said} To show it with an error of {LEVEL:.0%}, a record like this needs about {math.ceil(needed):,} sessions "
        f"(minimum track record length); it has {n_known:,}, {have}."
    )


def _excess(gate: GateResult) -> str:
    if math.isnan(gate.bound):
        return f"Its return beyond the benchmark is not judged; needed: {gate.needed}"
    figures = gate.figures
    seen = (
        f"Beside the benchmark held at the same beta of {figures['beta']:.2f}, it returned "
        f"{_percent(figures['excess_per_year'])} a year; the lower bound of that is {_percent(figures['lower_per_year'])} "
        f"(block bootstrap, error {LEVEL:.0%})."
    )
    if gate.passed:
        return seen
    needed = gate.needed.partition(": ")[2]
    return f"{seen} That is not enough to call it more than chance: {needed}"


def opens_warning(n_affected: int, n_fills: int, message: str) -> str:
    """Fills that fall into years in which the open is not a real one; `message` is what the check of the bars says."""
    return f"{n_affected:,} of {n_fills:,} fills ({n_affected / n_fills:.0%}) fall into these years: {message}"


def confidence(psr: float) -> str:
    """In percent; never said to be certain."""
    return "above 99.9" if psr > 0.999 else f"{psr * 100:.1f}"


def _percent(value: float) -> str:
    return "n/a" if np.isnan(value) else f"{value:+z,.1%}".replace("-", "\N{MINUS SIGN}")
