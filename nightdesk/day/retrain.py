"""Step 5: refit on the purged past, when due."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from typing import Any

import pandas as pd

from nightdesk.day.desk import Day, step
from nightdesk.day.gates import fit_gates, judged
from nightdesk.day.ruled import NOT_FITTED
from nightdesk.features.panels import adjusted_bars
from nightdesk.learning.champion import champion_of, is_due
from nightdesk.learning.digest import model_sha256
from nightdesk.learning.fit import Fit, fit
from nightdesk.learning.labels import labels
from nightdesk.learning.model_file import load_model, save_model
from schemas.bars import Bars
from schemas.evidence import GateResult, gate_document
from schemas.labels import Labels
from schemas.records import ModelRef
from schemas.strategy import Strategy


@dataclass(frozen=True, slots=True)
class Trained:
    """The model that may trade today (None: none may, and `reason` says why), and today's fit where one was due.

    `attempt` is the newest fit, None where the strategy has no model: then its rule or its table may trade.
    """

    champion: ModelRef | None
    estimator: Any
    attempt: ModelRef | None
    reason: str
    fit: Fit | None = None
    dataset: pd.DataFrame | None = None

    @property
    def may_trade(self) -> bool:
        """Whether there is something that may want a position."""
        return self.attempt is None or self.champion is not None


@step("retrain")
def retrain_model(day: Day, features: pd.DataFrame, bars: pd.DataFrame) -> Trained:
    """Fit when no fit was attempted with its cut-off in the session's period; then say which model may trade. Without a model
    nothing is fitted.

    A label is used once its `label_end` is at or before the session. A fit that never reached MLflow is made again when its
    session is run again: equal data give an equal fit. Raises `OutOfSync` where a model file is not the one
    that the ledger names.
    """
    strategy, attempts = day.desk.strategy, _attempts(day)
    if strategy.kind != "model":
        trained = standing(day)
        day.detail["model"] = {"reason": trained.reason}
        return trained
    newest = attempts[-1] if attempts else None
    due = is_due(newest.cutoff if newest else None, strategy.model.retrain, day.session)
    unlogged = newest is not None and newest.cutoff == day.session and not newest.mlflow_run_id
    made, dataset = fitted(day, features, bars) if due or unlogged else (None, None)
    if made is not None and due:
        said = fit_gates(made, strategy.target.horizon_sessions)
        _record(day, judged(made, said, strategy.gate), said)
    trained = replace(standing(day), fit=made, dataset=dataset)
    day.detail["model"] = {"reason": trained.reason}
    return trained


def standing(day: Day) -> Trained:
    """The model that may trade at the session, from the fits that the ledger has up to there. Writes nothing."""
    desk = day.desk
    if desk.strategy.kind != "model":
        return Trained(None, None, None, NOT_FITTED[desk.strategy.kind])
    attempts = _attempts(day)
    model, gate = desk.strategy.model, desk.strategy.gate
    champion, reason = champion_of(attempts, model, gate, lambda cutoff: _age_sessions(day, cutoff))
    estimator = load_model(desk.settings.home / champion.file, champion.file_sha256) if champion else None
    return Trained(champion, estimator, attempts[-1], reason)


def _attempts(day: Day) -> list[ModelRef]:
    """The fits of this strategy's learning keys with a cut-off up to the session, oldest first."""
    strategy, models = day.desk.strategy, day.desk.ledger.models(day.desk.book.book_id)
    return [model for model in models if model.cutoff <= day.session and model.config_sha256 == strategy.learning_sha256]


def fitted(day: Day, features: pd.DataFrame, bars: pd.DataFrame) -> tuple[Fit, pd.DataFrame]:
    """The fit with its cut-off at the day's session, and the rows it saw: features and label. Nothing is written."""
    strategy = day.desk.strategy
    known = known_labels(strategy, bars, day.session)
    made = fit(features, known, strategy.model, strategy.gate)
    return made, features.merge(known, on=[Labels.session, Labels.symbol])


def known_labels(strategy: Strategy, bars: pd.DataFrame, session: date) -> pd.DataFrame:
    """The `Labels` that a fit with its cut-off at the session may use: those whose `label_end` is at or before it."""
    signals = {row.signal for row in strategy.market.instruments}
    made = labels(adjusted_bars(bars[bars[Bars.symbol].isin(signals)]), strategy.target)
    return made[made[Labels.label_end] <= pd.Timestamp(session)]


def _record(day: Day, made: Fit, gates: Sequence[GateResult]) -> None:
    """Put the fit on disk and into the ledger, file first: what the ledger names is there."""
    desk, strategy = day.desk, day.desk.strategy
    config = strategy.learning_sha256
    sha256 = file = file_sha256 = ""
    if made.estimator is not None:
        path, file_sha256 = save_model(made.estimator, desk.settings.home / "models")
        sha256, file = model_sha256(made.estimator), path.relative_to(desk.settings.home).as_posix()
    model = ModelRef(
        model_id=f"{desk.book.book_id}/{day.session}/{config[:12]}",
        book_id=desk.book.book_id,
        estimator=strategy.model.estimator,
        cutoff=day.session,
        train_first=made.train_first,
        train_last=made.train_last,
        test_first=made.test_first,
        test_last=made.test_last,
        config_sha256=config,
        data_sha256=str(day.data["sha256"]),
        sha256=sha256,
        file=file,
        file_sha256=file_sha256,
        status=made.status,
        reason=made.reason,
        metrics=made.metrics,
        gates=[gate_document(gate) for gate in gates],
    )
    desk.ledger.append_model(model, promote=made.status == "passed")


def _age_sessions(day: Day, cutoff: date) -> int:
    return len(day.desk.sessions.between(cutoff, day.session)) - 1
