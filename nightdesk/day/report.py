"""Step 9: the day's report: performance, plots, where to look further. From the ledger, so a second run says the same."""

import base64
import json
import math
import os
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from nightdesk.day.desk import Day, step
from nightdesk.day.expected import expected_document, save_gaps
from nightdesk.day.fit_words import book_page
from nightdesk.errors import Misconfigured
from nightdesk.ledger.book import holdings
from nightdesk.ledger.file import canonical_json
from nightdesk.performance.metrics import performance
from nightdesk.performance.plots import equity_plot
from nightdesk.performance.report import as_document, from_document
from nightdesk.settings import Settings
from nightdesk.tracking.tracker import DayLog
from nightdesk.wiring.strategies import load_strategy
from schemas.equity import Equity
from schemas.fills import Fills
from schemas.records import Control, Decision, Fill, Gap, Mark, Mode, ModelRef, Order
from schemas.reports import DayReport


@step("report")
def compute_performance(day: Day) -> DayReport:
    """Write the decision's document, the report and its plot into the home, log the day to MLflow, end the run."""
    desk, book_id = day.desk, day.desk.book.book_id
    decision = desk.ledger.decision(book_id, day.session)
    marks = [mark for mark in desk.ledger.marks(book_id) if mark.session <= day.session]
    fills = [fill for fill in desk.ledger.fills(book_id) if fill.session <= day.session]
    models = [model for model in desk.ledger.models(book_id) if model.cutoff <= day.session]
    newest = models[-1] if models and desk.strategy.kind == "model" else None
    if decision is not None:
        _save(desk.folder("decisions") / f"{day.session}.json", canonical_json(decision.body).encode())
    day.detail.setdefault("drift", {})
    gaps = save_gaps(day)
    report = _report(day, decision, marks, fills, newest, gaps)
    folder = desk.folder("reports")
    if marks:
        plot = equity_plot(equity_frame(marks), f"{desk.strategy.name} ({desk.book.mode})", desk.book.currency)
        _save(folder / f"{day.session}.png", plot)
        _log_day(day, decision, marks, plot, newest, report)
    day.finish(decision.sha256 if decision else "")
    _save(folder / f"{day.session}.json", json.dumps(as_document(report), indent=2).encode())
    return report


def equity_frame(marks: list[Mark]) -> pd.DataFrame:
    """The `Equity` frame of a book's marks."""
    columns = (Equity.session, Equity.cash, Equity.positions_value, Equity.equity, Equity.flow, Equity.benchmark)
    frame = pd.DataFrame([[getattr(mark, column) for column in columns] for mark in marks], columns=list(columns))
    return Equity.validate(frame)


def fills_frame(fills: list[Fill]) -> pd.DataFrame:
    """The `Fills` frame of a book's fills."""
    columns = list(Fills.to_schema().columns)
    frame = pd.DataFrame([[getattr(fill, column) for column in columns] for fill in fills], columns=columns)
    return Fills.validate(frame)


def _report(
    day: Day, decision: Decision | None, marks: list[Mark], fills: list[Fill], newest: ModelRef | None, gaps: list[Gap]
) -> DayReport:
    desk, run = day.desk, day.run
    body: Any = decision.body if decision else {}
    last = marks[-1] if marks else None
    orders = desk.ledger.orders(desk.book.book_id, day.session)
    held = holdings(event for event in desk.ledger.position_events(desk.book.book_id) if event.session <= day.session)
    figures = performance(equity_frame(marks), fills_frame(fills)) if len(marks) > 1 else {}
    bars: Any = day.detail.get("bars", {})
    return DayReport(
        strategy=desk.strategy.name,
        book=desk.book.book_id,
        mode=desk.book.mode,
        currency=desk.book.currency,
        session=day.session,
        execution_session=day.execution_session,
        outcome=run.outcome,
        reason=run.reason,
        exit_code=run.exit_code,
        resumed=day.resumed,
        orchestrated=run.orchestrated,
        decision_sha256=decision.sha256 if decision else "",
        chain_sha256=decision.chain_sha256 if decision else "",
        bars={**day.data, **bars},
        restated=day.detail.get("restated", {}),  # type: ignore[arg-type]  # ingest puts a mapping there
        checks=day.detail.get("checks", {}),  # type: ignore[arg-type]  # validate puts a mapping there
        model=_model(day, newest),
        signal=tuple(body.get("signals", ())),
        orders=tuple(_order(order) for order in orders),
        fills=tuple(_fill(fill) for fill in fills if fill.session == day.session),
        holdings={name: float(quantity) for name, quantity in held.items()},
        cash=float(last.cash) if last else None,
        equity=float(last.equity) if last else None,
        benchmark=float(last.benchmark) if last and last.benchmark is not None else None,
        sessions=len(marks),
        performance={name: value if math.isfinite(value) else None for name, value in figures.items()},
        seconds={name: round(value, 3) for name, value in day.seconds.items()},
        look=_look(day, newest, decision),
        control=_control(desk.ledger.control(desk.book.book_id)),
        expected=expected_document(gaps, day.session, desk.strategy.expected.tolerance_bps),
        drift=day.detail["drift"],  # type: ignore[arg-type]  # decide puts a mapping there
    )


def _control(control: Control | None) -> dict[str, object]:
    if control is None:
        return {}
    return {"state": control.state, "who": control.who, "at": control.at.isoformat(), "reason": control.reason}


def _model(day: Day, newest: ModelRef | None) -> dict[str, object]:
    standing: Any = day.detail.get("model", {})
    if newest is None:
        return dict(standing) if day.desk.strategy.kind != "model" else {}
    return {
        "estimator": newest.estimator,
        "cutoff": newest.cutoff.isoformat(),
        "fitted_today": newest.cutoff == day.session,
        "train": [str(newest.train_first), str(newest.train_last)],
        "test": [str(newest.test_first), str(newest.test_last)],
        "gate": newest.status,
        "reason": standing.get("reason", newest.reason),
        "sha256": newest.sha256,
        "mlflow_run_id": newest.mlflow_run_id,
        "gates": list(newest.gates),
        **newest.metrics,
    }


def _order(order: Order) -> dict[str, object]:
    return {
        "order_id": order.order_id,
        "instrument": order.instrument,
        "side": "sell" if order.quantity.is_signed() else "buy",
        "quantity": float(abs(order.quantity)),
        "reference_price": float(order.reference_price),
        "execution_session": order.execution_session.isoformat(),
        "status": order.status,
        "reason": order.reason,
    }


def _fill(fill: Fill) -> dict[str, object]:
    return {
        "instrument": fill.instrument,
        "side": "buy" if fill.quantity > 0 else "sell",
        "quantity": float(abs(fill.quantity)),
        "price": float(fill.price),
        "commission": float(fill.commission),
        "slippage": float(fill.slippage),
        "note": fill.note,
    }


def _look(day: Day, newest: ModelRef | None, decision: Decision | None) -> dict[str, str]:
    desk, run_id = day.desk, newest.mlflow_run_id if newest else ""
    return {
        "decision": str(desk.folder("decisions") / f"{day.session}.json"),
        "plot": str(desk.folder("reports") / f"{day.session}.png"),
        "mlflow": desk.tracker.run_url(run_id) if run_id else desk.settings.mlflow_url,
        "document": desk.tracker.file_url(run_id, f"days/{day.session}.json") if run_id and decision else "",
        "prefect": day.page or desk.settings.prefect_url,
        "console": book_page(desk.book.book_id, desk.settings),
    }


def _log_day(
    day: Day, decision: Decision | None, marks: list[Mark], plot: bytes, newest: ModelRef | None, report: DayReport
) -> None:
    """Add the day to the MLflow run of the model that it used, as one point of each live metric."""
    if newest is None or not newest.file:
        return
    last = marks[-1]
    texts = _decision_texts(decision) if decision else {}
    metrics = {"live.equity": round(float(last.equity), 2), "live.benchmark": round(float(last.benchmark or math.nan), 2)}
    metrics |= _watched(report)
    last_day = {"last_day": f"{day.session}: {day.run.outcome}"}
    log = DayLog(newest.mlflow_run_id, len(marks) - 1, metrics, texts, {"days/equity.png": plot}, last_day, newest.model_id)
    day.desk.tracker.log_day(log, key=f"{day.desk.book.book_id}/{day.session}")


def _watched(report: DayReport) -> dict[str, float]:
    """The gap, its parts and its sum, and the drift, by the names that MLflow has for them."""
    expected: Any = report.expected
    drift: Any = report.drift
    named = {"gap": expected["gap"], "gap_total": expected["total"]["gap"]} if expected else {}
    named |= {f"gap.{name}": value for name, value in expected["parts"].items()} if expected else {}
    rows = {**drift["inputs"], "predictions": drift["predictions"]} if drift else {}
    named |= {f"drift.{name}": row["index"] for name, row in rows.items() if row}
    return {f"live.{name}": round(float(value), 6) for name, value in named.items()}


def _decision_texts(decision: Decision) -> dict[str, str]:
    """The decision's document, whose bytes its hash names, and beside it what lies outside that hash."""
    outside = {"sha256": decision.sha256, "chain_sha256": decision.chain_sha256, "envelope": decision.envelope}
    return {
        f"days/{decision.session}.json": canonical_json(decision.body),
        f"days/{decision.session}.envelope.json": canonical_json(outside),
    }


def load_plot(report: DayReport) -> str:
    """The report's plot as base64 text, "" where there is none."""
    path = Path(report.look["plot"])
    return base64.b64encode(path.read_bytes()).decode() if path.is_file() else ""


def _save(path: Path, content: bytes) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_bytes(content)
    unfinished.replace(path)


def load_report(here: Settings, strategy_name: str, mode: Mode, session: date) -> DayReport:
    """The report that a day saved."""
    strategy = load_strategy(strategy_name, here)
    path = here.home / "reports" / mode / strategy.account / strategy.name / f"{session}.json"
    if not path.is_file():
        raise Misconfigured(f"There is no report of {session} at {path}.", session=session)
    return from_document(json.loads(path.read_text(encoding="utf-8")))
