"""Gates: does the evidence allow to trade this? Each is a test with an error of `level`, and says what would be needed."""

import math
from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betainc, betaincinv, ndtri

from nightdesk.errors import BadData, Misconfigured
from nightdesk.performance.bootstrap import block_length, bounds, resampled_means, seeded
from nightdesk.performance.excess import N_RESAMPLES, Excess, excess_over_benchmark
from nightdesk.performance.metrics import SESSIONS_PER_YEAR
from nightdesk.performance.overfitting import overfitting
from nightdesk.performance.sharpe import (
    EDITIONS,
    MIN_TRIALS,
    Moments,
    deflated_sharpe_2014,
    expected_maximum_2014,
    minimum_track_record_2012,
    moments,
    probabilistic_sharpe_2012,
)
from nightdesk.performance.sharpe_2025 import deflated_sharpe_2025
from schemas.evidence import GateResult

Floats = NDArray[np.float64]

MIN_SESSIONS = 63
"""A quarter of a year: with fewer the bounds of a bootstrap are too narrow."""

MAX_SESSIONS_NAMED = 100 * SESSIONS_PER_YEAR


def accuracy_gate(
    sessions: ArrayLike, labels: ArrayLike, predicted: ArrayLike, baseline: ArrayLike, *, horizon_sessions: int, level: float
) -> GateResult:
    """Is the model right more often than the baseline on the same rows? All of shape (n,), classes as integers.

    `baseline` is what the training majority says, or another model. One row a session and labels of one session: exact McNemar on
    the rows where the two disagree, one-sided; `bound` is the lower bound of the share of these on which the model was right
    (Clopper & Pearson 1934), `limit` 0.5. Otherwise rows depend on one another: a circular block bootstrap over sessions, blocks
    at least twice as long as the labels; `bound` is the lower bound of the difference of the accuracies, `limit` 0.
    Source: McNemar 1947, Psychometrika 12(2), with exact binomial probabilities.
    """
    _checked_level(level)
    if horizon_sessions < 1:
        raise Misconfigured.value("horizon_sessions", horizon_sessions, "1 or more")
    session, label = np.asarray(sessions), np.asarray(labels)
    right, base_right = np.asarray(predicted) == label, np.asarray(baseline) == label
    if not session.shape == label.shape == right.shape == base_right.shape or label.ndim != 1:
        raise BadData(
            f"Sessions, labels and predictions had the shapes {session.shape}, {label.shape}, allowed: one row of each."
        )
    of_session, n_rows = np.unique(session, return_counts=True)[0], len(label)
    figures = {"accuracy": _mean(right), "baseline_accuracy": _mean(base_right), "n_rows": float(n_rows)}
    wins = right.astype(np.float64) - base_right
    if horizon_sessions == 1 and len(of_session) == n_rows:
        return _mcnemar(wins, figures, level)
    net = np.bincount(np.searchsorted(of_session, session), weights=wins) * len(of_session) / max(n_rows, 1)
    return _block_accuracy(net, horizon_sessions, figures, level)


def excess_return_gate(returns: ArrayLike, benchmark: ArrayLike, *, level: float) -> GateResult:
    """Are the returns after costs above those of the benchmark held at the same beta? Both per session, shape (n,).

    `bound` is the lower bound of the excess per session by `excess_over_benchmark`. Sessions with a NaN are left out.
    """
    _checked_level(level)
    n = int((~np.isnan(np.asarray(returns, dtype=np.float64) + np.asarray(benchmark, dtype=np.float64))).sum())
    if n < MIN_SESSIONS:
        return _too_few("excess return", n)
    return _excess_result("excess return", excess_over_benchmark(returns, benchmark, level=level), level)


def challenger_gate(
    sessions: ArrayLike,
    champion: ArrayLike,
    challenger: ArrayLike,
    benchmark: ArrayLike,
    *,
    cut_offs: Sequence[date],
    purge_sessions: int,
    level: float,
) -> GateResult:
    """Is the challenger better than the champion on sessions that neither has seen? Returns after costs, shape (n,), paired.

    Only sessions after the latest of `cut_offs` (the last session whose prices a fit has seen) and `purge_sessions` more count:
    see `unseen`. The difference of the two in each session is judged as in `excess_return_gate`, so that a higher beta is not
    taken for skill; the figures hold the two-sided interval with error 2 x `level`.
    """
    _checked_level(level)
    counted = unseen(sessions, cut_offs, purge_sessions)
    difference = (np.asarray(challenger, dtype=np.float64) - np.asarray(champion, dtype=np.float64))[counted]
    market = np.asarray(benchmark, dtype=np.float64)[counted]
    n = int((~np.isnan(difference + market)).sum())
    if n < MIN_SESSIONS:
        return _too_few("challenger", n)
    return _excess_result("challenger", excess_over_benchmark(difference, market, level=level), level)


def unseen(sessions: ArrayLike, cut_offs: Sequence[date], purge_sessions: int) -> NDArray[np.bool_]:
    """Which sessions, shape (n,) and in order, follow the latest cut-off and `purge_sessions` more of them."""
    if not cut_offs:
        raise Misconfigured.value("cut_offs", list(cut_offs), "one date or more")
    if purge_sessions < 0:
        raise Misconfigured.value("purge_sessions", purge_sessions, "0 or more")
    session = np.asarray(sessions, dtype="datetime64[ns]")
    if (np.diff(session) <= np.timedelta64(0)).any():
        raise BadData("The sessions to compare on were not in order, each once.")
    after = session > np.datetime64(max(cut_offs))
    return np.asarray(after & (np.cumsum(after) > purge_sessions))


def deflated_sharpe_gate(returns: ArrayLike, trial_sharpes: ArrayLike, effective_trials: float, *, level: float) -> GateResult:
    """Is the Sharpe ratio above what the luckiest of so many worthless trials would show? Returns after costs, shape (n,).

    `trial_sharpes`: Sharpe ratio per session of every distinct configuration that was evaluated, the chosen one too, shape (N,).
    The raw number N judges, by the edition of 2014; `effective_trials` (`effective_trials_2014`) and the edition of 2025 stand
    beside. `bound` is the deflated Sharpe ratio, `limit` 1 - `level`; NaN from 2 to 9 trials.
    """
    _checked_level(level)
    trials = np.asarray(trial_sharpes, dtype=np.float64)
    if trials.ndim != 1 or not len(trials) or not np.isfinite(trials).all():
        raise BadData(f"The Sharpe ratios of {trials.size} trials were not one finite number each, allowed: 1 trial or more.")
    record, n_trials = moments(returns), len(trials)
    variance = float(trials.var(ddof=1)) if n_trials > 1 else 0.0
    threshold = math.sqrt(variance) * expected_maximum_2014(n_trials)
    deflated = deflated_sharpe_2014(record, n_trials, variance)
    figures = {
        "sharpe_per_session": record.sharpe,
        "skewness": record.skewness,
        "kurtosis": record.kurtosis,
        "n_trials": float(n_trials),
        "effective_trials": effective_trials,
        "sharpe_of_luck_per_session_2014": threshold,
        "probabilistic_sharpe_2012": probabilistic_sharpe_2012(record),
        "deflated_sharpe_2014": deflated,
        "deflated_sharpe_of_effective_trials_2014": deflated_sharpe_2014(record, effective_trials, variance),
        "deflated_sharpe_2025": deflated_sharpe_2025(record, n_trials, variance),
        "minimum_track_record_sessions_2012": minimum_track_record_2012(record, threshold, level=level),
    }
    passed = deflated > 1 - level
    needed = "" if passed else _needed_sharpe(record, n_trials, threshold, figures["minimum_track_record_sessions_2012"])
    method = f"deflated Sharpe ratio above {1 - level:g} ({EDITIONS['2014']})"
    return GateResult("deflated Sharpe", method, passed, record.n, deflated, 1 - level, figures, needed)


def overfitting_gate(trials: ArrayLike, *, n_blocks: int = 16, level: float) -> GateResult:
    """Is the best trial of a search better out of sample than the median one? Returns per session, shape (T, N).

    `bound` is the probability of backtest overfitting, `limit` is `level`.
    """
    _checked_level(level)
    found = overfitting(trials, n_blocks)
    figures = {
        "probability_of_overfitting": found.probability,
        "n_trials": float(found.n_trials),
        "n_splits": float(len(found.logits)),
        "median_logit": float(np.median(found.logits)),
    }
    passed = found.probability <= level
    best = f"in {found.probability:.1%} of the splits the best trial was no better than the median afterwards"
    needed = "" if passed else f"A search whose best trial stays ahead: {best}, allowed: {level:.1%}."
    method = f"probability of backtest overfitting at most {level:g} (CSCV, Bailey, Borwein, López de Prado & Zhu 2017)"
    return GateResult("overfitting", method, passed, found.n_sessions, found.probability, level, figures, needed)


def _mcnemar(wins: Floats, figures: Mapping[str, float], level: float) -> GateResult:
    n, won, decided = len(wins), int((wins > 0).sum()), int((wins != 0).sum())
    p_value = float(betainc(won, decided - won + 1, 0.5)) if won else 1.0
    bound = math.nan if not decided else float(betaincinv(won, decided - won + 1, level)) if won else 0.0
    numbers = {**figures, "n_disagreements": float(decided), "n_disagreements_won": float(won), "p_value": p_value}
    passed = p_value <= level
    method = f"exact McNemar, one-sided, level {level:g}"
    return GateResult("accuracy", method, passed, n, bound, 0.5, numbers, "" if passed else _needed_wins(won, decided, n, level))


def _needed_wins(won: int, decided: int, n: int, level: float) -> str:
    if not decided:
        return "Days on which the model and the baseline disagree: there were none."
    seen = f"The model was right on {won} of {decided} days of disagreement"
    edge, z = won / decided - 0.5, float(ndtri(1 - level))
    if edge <= 0:
        return f"{seen}: at this accuracy no number of sessions would do."
    root = (z / 2 + math.sqrt(z**2 / 4 + 2 * edge)) / (2 * edge)  # edge m - z / 2 sqrt(m) - 1 / 2 = 0, m = root^2
    return f"{seen}: at this share {_more_sessions(n, n * root**2 / decided)}."


def _block_accuracy(net: Floats, horizon_sessions: int, figures: Mapping[str, float], level: float) -> GateResult:
    n, shortest = len(net), 2 * horizon_sessions
    if n < max(MIN_SESSIONS, 3 * shortest):
        return _too_few("accuracy", n, max(MIN_SESSIONS, 3 * shortest))
    length = max(block_length(net), shortest)
    better = float(net.mean())
    resampled = resampled_means(net[:, None], length, N_RESAMPLES, seeded(net))[:, 0]
    lower, _ = bounds(better, resampled, level, n=n, length=length)
    passed = lower > 0
    needed = "" if passed else f"The model is {better:+.4f} more accurate: {_needed_mean(better, lower, n)}."
    method = f"difference of accuracies, circular block bootstrap over sessions, one-sided, level {level:g}"
    numbers = {**figures, "accuracy_difference": better, "block_sessions": float(length)}
    return GateResult("accuracy", method, passed, n, lower, 0.0, numbers, needed)


def _excess_result(name: str, excess: Excess, level: float) -> GateResult:
    figures = {
        "excess_per_session": excess.per_session,
        "excess_per_year": excess.per_session * SESSIONS_PER_YEAR,
        "lower_per_year": excess.lower * SESSIONS_PER_YEAR,
        "upper_per_year": excess.upper * SESSIONS_PER_YEAR,
        "beta": excess.beta,
        "block_sessions": float(excess.block_sessions),
    }
    passed = excess.lower > 0
    seen = f"The excess is {figures['excess_per_year']:+.2%} a year, its lower bound {figures['lower_per_year']:+.2%}"
    needed = "" if passed else f"{seen}: {_needed_mean(excess.per_session, excess.lower, excess.n)}."
    against = "difference to the champion" if name == "challenger" else "return after costs"
    method = f"{against} over the benchmark at the same beta, paired circular block bootstrap, one-sided, level {level:g}"
    return GateResult(name, method, passed, excess.n, excess.lower, 0.0, figures, needed)


def _needed_mean(estimate: float, lower: float, n: int) -> str:
    """The bound comes nearer with the root of the number of sessions."""
    if estimate <= 0:
        return "at this rate no number of sessions would do"
    return f"at this rate {_more_sessions(n, n * ((estimate - lower) / estimate) ** 2)}"


def _needed_sharpe(record: Moments, n_trials: int, threshold: float, sessions: float) -> str:
    if 1 < n_trials < MIN_TRIALS:
        return f"One trial or at least {MIN_TRIALS}: for {n_trials} the deflated Sharpe ratio is not defined."
    if math.isnan(record.sharpe):
        return "Returns that vary: these do not."
    if math.isinf(sessions):
        return f"A Sharpe ratio above {threshold:.4f} a session, which luck alone shows: it was {record.sharpe:.4f}."
    seen = f"The Sharpe ratio is {record.sharpe:.4f} a session, luck alone shows {threshold:.4f}"
    return f"{seen}: {_more_sessions(record.n, sessions)}."


def _more_sessions(n: int, needed: float) -> str:
    more = needed - n
    if more > MAX_SESSIONS_NAMED:
        return "more than a hundred years of sessions would be needed"
    return f"about {max(1, math.ceil(more)):,} more sessions ({max(more, 1) / SESSIONS_PER_YEAR:.1f} years) would be needed"


def _too_few(name: str, n: int, fewest: int = MIN_SESSIONS) -> GateResult:
    needed = f"{fewest - n} more sessions: with fewer than {fewest} the bounds of a bootstrap are too narrow."
    return GateResult(name, "none: too few sessions", False, n, math.nan, 0.0, {}, needed)


def _mean(flags: NDArray[np.bool_]) -> float:
    return float(flags.mean()) if len(flags) else math.nan


def _checked_level(level: float) -> None:
    if not 0 < level < 0.5:
        raise Misconfigured.value("level", level, "above 0 and below 0.5")
