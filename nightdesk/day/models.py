"""What there is to know of a strategy's models: fits, which trades, challengers, promotions. Reads only."""

from contextlib import closing
from typing import Any

from nightdesk.errors import Misconfigured
from nightdesk.learning.champion import champion_of
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.sessions import exchange_sessions
from nightdesk.settings import Settings
from nightdesk.wiring.desk import new_tracker
from nightdesk.wiring.orders import new_book, open_ledger
from nightdesk.wiring.strategies import load_strategy, strategy_path
from schemas.records import Mode, ModelRef
from schemas.strategy import Strategy

MODES: tuple[Mode, ...] = ("paper", "live")


def models_document(name: str, here: Settings) -> dict[str, Any]:
    """A paper book as plain JSON: `fits` (of this file's learning keys), `trades` and `why`, `request`, `challengers` (other
    files of the folder with the same target), `replacements`."""
    strategy = load_strategy(name, here)
    with closing(open_ledger("paper", here)) as ledger:
        own = _own(strategy, ledger)
        champion, why = _champion(strategy, own, ledger)
        rows = ledger.replacements(str(strategy_path(name, here).resolve()))
        return {
            "strategy": strategy.name,
            "trades": f"the fit of {champion.cutoff} trades: {why}" if champion else "",
            "why": "" if champion else why,
            "fits": [_fit(model, model is champion) for model in own],
            "request": _request(strategy, here),
            "challengers": _challengers(strategy, ledger, here),
            "replacements": [
                {
                    "kind": row.kind,
                    "challenger": row.challenger,
                    "at": row.at.isoformat(),
                    "who": row.who,
                    "reason": row.reason,
                    "former_sha256": row.former_sha256,
                    "new_sha256": row.new_sha256,
                    "finished": row.finished_at is not None,
                    "evidence": row.evidence,
                }
                for row in rows
            ],
        }


def _request(strategy: Strategy, here: Settings) -> str:
    """What a person asked for by moving MLflow's alias `champion` by hand; "" where nobody did, or where MLflow is away.

    The days set it to the newest fit that passed, on paper or live: one registered model has both.
    """
    newest: set[str] = set()
    for mode in MODES:
        if ledger_file(here.ledgers, mode).exists():
            with closing(open_ledger(mode, here)) as ledger:
                fits = ledger.models(new_book(strategy, mode).book_id)
            newest |= {
                model.mlflow_run_id for model in [fit for fit in fits if fit.status == "passed"][-1:] if model.mlflow_run_id
            }
    if not newest:
        return ""
    run_id = new_tracker(here).run_of_alias(strategy.name, "champion")
    if not run_id or run_id in newest:
        return ""
    return (
        f"MLflow's alias champion of {strategy.name} was moved by hand to the run {run_id}: a request. It changes nothing; "
        "`nightdesk promote` makes a challenger the champion."
    )


def _own(strategy: Strategy, ledger: Ledger) -> list[ModelRef]:
    models = ledger.models(new_book(strategy, "paper").book_id)
    return [model for model in models if model.config_sha256 == strategy.learning_sha256]


def _champion(strategy: Strategy, own: list[ModelRef], ledger: Ledger) -> tuple[ModelRef | None, str]:
    """The fit that may trade as of the book's last marked session, and why."""
    if not own:
        return None, ""
    marks = ledger.marks(new_book(strategy, "paper").book_id)
    last = max([own[-1].cutoff, *(mark.session for mark in marks[-1:])])
    sessions = exchange_sessions(strategy.market.calendar)
    return champion_of(own, strategy.model, strategy.gate, lambda cutoff: len(sessions.between(cutoff, last)) - 1)


def _fit(model: ModelRef, trades: bool) -> dict[str, Any]:
    gates: Any = model.gates
    return {
        "cutoff": model.cutoff.isoformat(),
        "status": model.status,
        "reason": model.reason,
        "test_accuracy": model.metrics.get("test_accuracy"),
        "test_baseline": model.metrics.get("test_baseline"),
        "gates": {gate["name"]: gate["passed"] for gate in gates},
        "trades": trades,
    }


def _challengers(strategy: Strategy, ledger: Ledger, here: Settings) -> list[dict[str, Any]]:
    """Strategies of the folder that aim at the same and are called otherwise; a file that is none is left out."""
    found = []
    for path in sorted(here.strategies_dir.glob("*.toml")):
        try:
            other = load_strategy(str(path), here)
        except Misconfigured:
            continue
        if other.target_sha256 == strategy.target_sha256 and other.name != strategy.name:
            marks = ledger.marks(new_book(other, "paper").book_id)
            found.append({"name": other.name, "file": str(path), "paper_sessions": len(marks)})
    return found
