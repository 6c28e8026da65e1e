"""A backtest as words, as lines and as a document."""

import math
from typing import Any

import numpy as np

from nightdesk.backtest.run import Backtest
from nightdesk.backtest.walk import NONE
from nightdesk.performance.gate_words import gate_sentence
from nightdesk.performance.metrics import formatted
from nightdesk.portfolio.history import OUTCOMES
from schemas.evidence import GateResult, gate_document

LIMITS = "The limits on orders and on the book (loss, drawdown, end date) were not applied."


def conclusion(made: Backtest) -> str:
    """What the evidence allows to say, in words."""
    said = {gate.name: gate for gate in made.evidence}
    sentences = [
        f"{len(made.equity)} sessions, one history.",
        _accuracy_words(said["accuracy"]),
        _excess_words(said["excess return"]),
        _deflated_words(said.get("deflated Sharpe")),
        _overfitting_words(said.get("overfitting")),
        *made.warnings,
        LIMITS,
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def facts(made: Backtest) -> list[tuple[str, str]]:
    """The backtest in lines of (what, how it was)."""
    walk, currency = made.walk, made.strategy.market.currency
    traded = sum(int((walk.champion == place).any()) for place in range(len(walk.fits)))
    return [
        ("Evidence", conclusion(made)),
        ("Bars", f"{made.source} {', '.join(made.strategy.data_symbols)}, SHA-256 {made.bars_sha256[:12]}"),
        (
            "Fits",
            f"{len(walk.fits)} {made.strategy.model.retrain}, {_statuses(made)}; {traded} traded; {walk.fits_made} made now",
        ),
        ("No model", f"in {int((walk.champion == NONE).sum())} of {len(walk.champion)} sessions"),
        ("Orders", _orders(made)),
        (
            "Equity",
            f"{_last(made, 'equity'):,.2f} {currency} from {made.capital:,.2f}; buy and hold {_last(made, 'benchmark'):,.2f}",
        ),
        *((f"Gate: {gate.name}", gate_sentence(gate)) for gate in made.evidence),
    ]


def figures(made: Backtest) -> list[tuple[str, str]]:
    """The performance figures, each with its unit in the label."""
    return formatted(made.figures, made.strategy.market.currency)


def as_document(made: Backtest) -> dict[str, object]:
    """The backtest as plain JSON: ratios are fractions, what is undefined is null."""
    walk = made.walk
    document: dict[str, object] = {
        "strategy": made.strategy.name,
        "strategy_sha256": made.strategy.sha256,
        "source": made.source,
        "bars_sha256": made.bars_sha256,
        "currency": made.strategy.market.currency,
        "capital": made.capital,
        "first": made.first.isoformat(),
        "last": made.last.isoformat(),
        "sessions": len(made.equity),
        "conclusion": conclusion(made),
        "warnings": list(made.warnings),
        "performance": made.figures,
        "evidence": [gate_document(gate) for gate in made.evidence],
        "fits": [_fit(made, place) for place in range(len(walk.fits))],
        "fits_made": walk.fits_made,
        "orders": len(made.history.ordered),
        "fills": _rows(made.fills),
        "equity": _rows(made.equity),
    }
    plain: dict[str, object] = _plain(document)
    return plain


def _accuracy_words(gate: GateResult) -> str:
    if not gate.n:
        return "No model traded, so nothing can be said of its accuracy."
    said, same = gate.figures["accuracy"], gate.figures["baseline_accuracy"]
    better = "is better than that, with an error of 5 %" if gate.passed else "is not shown to be better"
    seen = f"The models were right on {said:.2%} of what they predicted, always saying the same would have been on {same:.2%}"
    return f"{seen}: accuracy {better}."


def _excess_words(gate: GateResult) -> str:
    if "excess_per_year" not in gate.figures:
        return f"Whether it earned more than buying and holding can not be said: {gate.needed}"
    found = gate.figures
    seen = (
        f"After costs it earned {found['excess_per_year']:+.2%} a year beyond {found['beta']:.2f} times buying and holding, "
        f"and with 95 % certainty more than {found['lower_per_year']:+.2%}"
    )
    return f"{seen}: {'an excess' if gate.passed else 'no excess is shown'}."


def _deflated_words(gate: GateResult | None) -> str:
    """How many configurations were tried, and what that leaves of the Sharpe ratio."""
    if gate is None:
        return "Nothing here counts how many variants were tried before this one."
    tried = int(gate.figures["n_trials"])
    counted = f"{tried} configurations were" if tried > 1 else "No other configuration was"
    if math.isnan(gate.bound):
        return f"{counted} tried for this target: what luck shows among so few is not defined, from 10 on it is."
    above = "is above" if gate.passed else "is not shown to be above"
    deflated = f"deflated Sharpe ratio {gate.bound:.3f}, wanted {gate.limit:g}"
    return f"{counted} tried for this target: the Sharpe ratio {above} what luck alone shows ({deflated})."


def _overfitting_words(gate: GateResult | None) -> str:
    if gate is None:
        return ""
    return f"In its search the best of the past was no better than the median afterwards with a probability of {gate.bound:.2f}."


def _statuses(made: Backtest) -> str:
    counted = {status: sum(fit.status == status for fit in made.walk.fits) for status in ("passed", "failed", "degenerate")}
    return ", ".join(f"{count} {status}" for status, count in counted.items() if count)


def _orders(made: Backtest) -> str:
    numbers = np.bincount(made.history.outcome, minlength=len(OUTCOMES))
    less = [f"{count} {words}" for count, words in zip(numbers[1:], OUTCOMES[1:], strict=True) if count]
    return f"{len(made.history.ordered)}, {len(made.fills)} filled" + (f" ({', '.join(less)})" if less else "")


def _last(made: Backtest, column: str) -> float:
    return float(made.equity[column].iloc[-1])


def _fit(made: Backtest, place: int) -> dict[str, object]:
    fit = made.walk.fits[place]
    facts = fit.made.facts
    spans = {"train": [facts.train_first, facts.train_last], "test": [facts.test_first, facts.test_last]}
    traded = int((made.walk.champion == place).sum())
    return {
        "cutoff": fit.cutoff.isoformat(),
        "gate": fit.status,
        "reason": fit.reason,
        **spans,
        "sessions_traded": traded,
    } | facts.metrics


def _rows(frame: Any) -> list[dict[str, object]]:
    shown = frame.assign(session=frame["session"].dt.strftime("%Y-%m-%d"))
    rows: list[dict[str, object]] = shown.to_dict("records")
    return rows


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
