"""From an order back to its bars: every link of a decision, and whether each is still what it was."""

import hashlib
from datetime import date
from pathlib import Path
from typing import Any

import pandas as pd

from nightdesk.day.engineer import engineer_features
from nightdesk.day.replay import known_bars, past_day
from nightdesk.errors import Misconfigured, OutOfSync
from nightdesk.ledger.book import book_id
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.market.restated import VALUES
from nightdesk.settings import Settings
from nightdesk.wiring.orders import open_ledger
from nightdesk.wiring.strategies import load_strategy
from schemas.bars import Bars
from schemas.features import Features
from schemas.records import Decision, Fill, Mode, ModelRef, Order
from schemas.strategy import Strategy

MODES: tuple[Mode, ...] = ("live", "paper", "backfill")
BARS_SHOWN = 2


def traced_order(order_id: str, here: Settings) -> dict[str, object]:
    """The chain of an order, whichever book of this home it belongs to. Raises `Misconfigured` where no ledger has it."""
    for mode in MODES:
        if not ledger_file(here.ledgers, mode).exists():
            continue
        ledger = open_ledger(mode, here)
        try:
            order = ledger.order(order_id)
            if order is not None:
                return _traced(order.book_id, order.decided_session, order, ledger, mode, here)
        finally:
            ledger.close()
    raise Misconfigured.value("order", order_id, f"the id of an order in a ledger below {here.home}, or a session as 2018-12-31")


def traced_session(strategy_name: str, session: date, mode: Mode, here: Settings) -> dict[str, object]:
    """The chain of a session's decision. Raises `Misconfigured` where the book has none."""
    strategy = load_strategy(strategy_name, here)
    ledger = open_ledger(mode, here)
    try:
        return _traced(book_id(mode, strategy.account, strategy.name), session, None, ledger, mode, here)
    finally:
        ledger.close()


def _traced(book: str, session: date, asked: Order | None, ledger: Ledger, mode: Mode, here: Settings) -> dict[str, object]:
    decision = ledger.decision(book, session, asked.attempt if asked else None)
    if decision is None:
        known = sorted(ledger.decided_sessions(book))
        allowed = f"a decided session from {known[0]} to {known[-1]}" if known else "none: the book has no decision yet"
        raise Misconfigured.value("session", session.isoformat(), allowed)
    body: Any = decision.body
    orders = [asked] if asked else [row for row in ledger.orders(book, session) if row.attempt == decision.attempt]
    fills = {order.order_id: [fill for fill in ledger.fills(book) if fill.order_id == order.order_id] for order in orders}
    return {
        "book": book,
        "session": session.isoformat(),
        "execution_session": decision.execution_session.isoformat(),
        "orders": [_order(order, fills[order.order_id]) for order in orders],
        "decision": _decision(decision, ledger),
        "targets": body["targets"],
        "holdings": body["holdings"],
        "cash": body["cash"],
        "equity": body["equity"],
        "limits": body["limits"],
        "signals": body["signals"],
        "gate": body["gate"],
        "model": _model(body["model"], ledger.models(book), here),
        **_data(decision, ledger, mode, here),
    }


def _order(order: Order, fills: list[Fill]) -> dict[str, object]:
    return {
        "order_id": order.order_id,
        "instrument": order.instrument,
        "quantity": format(order.quantity, "f"),
        "time_in_force": order.time_in_force,
        "reference_price": format(order.reference_price, "f"),
        "status": order.status,
        "reason": order.reason,
        "fills": [
            {
                "session": fill.session.isoformat(),
                "quantity": format(fill.quantity, "f"),
                "price": format(fill.price, "f"),
                "commission": format(fill.commission, "f"),
                "slippage": format(fill.slippage, "f"),
                "note": fill.note,
            }
            for fill in fills
        ],
    }


def _decision(decision: Decision, ledger: Ledger) -> dict[str, object]:
    body, envelope = _any(decision.body), _any(decision.envelope)
    return {
        "sha256": decision.sha256,
        "chain_sha256": decision.chain_sha256,
        "broken": ledger.broken_links(decision.book_id).get(decision.session, ""),
        "origin": decision.origin,
        "outcome": body["outcome"],
        "reason": body["reason"],
        "strategy_sha256": body["strategy"]["sha256"],
        "decided_at": envelope["decided_at"],
        "run_id": envelope["run_id"],
    }


def _any(document: Any) -> Any:
    return document


def _model(used: dict[str, Any], models: list[ModelRef], here: Settings) -> dict[str, object]:
    """The model that decided, as the ledger has it, and whether its file still is the one that was written. Empty without one."""
    if not used:
        return {"broken": ""}
    ref = next((row for row in models if row.sha256 == used["sha256"] and row.cutoff.isoformat() == used["cutoff"]), None)
    if ref is None:
        return {**used, "broken": "the ledger has no such fit"}
    path = here.home / ref.file if ref.file else None
    return {
        **used,
        "train": [str(ref.train_first), str(ref.train_last)],
        "test": [str(ref.test_first), str(ref.test_last)],
        "file": str(path) if path else "",
        "mlflow_run_id": ref.mlflow_run_id,
        "broken": _broken_file(path, ref.file_sha256) if path else "",
    }


def _broken_file(path: Path, sha256: str) -> str:
    if not path.is_file():
        return f"{path} is gone"
    is_now = hashlib.sha256(path.read_bytes()).hexdigest()
    return "" if is_now == sha256 else f"{path} was changed: its SHA-256 was {sha256}, is now {is_now}"


def _data(decision: Decision, ledger: Ledger, mode: Mode, here: Settings) -> dict[str, object]:
    """The features that the model saw and the bars that they come from, read again as they were known then."""
    body, envelope = _any(decision.body), _any(decision.envelope)
    data = {**body["data"], "known_until": envelope["known_until"], "broken": ""}
    features: dict[str, object] = {**body["features"], "values": [], "broken": ""}
    with past_day(decision, Strategy.model_validate(envelope["strategy"]), ledger, mode, here) as day:
        files = ledger.bar_files(day.desk.source.name)
        data["files"] = len(files)
        try:
            day.desk.store.require_intact(files)
        except OutOfSync as error:
            return {"features": features, "data": {**data, "broken": error.message}, "bars": []}
        bars = known_bars(day, decision)
        if day.data["sha256"] != data["sha256"]:
            data["broken"] = f"the bars' SHA-256 was {data['sha256']}, is now {day.data['sha256']}"
        matrix = engineer_features(day, bars)
        if day.features_sha256 != features["sha256"]:
            features["broken"] = f"the features' SHA-256 was {features['sha256']}, is now {day.features_sha256}"
    features["values"] = _rows(matrix[matrix[Features.session] == pd.Timestamp(decision.session)], body["features"]["columns"])
    last = bars[bars[Bars.session].isin(sorted(bars[Bars.session].unique())[-BARS_SHOWN:])]
    return {"features": features, "data": data, "bars": _rows(last, VALUES)}


def _rows(frame: pd.DataFrame, columns: Any) -> list[dict[str, object]]:
    return [
        {
            "session": str(row[Bars.session])[:10],
            "symbol": row[Bars.symbol],
            **{name: None if pd.isna(row[name]) else float(row[name]) for name in columns},
        }
        for row in frame.to_dict("records")
    ]


def broken_parts(trace: dict[str, Any]) -> list[str]:
    """What in a chain is no longer what it was, a sentence each."""
    return [f"{part}: {trace[part]['broken']}" for part in ("decision", "model", "features", "data") if trace[part]["broken"]]
