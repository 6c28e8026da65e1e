"""The evidence in words: for the terminal, the page and the notice."""

from collections.abc import Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from nightdesk.consent.evidence import Evidence, LimitUse, OrderEvidence

NEW_YORK = ZoneInfo("America/New_York")


def facts(evidence: Evidence) -> list[tuple[str, str]]:
    """Lines of (what, how it is), in the order in which a person asks."""
    shown = [
        ("Order", "\n".join(order_line(row, evidence.currency) for row in evidence.orders)),
        ("Answer by", answer_by(evidence)),
        ("For", f"the open of {when(evidence.opens_at)}"),
        ("Book", f"{evidence.strategy}, {evidence.mode} mode, account {evidence.account}"),
        ("Decided", f"after the close of {evidence.session:%A} {evidence.session.day} {evidence.session:%B %Y}"),
        ("Equity", f"{evidence.equity:,.2f} {evidence.currency}"),
        ("Price since", "\n".join(drift_line(row, evidence.currency) for row in evidence.orders)),
        ("Score", "\n".join(score_line(row) for row in evidence.orders)),
        ("Gate", gate_line(evidence)),
        ("Accuracy", accuracy_line(evidence)),
        ("Model", model_line(evidence)),
        ("Limits", "\n".join(limit_line(row) for row in evidence.limits)),
        ("End date", end_line(evidence)),
        ("State", evidence.state),
        ("Before", "\n".join(evidence.not_approved) or "nothing was rejected or left unanswered"),
        ("Decision", evidence.decision_sha256),
    ]
    return [(what, text) for what, text in shown if text]


def when(instant: datetime) -> str:
    """An instant in New York, and by the clock of this machine where that is another."""
    there, here = instant.astimezone(NEW_YORK), instant.astimezone()
    said = f"{there:%A} {there.day} {there:%B %Y}, {there:%H:%M} New York time"
    if here.utcoffset() == there.utcoffset():
        return said
    day = "" if here.date() == there.date() else f"{here:%A} "
    return f"{said} ({day}{here:%H:%M %Z} here)"


def answer_by(evidence: Evidence) -> str:
    if evidence.deadline is None:
        return "before this book's next day is played: the clock of its market stands still; without an answer no order leaves"
    return f"{when(evidence.deadline)}; without an answer no order leaves"


def orders_in_words(orders: Sequence[OrderEvidence]) -> str:
    return ", ".join(f"{row.side} {row.quantity:,.9g} {row.instrument}" for row in orders)


def order_line(order: OrderEvidence, currency: str) -> str:
    return (
        f"{orders_in_words([order])}, about {order.value:,.2f} {currency}, {order.share:.1%} of equity, "
        f"sized at {order.reference_price:,.2f} {currency}"
    )


def drift_line(order: OrderEvidence, currency: str) -> str:
    if order.newer is None or order.drift is None:
        return f"{order.instrument}: no newer price is known than {order.reference_price:,.2f} {currency}"
    return f"{order.instrument}: {order.drift:+.2%}, {order.newer.price:,.2f} {currency} at the close of {order.newer.session}"


def score_line(order: OrderEvidence) -> str:
    wanted = f"weight {order.weight:.2f}" if order.weight is not None else "no weight"
    return f"{order.instrument}: {wanted}" + (
        f", score {order.score:+.4f} ({order.score_kind})" if order.score is not None else ""
    )


def gate_line(evidence: Evidence) -> str:
    said = {True: "passed", False: "not passed", None: "none"}[evidence.gate_passed]
    return f"{said}: {evidence.gate_reason}"


def model_line(evidence: Evidence) -> str:
    return f"{evidence.estimator.rpartition('.')[2]}, fitted on what was known at {evidence.cutoff}" if evidence.estimator else ""


def accuracy_line(evidence: Evidence) -> str:
    if evidence.test_accuracy is None or evidence.test_baseline is None:
        return ""
    return f"{evidence.test_accuracy:.2%} on test, where always saying the same is right {evidence.test_baseline:.2%} of the time"


def amount(value: float, unit: str) -> str:
    """A number without its unit; a share in percent."""
    if unit.startswith("of "):
        return f"{value:.1%}" if value >= 0.0005 or not value else "under 0.1%"
    return f"{value:,.0f}" if unit == "orders" else f"{value:,.2f}"


def limit_name(limit: LimitUse) -> str:
    """What is limited, with its unit."""
    return limit.what if limit.unit == "orders" else f"{limit.what}, {limit.unit}"


def limit_line(limit: LimitUse) -> str:
    used, allowed, left = (amount(value, limit.unit) for value in (limit.used, limit.allowed, limit.left))
    return f"{limit_name(limit)}: {used} of {allowed}, {left} left"


def end_line(evidence: Evidence) -> str:
    if evidence.end_date is None:
        return "none"
    return f"{evidence.end_date}, {evidence.days_to_end_date} days after this open"


def consent_notice(evidence: Evidence) -> tuple[str, str]:
    """Title and text of the message that asks a person for consent."""
    short, orders = evidence.decision_sha256[:12], orders_in_words(evidence.orders)
    text = [f"{what}: {said}" for what, said in facts(evidence) if what in NOTICED]
    how = (
        f'Approve: nightdesk approve {short}\nReject: nightdesk reject {short} --reason "..."\nOr on the page: nightdesk console'
    )
    return f"Consent wanted: {evidence.strategy} ({evidence.mode}), {orders}", "\n".join([*text, how])


NOTICED = ("Order", "Answer by", "For", "Book", "Equity", "Price since", "Score", "Gate", "State", "Decision")
