"""A gate's word as a sentence."""

import math

from schemas.evidence import GateResult

SHOWN = {
    "accuracy": "{accuracy:.2%} right, the training majority {baseline_accuracy:.2%}, on {n_rows:.0f} rows",
    "excess return": "{excess_per_year:+.2%} a year beyond {beta:.2f} times the benchmark, from {lower_per_year:+.2%} on",
    "challenger": "{excess_per_year:+.2%} a year beyond the champion, from {lower_per_year:+.2%} to {upper_per_year:+.2%}",
    "deflated Sharpe": (
        "Sharpe ratio {sharpe_per_session:.4f} a session, luck alone {sharpe_of_luck_per_session_2014:.4f} after {n_trials:.0f} "
        "configuration(s) ({effective_trials:.1f} effective); probabilistic {probabilistic_sharpe_2012:.3f} (2012), deflated "
        "{deflated_sharpe_2014:.3f} (2014), {deflated_sharpe_2025:.3f} (2025); minimum track record "
        "{minimum_track_record_sessions_2012:,.0f} sessions (2012)"
    ),
    "overfitting": "probability {probability_of_overfitting:.3f} over {n_trials:.0f} trials in {n_splits:,.0f} splits",
}
"""What is shown of the figures of a gate, by its name."""


def gate_sentence(gate: GateResult) -> str:
    """Whether it passed, its numbers, its bound beside the limit, its method, and what would be needed."""
    verdict = "passed" if gate.passed else "not passed"
    numbers = _numbers(gate)
    bound = "" if math.isnan(gate.bound) else f"bound {gate.bound:.4g}, limit {gate.limit:g}"
    parts = [part for part in (numbers, bound, f"{gate.n:,} sessions", gate.method) if part]
    return f"{verdict}: {'; '.join(parts)}." + (f" {gate.needed}" if gate.needed else "")


def _numbers(gate: GateResult) -> str:
    """The figures in words; the accuracies alone where the bounds say the rest."""
    shown = SHOWN.get(gate.name, "")
    if not gate.figures or not shown:
        return ""
    words = shown.format(**gate.figures)
    if "n_disagreements" in gate.figures:
        won, of, p_value = (gate.figures[name] for name in ("n_disagreements_won", "n_disagreements", "p_value"))
        return f"{words}; right on {won:.0f} of {of:.0f} rows where the two disagree, p {p_value:.3f}"
    return words
