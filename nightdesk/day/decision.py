"""The decision as one document: data, features, model, scores, gate, limits, holdings, targets, intents."""

import hashlib
import math
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from nightdesk.clock import WallClock
from nightdesk.day.desk import Day
from nightdesk.day.limited import quotes, standing_control
from nightdesk.day.retrain import Trained
from nightdesk.day.ruled import feature_columns
from nightdesk.ledger.book import order_id
from nightdesk.ledger.file import canonical_json
from nightdesk.orders.checks import Checks, Quote, control_sentence, quotes_document, sells_first
from nightdesk.portfolio.rebalance import affordable, carried_weights, order_quantities
from nightdesk.portfolio.sizing import Floats, target_quantities
from schemas.bars import Bars
from schemas.money import decimal
from schemas.records import BookState, Control, Decision, Order
from schemas.signals import Signals


def decided(
    day: Day, signals: pd.DataFrame, trained: Trained, state: BookState, bars: pd.DataFrame
) -> tuple[Decision, list[Order]]:
    """The decision of the day's session and the orders that it intends. A function of its arguments: nothing is written.

    Its body holds content hashes and nominal times only; run ids and wall times lie in the envelope, outside the hash.
    """
    desk, strategy = day.desk, day.desk.strategy
    names = list(signals[Signals.instrument])
    closes = _closes(day, bars)
    weights = signals[Signals.weight].to_numpy(dtype=float)
    held = np.array([float(state.holdings.get(name, Decimal(0))) for name in names])
    equity = float(state.equity)
    targets = target_quantities(weights, equity, closes, strategy.sizing)
    band = strategy.sizing.rebalance_band
    previous = _previous_weights(day, names)
    wanted = order_quantities(targets, held, weights, previous, closes, equity, band)
    quantities = affordable(wanted, closes, float(state.cash), strategy.sizing.increment)
    control = standing_control(day)
    halted = control is not None and control.state == "HALTED"
    orders = [] if halted else _orders(day, names, quantities, closes)
    shown = quotes(day, bars)
    broken = _breaches(day, orders, state, shown)
    outcome, reason = _outcome(day, trained, [] if broken else orders, broken, control)
    if day.reconstructed:
        reason = f"decided too late for the open of {day.execution_session}, for the record: {outcome}: {reason}"
        outcome = "missed"
    intents = [] if broken or day.reconstructed else orders
    body: dict[str, object] = {
        "schema": 1,
        "book": desk.book.book_id,
        "strategy": {"name": strategy.name, "sha256": strategy.sha256},
        "session": day.session.isoformat(),
        "execution_session": day.execution_session.isoformat(),
        "as_of": day.as_of.isoformat(),
        "data": day.data,
        "features": {"columns": feature_columns(strategy), "sha256": day.features_sha256},
        "model": _model(trained),
        "gate": {"passed": None if trained.attempt is None else trained.champion is not None, "reason": trained.reason},
        "signals": [_plain(row) for row in signals.to_dict("records")],
        "holdings": {name: format(quantity, "f") for name, quantity in state.holdings.items()},
        "cash": format(state.cash, "f"),
        "equity": format(state.equity, "f"),
        "targets": {name: _number(target) for name, target in zip(names, targets, strict=True)},
        "limits": {"breaches": list(broken), **_control(control)},
        "wanted": {} if broken or halted else _wanted(names, carried_weights(weights, previous, targets, held)),
        "outcome": outcome,
        "reason": reason,
    }
    if day.flatten:
        body["flatten"] = {"attempt": day.attempt, **day.flatten}
    body["intents"] = [_intent(order) for order in intents]
    sha256 = hashlib.sha256(canonical_json(body).encode()).hexdigest()
    envelope = {
        "run_id": day.run.run_id,
        "decided_at": WallClock().now().isoformat(),
        "known_until": day.detail["known_until"],
        "mlflow_run_id": trained.attempt.mlflow_run_id if trained.attempt else "",
        "strategy": strategy.model_dump(mode="json"),
        "strategy_file": _strategy_file(day),
        "clock_stands": not isinstance(desk.clock, WallClock),
        "opens_at": desk.sessions.opens_at(day.execution_session).isoformat(),
        "deadline": desk.deadline(day.execution_session).isoformat(),
        "quotes": quotes_document(shown),
    }
    named = (desk.book.book_id, day.session, day.execution_session, day.attempt, day.run.origin)
    decision = Decision(*named, sha256, body, envelope)
    return decision, [replace(order, decision_sha256=sha256) for order in intents]


def _strategy_file(day: Day) -> str:
    """What the strategy was asked for by, so that it is found again from anywhere: its name, or the whole path of its file."""
    name = day.asked_for
    return str(Path(name).resolve()) if name.endswith(".toml") else name


def _closes(day: Day, bars: pd.DataFrame) -> Floats:
    """Today's close of each instrument, NaN where its bar has not come."""
    today = bars[bars[Bars.session] == pd.Timestamp(day.session)].set_index(Bars.symbol)[Bars.close]
    listed = [row.prices for row in day.desk.strategy.market.instruments]
    return np.asarray(today.reindex(listed), dtype=float)


def _previous_weights(day: Day, names: list[str]) -> Floats:
    """What was last wanted of each instrument by a decision that could order, NaN where nothing was."""
    last = day.desk.ledger.last_decision(day.desk.book.book_id, before=day.session, ordered=True)
    wanted: Any = last.body["wanted"] if last else {}
    return np.array([wanted.get(name, math.nan) for name in names], dtype=float)


def _wanted(names: list[str], carried: Floats) -> dict[str, float]:
    """The weights that the next decision compares with."""
    return {name: float(weight) for name, weight in zip(names, carried, strict=True) if not math.isnan(weight)}


def _breaches(day: Day, orders: list[Order], state: BookState, shown: Mapping[str, Quote]) -> tuple[str, ...]:
    """The limits that the orders would breach together, sells first, as if each before had been accepted."""
    checks = Checks(day.desk, day.execution_session, state, shown, day.as_of, flattens=bool(day.flatten))
    found: list[str] = []
    for order in sells_first(orders):
        found += checks.breaches(order.instrument, order.quantity, order.reference_price)
        checks.orders.append(replace(order, status="accepted"))
    return tuple(found)


def _outcome(
    day: Day, trained: Trained, orders: list[Order], broken: tuple[str, ...], control: Control | None
) -> tuple[str, str]:
    if broken:
        return "no trade: limit", "; ".join(broken)
    if orders:
        sent = [f"{_side(order)} {abs(order.quantity):,.9g} {order.instrument}" for order in orders]
        why = f" (no model may trade: {trained.reason})" if not trained.may_trade else ""
        why = f" (held: {day.outliers})" if day.outliers and trained.may_trade else why
        why = f" ({control_sentence(control)})" if control else why
        return "traded", f"{', '.join(sent)} at the open of {day.execution_session}{why}"
    if control:
        return "no trade: halted", control_sentence(control)
    if not trained.may_trade:
        return "no trade: gate", trained.reason
    if day.outliers:
        return "no trade: gate", day.outliers
    return "no change", day.unsaid or "what is held is what is wanted, within the rebalance band"


def _control(control: Control | None) -> dict[str, str]:
    return {"state": control.state, "who": control.who, "why": control.reason} if control else {}


def _side(order: Order) -> str:
    return "buy" if order.quantity > 0 else "sell"


def _orders(day: Day, names: list[str], quantities: Floats, closes: Floats) -> list[Order]:
    """An order for each quantity that is not 0."""
    desk, strategy = day.desk, day.desk.strategy
    listed = {row.instrument: row for row in strategy.market.instruments}
    return [
        Order(
            order_id=order_id(desk.book.book_id, day.session, listed[name].instrument_id, "1", day.attempt),
            book_id=desk.book.book_id,
            decided_session=day.session,
            execution_session=day.execution_session,
            instrument=name,
            instrument_id=listed[name].instrument_id,
            leg="1",
            attempt=day.attempt,
            quantity=decimal(quantity),
            time_in_force=strategy.broker.time_in_force,
            reference_price=decimal(close),
            origin=day.run.origin,
            decision_sha256="",
        )
        for name, quantity, close in zip(names, quantities, closes, strict=True)
        if quantity
    ]


def _intent(order: Order) -> dict[str, str]:
    return {
        "order_id": order.order_id,
        "instrument": order.instrument,
        "quantity": format(order.quantity, "f"),
        "reference_price": format(order.reference_price, "f"),
        "time_in_force": order.time_in_force,
    }


def _model(trained: Trained) -> dict[str, object]:
    """Empty without a model."""
    if trained.attempt is None:
        return {}
    shown = trained.champion or trained.attempt
    return {
        "estimator": shown.estimator,
        "cutoff": shown.cutoff.isoformat(),
        "sha256": shown.sha256,
        "config_sha256": shown.config_sha256,
        "data_sha256": shown.data_sha256,
        "status": shown.status,
        "metrics": {name: _number(value) for name, value in shown.metrics.items()},
    }


def _plain(row: dict[Any, Any]) -> dict[str, object]:
    return {str(key): _number(value) if isinstance(value, float) else value for key, value in row.items()}


def _number(value: float) -> float | None:
    """The number, or None where it is NaN: JSON knows no NaN."""
    return None if math.isnan(value) else float(value)
