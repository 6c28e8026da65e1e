"""What follows an answer: the process that orders, and what became of each order."""

from contextlib import closing
from datetime import datetime

from nightdesk.clock import WallClock
from nightdesk.consent.answer import PAST, Answer, Answered, append_answer
from nightdesk.consent.evidence import Close, deadline, listed
from nightdesk.consent.waiting import orders_of
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.orders.process import ORDERING, submitted_by
from nightdesk.orders.submit import Ended
from nightdesk.settings import Settings
from schemas.records import Decision, Order
from schemas.strategy import Strategy


def answered(here: Settings, name: str, answer: Answer, who: str, reason: str = "") -> tuple[str, Ended]:
    """Keep an answer, let `submit` act on it, and wait for it: a sentence for the person, and how `submit` ended."""
    given = append_answer(here.ledgers, name, answer, who, WallClock().now(), reason)
    ended = submitted(given, here)
    orders = _orders(given, here)
    became = ", ".join(f"{listed([order])} is {STANDS.get(order.status, order.status)}" for order in orders)
    left = all(order.status in ("accepted", "filled") for order in orders)
    why = "" if left else f" {ended.outcome[:1].upper()}{ended.outcome[1:]}: {ended.reason.rstrip('.')}."
    return f"{PAST[answer].capitalize()}: {given.orders}. {became}.{why}", ended


def submitted(given: Answered, here: Settings) -> Ended:
    """Have the answered decision's book submit now, in a process of its own."""
    return submitted_by(ORDERING, given.strategy_file, given.mode, here)


def _orders(given: Answered, here: Settings) -> list[Order]:
    """The decision's orders as the ledger has them now."""
    with closing(Ledger(ledger_file(here.ledgers, given.mode))) as ledger:
        (decision,) = ledger.decisions_named(given.consent.decision_sha256)
        return orders_of(ledger, decision)


STANDS = {
    "intent": "still waiting to leave",
    "accepted": "accepted by the broker",
    "filled": "filled",
    "rejected": "refused by the broker",
    "unknown": "sent, and nobody knows whether it arrived",
}


def newer_closes(here: Settings, decision: Decision) -> dict[str, Close]:
    """Closes that were stored since a decision, by instrument; none where its market's clock stands still."""
    if deadline(decision) is None:
        return {}
    return _stored_closes(here, decision, WallClock().now())


def _stored_closes(here: Settings, decision: Decision, now: datetime) -> dict[str, Close]:
    from nightdesk.wiring.markets import store_at
    from schemas.bars import Bars

    strategy = Strategy.model_validate(decision.envelope["strategy"])
    bars = store_at(strategy.market.source, here).load_bars(strategy.data_symbols, available_until=now)
    newest = bars.drop_duplicates(Bars.symbol, keep="last").set_index(Bars.symbol)
    found = {}
    for row in strategy.market.instruments:
        if row.prices in newest.index and newest.loc[row.prices, Bars.session].date() > decision.session:
            found[row.instrument] = Close(newest.loc[row.prices, Bars.session].date(), float(newest.loc[row.prices, Bars.close]))
    return found
