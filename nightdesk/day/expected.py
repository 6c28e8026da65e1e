"""Live against expected: each session again by the model, from the book's true holdings and cash, one step beside the account."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from nightdesk.day.desk import Day
from nightdesk.day.replay import past_day, remade
from nightdesk.day.settle import instrument_panel
from nightdesk.errors import NightdeskError
from nightdesk.ledger.book import holdings
from nightdesk.performance.attribution import PARTS, Modelled, Played, expected_profit, gap_parts
from nightdesk.portfolio.simulate import open_fills
from schemas.bars import Bars
from schemas.money import decimal
from schemas.records import Decision, Gap, Mark
from schemas.strategy import Strategy

Quantities = dict[str, Decimal]
Prints = Mapping[str, Mapping[str, float]]


def save_gaps(day: Day) -> list[Gap]:
    """Record the gap of each marked session that has none yet, from the book's last gap (else from today) on. Returns those of
    the book up to the session, oldest first. A session's first row stands."""
    ledger, book_id = day.desk.ledger, day.desk.book.book_id
    known = ledger.gaps(book_id)
    marks = [mark for mark in ledger.marks(book_id) if mark.session <= day.session]
    after = known[-1].session if known else day.desk.sessions.before(day.session)
    missing = [(before, mark) for before, mark in pairwise(marks) if mark.session > after]
    if missing and day.bars is not None:
        made = [_gap(day, day.bars, before, mark) for before, mark in missing]
        ledger.append_gaps(made)
        known = ledger.gaps(book_id)
    gaps = [gap for gap in known if gap.session <= day.session]
    new = [gap for gap in gaps if gap.session > after or gap.session == day.session]
    if new and new[-1].session == day.session:
        day.detail["expected"] = gap_document(new, day.desk.strategy.expected.tolerance_bps)
    return gaps


def gap_document(made: Sequence[Gap], tolerance_bps: float) -> dict[str, object]:
    """The last of some gaps in numbers, and a sentence about each of them that is above the tolerance."""
    last = made[-1]
    return {
        "session": last.session.isoformat(),
        "expected": float(last.expected),
        "actual": float(last.actual),
        "gap": float(last.gap),
        "gap_bps": last.gap_bps,
        "tolerance_bps": tolerance_bps,
        "parts": {name: float(getattr(last, name)) for name in PARTS},
        "note": last.note,
        "above": [_above(gap, tolerance_bps) for gap in made if abs(gap.gap_bps) > tolerance_bps],
    }


def expected_document(gaps: Sequence[Gap], session: date, tolerance_bps: float) -> dict[str, object]:
    """The gap of a session and, since the first that was compared, of all up to it; empty where it was not compared."""
    if not gaps or gaps[-1].session != session:
        return {}
    total = {name: float(sum((getattr(gap, name) for gap in gaps), Decimal(0))) for name in ("gap", *PARTS)}
    return {**gap_document(gaps[-1:], tolerance_bps), "sessions": len(gaps), "since": gaps[0].session.isoformat(), "total": total}


def _above(gap: Gap, tolerance_bps: float) -> str:
    parts = sorted(PARTS, key=lambda name: -abs(getattr(gap, name)))
    largest = ", ".join(f"{name} {getattr(gap, name):+,.2f}" for name in parts if round(getattr(gap, name), 2))
    return (
        f"{gap.session}: made {gap.actual:+,.2f}, expected {gap.expected:+,.2f}: {gap.gap:+,.2f} is {abs(gap.gap_bps):.1f} basis "
        f"points of equity, tolerated are {tolerance_bps:g} ({largest})" + (f"; {gap.note}" if gap.note else "")
    )


def _gap(day: Day, bars: pd.DataFrame, before: Mark, mark: Mark) -> Gap:
    ledger, session = day.desk.ledger, mark.session
    decision = ledger.decision(mark.book_id, before.session)
    now, note = _recomputed(day, bars, decision) if decision else ({}, f"nothing was decided after {before.session}")
    then = {} if decision is None else _intents(decision.body)
    if decision is not None and decision.origin == "reconstructed":
        then, note = now, f"the decision of {before.session} was missed"
    elif decision is not None and not note and then != now:
        note = f"the decision of {before.session} would be {_listed(now)} instead of {_listed(then)}"
    strategy = _strategy(decision) if decision else day.desk.strategy
    played = _played(day, bars, before, mark, strategy, now, then, _own(decision))
    parts = gap_parts(played)
    figures = {"equity": before.equity + mark.flow, "expected": expected_profit(played), "actual": played.profit, **parts}
    return Gap(mark.book_id, session, **{name: decimal(value) for name, value in _adding_up(figures).items()}, note=note)


def _adding_up(figures: dict[str, Decimal]) -> dict[str, Decimal]:
    """The figures at nine places; what their rounding leaves goes to the fees, where cents go."""
    kept = {name: decimal(value) for name, value in figures.items()}
    left = kept["actual"] - kept["expected"] - sum((kept[name] for name in PARTS), Decimal(0))
    return kept | {"fees": kept["fees"] + left}


def _recomputed(day: Day, bars: pd.DataFrame, decision: Decision) -> tuple[Quantities, str]:
    """What would be ordered after a past session on today's bars, by the strategy that it was decided with; and why that is not
    known, where it is not: then what was ordered."""
    desk, known = day.desk, bars[bars[Bars.session] <= pd.Timestamp(decision.session)]
    strategy = _strategy(decision)
    try:
        with past_day(decision, strategy, desk.ledger, desk.book.mode, desk.settings) as past:
            past.run = replace(past.run, origin="manual")  # of a missed session too: what would have been ordered
            past.detail["known_until"] = decision.envelope["known_until"]
            if strategy.data_symbols != desk.strategy.data_symbols:
                known = past.desk.store.load_bars(strategy.data_symbols, available_until=past.as_of)
            return _intents(remade(past, known).body), ""
    except NightdeskError as error:
        return _intents(decision.body), f"the decision of {decision.session} was not made again: {error.message}"


def _played(
    day: Day,
    bars: pd.DataFrame,
    before: Mark,
    mark: Mark,
    strategy: Strategy,
    now: Quantities,
    then: Quantities,
    own: frozenset[str],
) -> Played:
    ledger, session = day.desk.ledger, mark.session
    positions, flows = ledger.position_events(mark.book_id), ledger.cash_events(mark.book_id)
    held = holdings(event for event in positions if event.session <= before.session)
    fills = [fill for fill in ledger.fills(mark.book_id) if fill.session == session]
    closes = instrument_panel(day.desk.strategy, bars, Bars.close).ffill()
    prints = _prints(day, bars, session)
    shares, paid = _actions(held, prints)
    cash = before.cash + mark.flow + paid
    done: Quantities = {}
    for fill in fills:
        if fill.order_id in own:
            done[fill.instrument] = done.get(fill.instrument, Decimal(0)) + fill.quantity
    return Played(
        profit=mark.equity - before.equity - mark.flow,
        held=held,
        before=_at(closes, before.session),
        closes=_at(closes, session),
        positions=[event for event in positions if event.session == session],
        cash=[event for event in flows if event.session == session],
        fills=fills,
        own=own,
        now=_modelled(now, prints, float(cash), strategy),
        then=_modelled(then, prints, float(cash), strategy),
        done=_modelled(done, prints, np.inf, _unclipped(strategy)),
        shares=shares,
        paid=paid,
    )


def _at(closes: pd.DataFrame, session: date) -> Quantities:
    row = closes.loc[pd.Timestamp(session)].dropna()
    return {str(name): decimal(float(close)) for name, close in row.items()}


def _prints(day: Day, bars: pd.DataFrame, session: date) -> Prints:
    """What the session's bar says of each instrument that has one; no open on the day of a split, as at the paper broker."""
    today = bars[bars[Bars.session] == pd.Timestamp(session)].set_index(Bars.symbol)
    columns = [Bars.open, Bars.volume, Bars.dividend, Bars.split]
    rows: dict[str, Any] = today[columns].to_dict("index")
    return {row.instrument: rows[row.prices] for row in day.desk.strategy.market.instruments if row.prices in rows}


def _actions(held: Quantities, prints: Prints) -> tuple[Quantities, Decimal]:
    """Shares that come of splits, and dividends on the shares that they leave, as the paper broker books them."""
    shares, paid = {}, Decimal(0)
    for name, quantity in held.items():
        shown = prints.get(name, {})
        after = decimal(quantity * decimal(shown.get(Bars.split, 1.0)))
        shares[name] = after - quantity
        paid += decimal(after * decimal(shown.get(Bars.dividend, 0.0)))
    return {name: more for name, more in shares.items() if more}, paid


def _modelled(wanted: Quantities, prints: Prints, cash: float, strategy: Strategy) -> dict[str, Modelled]:
    """The fills of orders at the open, by the kernel of paper and backtest; an instrument without an open is absent."""
    names = [name for name in wanted if prints.get(name, {}).get(Bars.split) == 1.0 and not np.isnan(prints[name][Bars.open])]
    quantities = np.array([float(wanted[name]) for name in names])
    opens, volumes = (np.array([prints[name][column] for name in names]) for column in (Bars.open, Bars.volume))
    made = open_fills(quantities, opens, cash, strategy.costs, strategy.sizing.increment, volumes)
    rows = zip(made.quantities, made.prices, made.commissions, strict=True)
    return {name: Modelled(*(decimal(float(value)) for value in row)) for name, row in zip(names, rows, strict=True)}


def _unclipped(strategy: Strategy) -> Strategy:
    """The strategy whose fills are held to no share of a volume: for what was filled."""
    costs = strategy.costs.model_copy(update={"max_bar_volume_share": None})
    return strategy.model_copy(update={"costs": costs})


def _strategy(decision: Decision) -> Strategy:
    """The strategy that a decision was made with."""
    return Strategy.model_validate(decision.envelope["strategy"])


def _own(decision: Decision | None) -> frozenset[str]:
    body: Any = decision.body if decision else {"intents": ()}
    return frozenset(row["order_id"] for row in body["intents"])


def _intents(body: Any) -> Quantities:
    """Signed quantities by instrument, in the order in which the paper broker fills."""
    rows = sorted(body["intents"], key=lambda row: row["order_id"])
    return {row["instrument"]: Decimal(row["quantity"]) for row in rows}


def _listed(wanted: Quantities) -> str:
    return ", ".join(f"{quantity:+,.9g} {name}" for name, quantity in wanted.items()) or "no order"
