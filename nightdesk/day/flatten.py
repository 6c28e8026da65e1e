"""A person closes everything: a second attempt at the session's decision, in which every target is 0."""

import uuid
from collections.abc import Mapping
from contextlib import closing
from decimal import Decimal

from nightdesk.clock import WallClock
from nightdesk.day.decide import wanted_signals
from nightdesk.day.decision import decided
from nightdesk.day.desk import Day, Desk
from nightdesk.day.engineer import engineer_features
from nightdesk.day.order import sent
from nightdesk.day.retrain import standing
from nightdesk.day.submit import Submitted, standing_orders
from nightdesk.day.validate import checked_bars
from nightdesk.errors import TryAgain
from nightdesk.ledger.book import holdings
from nightdesk.ledger.decisions import OPEN_STATUSES
from nightdesk.ledger.halts import submit_reduction
from nightdesk.orders.cancel import cancel_orders
from nightdesk.orders.checks import control_sentence
from nightdesk.orders.recover import recover
from nightdesk.orders.submit import Ended
from nightdesk.settings import Settings
from nightdesk.stopping import account_alone
from nightdesk.wiring.desk import open_desk
from nightdesk.wiring.orders import new_book, open_ledger
from nightdesk.wiring.strategies import load_strategy
from schemas.records import Consent, Decision, Mode, Order, Run
from schemas.strategy import Strategy


def flatten_book(strategy_name: str, mode: Mode, who: str, reason: str, here: Settings) -> Submitted:
    """Let the book only reduce, call back what would not, and close what it holds at the next open that can still be met.

    It can be killed and run again at any moment: no position is closed twice. A flatten is its own consent. Where the open cannot
    be met any more, the next day closes. Neither Prefect, MLflow nor a vendor is asked: the session's bars are stored. Raises
    `OutOfSync` where broker and ledger differ, `TryAgain` where the end of an order is not known: what to call back was called
    back by then.
    """
    strategy = load_strategy(strategy_name, here)
    book_id = new_book(strategy, mode).book_id
    submit_reduction(here.ledgers, book_id, who, WallClock().now(), reason)
    with account_alone(strategy, mode, here) as lock, closing(open_ledger(mode, here)) as ledger:
        last = ledger.last_decision(book_id, ordered=True)
        ended = Ended.of("no change", "the book has decided nothing yet, and holds nothing")
        if last is not None:
            # the strategy as it was: its model decides with it, whatever its file says by now
            then = Strategy.model_validate(last.envelope["strategy"])
            desk = open_desk(then, mode, last.session, ledger, here)
            with closing(desk.broker):
                ended = _closed(desk, last, {"who": who, "why": reason}, strategy_name, lock)
    orders = standing_orders(strategy_name, mode, here)
    return Submitted(ended.outcome, ended.reason, ended.exit_code, orders)


def _closed(desk: Desk, last: Decision, told: Mapping[str, object], strategy_name: str, lock: int) -> Ended:
    why = f"flattened by {told['who']}: {told['why']}"
    held = _held(desk)
    _call_back(desk, [order for order in _open_orders(desk) if not _closes(order, held)], why)
    desk.ledger.require_unbroken(desk.book.book_id)
    recover(desk, desk.sessions.latest_settled(desk.clock.now()))
    held = _held(desk)
    if not held:
        return Ended.of("no change", "the book holds nothing, and no order of it is open")
    if desk.clock.now() > desk.deadline(last.execution_session):
        late = f"it is too late for the open of {last.execution_session}"
        return Ended.of("no trade: late", f"{late}: the next day closes {_listed(held)}, with every target 0")
    run = Run(str(uuid.uuid4()), last.book_id, last.session, "manual", False, WallClock().now(), detail={"kind": "flatten"})
    day = Day(desk, last.session, last.execution_session, run, strategy_name, lock)
    if _all_on_their_way(desk, last, held):
        return _sent(day, last)
    _call_back(desk, _open_orders(desk), why)
    control = desk.ledger.control(desk.book.book_id)
    if control is not None and control.state == "HALTED":
        return Ended.of("no trade: halted", f"{control_sentence(control)}: resume every book, then flatten this one again")
    day.attempt, day.flatten = last.attempt + 1, told
    return _sent(day, _committed(day))


def _committed(day: Day) -> Decision:
    """The decision of the day's new attempt, with the consent of the person who asked for it: that is kept first."""
    ledger, run = day.desk.ledger, day.run
    bars = checked_bars(day, WallClock().now())
    features, trained = engineer_features(day, bars), standing(day)
    decision, intents = decided(day, wanted_signals(day, features, trained), trained, day.book_state(), bars)
    who, why = str(day.flatten["who"]), str(day.flatten["why"])
    ledger.append_consent(Consent(decision.sha256, run.book_id, day.session, "approve", who, WallClock().now(), why))
    ledger.commit_decision(decision, intents)
    return decision


def _sent(day: Day, decision: Decision) -> Ended:
    """Send what the decision intends and has not been sent; the run is kept."""
    day.desk.ledger.append_run(day.run)
    ended = sent(day, decision)
    day.end(ended.outcome, ended.reason, ended.exit_code)
    day.finish(decision.sha256)
    return ended


def _open_orders(desk: Desk) -> list[Order]:
    return desk.ledger.orders(desk.book.book_id, statuses=OPEN_STATUSES)


def _held(desk: Desk) -> dict[str, Decimal]:
    return holdings(desk.ledger.position_events(desk.book.book_id))


def _closes(order: Order, held: Mapping[str, Decimal]) -> bool:
    """Whether an order brings what is held of its instrument nearer to zero."""
    return order.quantity * held.get(order.instrument, Decimal(0)) < 0


def _all_on_their_way(desk: Desk, last: Decision, held: Mapping[str, Decimal]) -> bool:
    """Whether the open orders are just those that close all that is held. Those of a flatten count before they have left: nothing
    keeps them waiting."""
    counted = OPEN_STATUSES if "flatten" in last.body else ("accepted",)
    orders = _open_orders(desk)
    found = {order.instrument: -order.quantity for order in orders if order.status in counted}
    return found == held and len(orders) == len(held)


def _call_back(desk: Desk, orders: list[Order], why: str) -> None:
    """Raise `TryAgain` where the end of an order is not known: an order that closes could close twice."""
    if unclear := cancel_orders(desk, orders, why):
        raise TryAgain(f"{desk.book.book_id} is REDUCING; nothing more was sent: {'; '.join(unclear)}. Flatten it again.")


def _listed(held: Mapping[str, Decimal]) -> str:
    return ", ".join(f"{quantity:,.9g} {name}" for name, quantity in held.items())
