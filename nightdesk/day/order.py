"""Step 8: wanted minus held, through the limits, once."""

import pandas as pd

from nightdesk.day.decision import decided
from nightdesk.day.desk import Day, step
from nightdesk.day.limited import save_breach
from nightdesk.day.retrain import Trained
from nightdesk.errors import LimitBreached
from nightdesk.orders.process import ORDERING, submitted_by
from nightdesk.orders.submit import Ended, submit_decided
from schemas.records import BookState, Decision, Order


@step("order")
def place_orders(day: Day, signals: pd.DataFrame, trained: Trained, state: BookState, bars: pd.DataFrame) -> list[Order]:
    """Commit the decision with its intents, then send what has not been sent. A committed decision stands.

    Paper's exchange is a file of ours: its orders are placed here. To a real broker they leave from a process of their own, which
    imports neither Prefect, MLflow nor scikit-learn; it shares this one's lock on the account. Raises `LimitBreached` where a
    limit kept every order back, once the decision is committed.
    """
    desk, book_id = day.desk, day.desk.book.book_id
    committed = desk.ledger.decision(book_id, day.session)
    if committed is None or committed.attempt < day.attempt:
        save_breach(day)
        decision, intents = decided(day, signals, trained, state, bars)
        desk.ledger.commit_decision(decision, intents)
        committed = desk.ledger.decision(book_id, day.session) or decision
    else:
        day.resumed = True
    if committed.body["outcome"] == "no trade: limit":
        limits = committed.body["limits"]
        day.end("no trade: limit", str(committed.body["reason"]))
        raise LimitBreached(f"{committed.body['reason']}.", breaches=limits)
    ended = sent(day, committed)
    day.end(ended.outcome, ended.reason, ended.exit_code)
    return desk.ledger.orders(book_id, day.session)


def sent(day: Day, decision: Decision) -> Ended:
    """Send what a committed decision of the day intends, from where its broker asks for. Nothing to send: nobody is asked."""
    desk = day.desk
    waiting = desk.ledger.orders(desk.book.book_id, decision.session, statuses=("intent", "unknown"))
    if desk.broker.name == "paper" or not waiting:
        return submit_decided(desk, decision)
    return submitted_by(ORDERING, day.strategy_name, desk.book.mode, desk.settings, day.lock)
