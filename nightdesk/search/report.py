"""A search as lines, as a document, as a page and as runs."""

import json
import math
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from nightdesk.performance.page import rendering
from nightdesk.performance.page.charts import signed
from nightdesk.search.pictures import heat_map, history, over_keys
from nightdesk.search.run import Searched
from nightdesk.search.space import search_of
from nightdesk.search.trials import Trial
from nightdesk.tracking.tracker import SearchLog, TrialLog
from schemas.evidence import GateResult

HERE = Path(__file__).parent
SCORES = {"sharpe": "Sharpe ratio a year", "accuracy": "mean accuracy"}
SHOWN = 20
"""Trials in the table of the page."""
SHOWN_FIGURES = {
    "total_return": "Total return",
    "annual_return": "Return a year",
    "sharpe": "Sharpe ratio a year",
    "max_drawdown": "Deepest drawdown",
}


def facts(made: Searched) -> list[tuple[str, str]]:
    """The search in lines of (what, how it was)."""
    begun, best = made.begun, made.best
    return [
        ("Evidence", made.conclusion),
        ("Trials", f"{_counts(made)}; {made.made} judged now"),
        ("Sessions", f"{begun.first} to {begun.last}; the hold-out begins on {begun.holdout_first}"),
        ("Best", f"trial {best.number}: {_chosen(best)}; {SCORES[search_of(made.strategy).score]} {best.score:.4f}"),
        *[(title, f"{gate.bound:.3f}, {'passed' if gate.passed else 'not passed'}") for title, gate in _gates(made)],
        ("Hold-out", made.opened.conclusion if made.opened else "locked: `--open-holdout` plays the challenger there, once"),
        ("Challenger", str(made.challenger)),
    ]


def as_document(made: Searched) -> dict[str, object]:
    """The search as plain JSON: ratios are fractions, what is undefined is null."""
    begun = made.begun
    document: dict[str, object] = {
        "strategy": made.strategy.name,
        "strategy_sha256": made.strategy.sha256,
        "search_id": begun.search_id,
        "first": begun.first,
        "last": begun.last,
        "holdout_first": begun.holdout_first,
        "bars_sha256": begun.bars_sha256,
        "score": search_of(made.strategy).score,
        "trials": [_trial(trial) for trial in made.trials],
        "trials_made": made.made,
        "best": made.best.number,
        "evidence": [{name: getattr(gate, name) for name in GateResult.__slots__} for gate in made.evidence.gates.values()],
        "effective_trials": made.evidence.effective_trials,
        "conclusion": made.conclusion,
        "warnings": list(made.warnings),
        "challenger": str(made.challenger),
        "holdout": {
            "opened": made.opened is not None,
            "openings": [{name: getattr(one, name) for name in one.__slots__} for one in made.seen],
        },
    }
    plain: dict[str, object] = _plain(document)
    return plain


def as_markdown(made: Searched, target: Path) -> str:
    """The lines of the search as a table for a page of Prefect, and where its own page is."""
    rows = [*facts(made), ("Page", str(target))]
    lines = [f"| {what} | {text.replace('|', ' ')} |" for what, text in rows]
    return "\n".join([f"## {made.begun.search_id}", "", "| | |", "|---|---|", *lines])


def page(made: Searched) -> str:
    """The page of a search: one HTML document that needs nothing from elsewhere."""
    search = search_of(made.strategy)
    score = SCORES[search.score]
    style = (Path(rendering.__file__).parent / "page.css").read_text(encoding="utf-8")
    ranked = sorted((one for one in made.trials if not math.isnan(one.score)), key=lambda trial: -trial.score)
    pages = Environment(loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    return pages.get_template(
        "page.html"
    ).render(
        made=made,
        style=Markup(style),  # our own file: not escaped
        score=score,
        history=history(made.trials, score),
        keys=over_keys(made.trials, search, made.best, score),
        heat=heat_map(made.trials, search, score),
        ranked=ranked[:SHOWN],
        gates=[*_gates(made), ("Excess return", made.evidence.gates["excess return"])],
        counts=_counts(made),
        chosen=_chosen,
        opened=_opened(made),
        number=_number,
        folds=range(1, search.folds + 1),
    )


def search_log(made: Searched) -> SearchLog:
    """The search for MLflow: a run, and a child run for each trial."""
    search, begun = search_of(made.strategy), made.begun
    told = {"score": search.score, "folds": search.folds, "embargo_sessions": search.embargo_sessions, "seed": search.seed}
    space = {key: json.dumps(values) for key, values in search.model_dump(mode="json")["params"].items()}
    gates = made.evidence.gates
    return SearchLog(
        experiment=f"{made.strategy.name} search",
        run_name=begun.search_id,
        params={**{key: str(value) for key, value in told.items()}, **space, "holdout_first": begun.holdout_first},
        metrics={
            "best_score": made.best.score,
            "best_sharpe": made.best.sharpe,
            "best_accuracy": made.best.accuracy,
            "trials": float(len(made.trials)),
            "effective_trials": made.evidence.effective_trials,
            "deflated_sharpe_2014": gates["deflated Sharpe"].bound,
            "probability_of_overfitting": gates["overfitting"].bound,
        },
        tags={"strategy_sha256": made.strategy.sha256, "bars_sha256": begun.bars_sha256, "mlflow.note.content": made.conclusion},
        trials=[_trial_log(trial) for trial in made.trials],
        texts={"search.html": page(made)},
    )


def _trial_log(trial: Trial) -> TrialLog:
    level = {} if trial.threshold is None else {"signal.threshold": str(trial.threshold)}
    return TrialLog(
        number=trial.number,
        params={key: str(value) for key, value in trial.values.items()} | level,
        metrics={"score": trial.score, "accuracy": trial.accuracy, "sharpe": trial.sharpe},
        fold_scores=list(trial.fold_scores),
        tags={"state": trial.state},
    )


def _gates(made: Searched) -> list[tuple[str, GateResult]]:
    titles = {"deflated Sharpe": "Deflated", "overfitting": "Overfitting", "accuracy": "Accuracy"}
    return [(title, made.evidence.gates[name]) for name, title in titles.items()]


def _counts(made: Searched) -> str:
    by_state = {state: sum(trial.state == state for trial in made.trials) for state in ("complete", "pruned", "failed")}
    counted = ", ".join(f"{count} {state}" for state, count in by_state.items() if count)
    return f"{len(made.trials)} ({counted}), worth {made.evidence.effective_trials:.1f} independent ones"


def _chosen(trial: Trial) -> str:
    level = [] if trial.threshold is None else [f"threshold {trial.threshold:g}"]
    shown = [
        f"{key.rpartition('.')[2]} {value:.4g}" if isinstance(value, float) else f"{key.rpartition('.')[2]} {value}"
        for key, value in trial.values.items()
    ]
    return ", ".join([*shown, *level])


def _opened(made: Searched) -> list[tuple[str, str]]:
    if made.opened is None:
        return []
    figures = made.opened.figures
    return [
        (
            label,
            "n/a"
            if value is None
            else f"{value:.2f}"
            if name == "sharpe"
            else f"{100 * value:+.2f} %".replace("-", "\N{MINUS SIGN}"),
        )
        for name, label in SHOWN_FIGURES.items()
        if (value := figures.get(name)) is not None or name in figures
    ]


def _trial(trial: Trial) -> dict[str, Any]:
    names = ("number", "values", "threshold", "state", "score", "accuracy", "sharpe", "fold_scores")
    return {name: getattr(trial, name) for name in names}


def _number(value: float) -> str:
    return "n/a" if math.isnan(value) else signed(round(value, 3))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
