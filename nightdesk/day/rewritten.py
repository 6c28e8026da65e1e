"""A past that the vendor rewrote: what changed, and whether the last decisions would have been others."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from nightdesk.day.desk import Day
from nightdesk.day.replay import known_bars, past_day, remade
from nightdesk.errors import NightdeskError
from nightdesk.market.restated import KEY
from schemas.findings import Restatement
from schemas.records import Decision
from schemas.strategy import Strategy

SHOWN = 3
KEPT_IN_REPORT = 20


def restatement_summary(restated: Sequence[Restatement]) -> dict[str, object]:
    """The restated values in numbers, the first of them in full, and a sentence; the ledger has them all."""
    unexplained = [row for row in restated if not row.explained]
    return {
        "values": len(restated),
        "bars": len({(row.session, row.symbol) for row in restated}),
        "unexplained": len({(row.session, row.symbol) for row in unexplained}),
        "set_aside": len({(row.session, row.symbol) for row in restated if row.done == "quarantined"}),
        "first": [_plain(row) for row in [*unexplained, *(row for row in restated if row.explained)][:KEPT_IN_REPORT]],
        "sentence": _sentence(unexplained),
        "decisions": [],
    }


def _plain(row: Restatement) -> dict[str, object]:
    change = row.now / row.was - 1 if row.was else None
    named = {"session": row.session.isoformat(), "symbol": row.symbol, "field": row.field}
    return named | {"was": row.was, "now": row.now, "change": change, "explained": row.explained, "done": row.done}


def _sentence(rows: Sequence[Restatement]) -> str:
    if not rows:
        return ""
    shown = ", ".join(f"{row.symbol} {row.session} {row.field} {row.was:,.6g} -> {row.now:,.6g}" for row in rows[:SHOWN])
    more = f" and {len(rows) - SHOWN} more" if len(rows) > SHOWN else ""
    bars = len({(row.session, row.symbol) for row in rows})
    return f"The vendor changed {bars} stored bar{'s' if bars > 1 else ''} without a dividend or split behind it: {shown}{more}."


def changed_decisions(day: Day, sound: pd.DataFrame, restated: Sequence[Restatement]) -> list[dict[str, object]]:
    """For each book of the ledger whose last decision used a restated bar: whether it would be another one now."""
    symbols, sessions = {row.symbol for row in restated}, [row.session for row in restated]
    found: list[dict[str, object]] = []
    for book in day.desk.ledger.books():
        decision = day.desk.ledger.last_decision(book.book_id, before=day.session)
        if decision is None or decision.session < min(sessions):
            continue
        strategy = Strategy.model_validate(_envelope(decision)["strategy"])
        if strategy.market.source == day.desk.source.name and symbols & set(strategy.data_symbols):
            difference = _difference(day, decision, strategy, sound)
            found.append({"book": book.book_id, "session": decision.session.isoformat(), "difference": difference})
    return found


def _envelope(decision: Decision) -> Any:
    return decision.envelope


def _difference(day: Day, decision: Decision, strategy: Strategy, sound: pd.DataFrame) -> str:
    """How targets and orders of a decision would differ on the bars as the vendor has them now; "" where they would not."""
    try:
        with past_day(decision, strategy, day.desk.ledger, day.desk.book.mode, day.desk.settings) as past:
            then = known_bars(past, decision)
            now = _overlaid(then, sound)
            made = remade(past, now)
    except NightdeskError as error:
        return f"it cannot be made on the new bars: {error.message}"
    was, is_now = _wanted(decision.body), _wanted(made.body)
    return "" if was == is_now else f"{was} would be {is_now}"


def _wanted(body: Any) -> str:
    orders = ", ".join(f"{row['quantity']} {row['instrument']}" for row in body["intents"]) or "no order"
    return (
        f"{orders} (targets {', '.join(f'{target:g} {name}' for name, target in body['targets'].items() if target is not None)})"
    )


def _overlaid(then: pd.DataFrame, sound: pd.DataFrame) -> pd.DataFrame:
    """The bars of then with the values that the vendor has for them now."""
    now = sound.set_index(KEY)
    old = then.set_index(KEY)
    common = old.index.intersection(now.index)
    old.loc[common] = now.loc[common, old.columns]
    return old.reset_index()[list(then.columns)]
