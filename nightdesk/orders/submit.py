"""Sending the intents of a decision: in time, with consent where it is wanted, inside limits and states, each once."""

from dataclasses import dataclass, replace
from zoneinfo import ZoneInfo

from nightdesk.brokers.broker import OrderRequest
from nightdesk.clock import WallClock
from nightdesk.errors import LimitBreached, OrderRefused, TryAgain
from nightdesk.ledger.chain import require_as_decided
from nightdesk.orders.checks import Checks, final_checks, held_back, sells_first
from nightdesk.orders.desk import OrderDesk
from nightdesk.orders.recover import found_orders
from schemas.outcomes import ending
from schemas.records import Decision, Order, OrderStatus

NEW_YORK = ZoneInfo("America/New_York")
SENDINGS = 2
"""How often a request is sent in all, under one id, where it did not arrive."""


@dataclass(frozen=True, slots=True)
class Ended:
    """What came of a decision's intents: an outcome of `schemas.outcomes`, why, and the command's exit code."""

    outcome: str
    reason: str
    exit_code: int

    @classmethod
    def of(cls, outcome: str, reason: str) -> "Ended":
        return cls(outcome, reason, ending(outcome).exit_code)


def submit_decided(desk: OrderDesk, decision: Decision) -> Ended:
    """Send what a committed decision intends and has not been sent, sells first. Ends as the decision did where that is nothing.

    The first request that a limit or a state holds back keeps back the rest, which stay intents; a refused order is recorded and
    the others go on; an order of unknown outcome stops all that would follow it.
    """
    orders = _orders_of(desk, decision)
    decided = Ended.of(str(decision.body["outcome"]), str(decision.body["reason"]))
    todo = [order for order in orders if order.status in ("intent", "unknown")]
    if not todo:
        return _after(desk, decision, decided)
    if desk.clock.now() > desk.deadline(decision.execution_session):
        return _expired(desk, decision, todo)
    if waits := _waits(desk, decision, todo):
        return waits
    return _sent(desk, decision, decided, todo)


def _sent(desk: OrderDesk, decision: Decision, decided: Ended, todo: list[Order]) -> Ended:
    checks = final_checks(desk, decision)
    for order in sells_first(todo):
        status: OrderStatus | None = None
        for _ in range(SENDINGS):
            if desk.clock.now() > desk.deadline(order.execution_session):
                return _expired(desk, decision, todo)
            outcome, why = held_back(_without(checks, order), order)
            if why:
                return _held_back(desk, decision, decided, outcome, why)
            require_as_decided(decision, [order])
            status = _submitted(desk, order)
            if status is not None:
                break
        if status is None or status == "unknown":
            why = f"nobody knows whether the broker has {order.order_id}; nothing more leaves until then"
            return Ended.of("unknown order", why)
        checks.orders = [row for row in checks.orders if row.order_id != order.order_id]
        checks.orders.append(replace(order, status=status))
    return _after(desk, decision, decided)


def _without(checks: Checks, order: Order) -> Checks:
    """The same checks for an order that was sent before and did not arrive: it does not stand in its own way."""
    return replace(checks, orders=[row for row in checks.orders if row.order_id != order.order_id])


def _submitted(desk: OrderDesk, order: Order) -> OrderStatus | None:
    """Send a request. Returns where the order stands; None where it did not arrive, and may be sent again under its id."""
    request = OrderRequest(order.order_id, order.instrument, order.quantity, order.time_in_force, order.execution_session)
    desk.ledger.set_orders_sent([order.order_id], WallClock().now())
    try:
        answer = desk.broker.submit_order(request)
    except TryAgain as error:
        desk.ledger.set_order_status(order.order_id, "unknown", error.message)
        return "unknown"
    desk.ledger.set_order_status(order.order_id, answer.outcome, answer.reason)
    return answer.outcome if answer.outcome != "unknown" else _looked_up(desk, order.order_id)


def _looked_up(desk: OrderDesk, order_id: str) -> OrderStatus | None:
    """Where an order of unknown outcome stands at the broker; None where it did not arrive, "unknown" where nobody answers."""
    order = desk.ledger.order(order_id)
    try:
        known = found_orders(desk, [order]).get(order_id) if order else None
    except TryAgain:
        return "unknown"
    if known is None:
        return None
    desk.ledger.set_order_status(order_id, known.status, known.reason)
    return known.status


# what is not sent


def _waits(desk: OrderDesk, decision: Decision, todo: list[Order]) -> Ended | None:
    """Why the intents wait, if they do: for a person's consent, or for the broker to take them."""
    consent = desk.ledger.consent(decision.sha256)
    if consent is not None and consent.answer == "reject":
        return _given_up(desk, decision, todo, f"rejected by {consent.who}: {consent.reason}")
    if consent is None and needs_consent(desk, decision):
        until = desk.deadline(decision.execution_session).astimezone(NEW_YORK)
        return Ended.of(
            "waiting",
            f"for consent to {_listed(todo)} until {until:%H:%M} New York time on {until:%A} {until.day} {until:%B %Y}, else no "
            f"order leaves: `nightdesk approve {decision.sha256[:12]}` shows why and asks, so does `nightdesk console`",
        )
    takes, force = desk.broker.capabilities(), todo[0].time_in_force
    if not takes.takes_now(force, desk.broker.clock().at):
        hour = f"{takes.opg_from:%H:%M}" if takes.opg_from else "another hour"
        return Ended.of("waiting", f"{_listed(todo)}: {desk.broker.name} takes {force} orders from {hour} New York time")
    return None


def needs_consent(desk: OrderDesk, decision: Decision) -> bool:
    """Whether a person is asked: where the strategy wants it now, or wanted it when this was decided; in a backfill nobody is."""
    then = decision.envelope.get("strategy")
    wanted = then.get("broker", {}).get("execution") if isinstance(then, dict) else None
    return desk.book.mode != "backfill" and "confirm" in (desk.strategy.broker.execution, wanted)


def _given_up(desk: OrderDesk, decision: Decision, todo: list[Order], why: str) -> Ended:
    for order in todo:
        if order.status == "intent":
            desk.ledger.set_order_status(order.order_id, "canceled", why)
    return Ended.of("no trade: not approved", why)


def _expired(desk: OrderDesk, decision: Decision, todo: list[Order]) -> Ended:
    """The deadline has passed: what was never sent has expired."""
    for order in todo:
        if order.status == "intent":
            desk.ledger.set_order_status(order.order_id, "expired", "never left the desk before its open")
    if needs_consent(desk, decision) and desk.ledger.consent(decision.sha256) is None:
        return Ended.of("no trade: not approved", "nobody consented in time")
    return Ended.of("no trade: late", f"the deadline for the open of {decision.execution_session} has passed")


def _held_back(desk: OrderDesk, decision: Decision, decided: Ended, outcome: str, why: str) -> Ended:
    """How the intents end where one was kept back: as that says, unless another has left."""
    orders = _orders_of(desk, decision)
    if any(order.status in ("accepted", "unknown", "filled") for order in orders):
        code = LimitBreached.exit_code if outcome == "no trade: limit" else decided.exit_code
        return Ended(decided.outcome, f"{decided.reason}; held back: {why}", code)
    return Ended.of(outcome, f"held back as it was about to leave: {why}")


def _after(desk: OrderDesk, decision: Decision, decided: Ended) -> Ended:
    """As the decision said, unless the broker refused."""
    orders = _orders_of(desk, decision)
    refused = [f"{order.instrument}: {order.reason}" for order in orders if order.status == "rejected"]
    if refused:
        outcome = "failed: order" if len(refused) == len(orders) else decided.outcome
        return Ended(outcome, f"The broker refused: {'; '.join(refused)}.", OrderRefused.exit_code)
    gone = [order for order in orders if order.status in ("expired", "canceled") and order.sent_at is None]
    if gone and len(gone) == len(orders):
        consent = desk.ledger.consent(decision.sha256)
        denied = consent.answer == "reject" if consent else needs_consent(desk, decision)
        return Ended.of("no trade: not approved" if denied else "no trade: late", gone[0].reason)
    return decided


def _orders_of(desk: OrderDesk, decision: Decision) -> list[Order]:
    return [order for order in desk.ledger.orders(decision.book_id, decision.session) if order.attempt == decision.attempt]


def _listed(orders: list[Order]) -> str:
    return ", ".join(
        f"{'buy' if order.quantity > 0 else 'sell'} {abs(order.quantity):,.9g} {order.instrument}" for order in orders
    )
