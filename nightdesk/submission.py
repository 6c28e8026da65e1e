"""The process that orders: settle first, then send what the newest decision intends. No Prefect, MLflow or scikit-learn."""

import uuid
from contextlib import closing
from dataclasses import replace

from nightdesk.clock import WallClock
from nightdesk.errors import NightdeskError
from nightdesk.ledger.lock import only_writer
from nightdesk.ledger.store import Ledger
from nightdesk.notices import send_notice
from nightdesk.orders.recover import recover
from nightdesk.orders.submit import Ended, submit_decided
from nightdesk.settings import Settings
from nightdesk.wiring.orders import account_lock, new_book, open_ledger, open_order_desk
from nightdesk.wiring.strategies import load_strategy
from schemas.outcomes import RUNBOOK, ending
from schemas.records import Decision, Mode, Run
from schemas.strategy import Strategy


def submit_newest(strategy_name: str, mode: Mode, here: Settings, orchestrated: bool = False, lock: int | None = None) -> Ended:
    """Send the intents of a book's newest decision that wait, once the ledger is where the broker is.

    Nothing is asked and nothing recorded where nothing waits; else the run is kept in the ledger. `lock` is the account's lock,
    where a day passed it on to this process: then it is that day's run. Raises `Misconfigured` for a wrong strategy or setting;
    what else goes wrong is how it ended.
    """
    strategy = load_strategy(strategy_name, here)
    with only_writer(here.locks, account_lock(strategy, mode), inherited=lock) as alone:
        if alone is None:
            return Ended.of("already running", f"Another process is writing to the account {strategy.account!r}.")
        with closing(open_ledger(mode, here)) as ledger:
            return _submit(strategy, mode, ledger, here, orchestrated, within_day=lock is not None)


def _submit(strategy: Strategy, mode: Mode, ledger: Ledger, here: Settings, orchestrated: bool, within_day: bool) -> Ended:
    book_id = new_book(strategy, mode).book_id
    decision = ledger.last_decision(book_id, ordered=True)
    waiting = ledger.orders(book_id, decision.session, statuses=("intent", "unknown")) if decision else []
    if decision is None or not waiting:
        return Ended.of("no change", "no order waits to be sent")
    if within_day:
        return _ended(strategy, mode, decision, ledger, here)
    run = Run(str(uuid.uuid4()), book_id, decision.session, "manual", orchestrated, WallClock().now(), detail={"kind": "submit"})
    ledger.append_run(run)
    ended = _ended(strategy, mode, decision, ledger, here)
    detail = {**run.detail, **_noticed(ended, strategy.name, decision, ledger, here)}
    finished = replace(run, finished_at=WallClock().now(), decision_sha256=decision.sha256, detail=detail)
    ledger.finish_run(replace(finished, outcome=ended.outcome, reason=ended.reason, exit_code=ended.exit_code))
    return ended


def _ended(strategy: Strategy, mode: Mode, decision: Decision, ledger: Ledger, here: Settings) -> Ended:
    try:
        ledger.require_unbroken(decision.book_id)
        desk = open_order_desk(strategy, mode, decision.session, ledger, here)
        with closing(desk.broker):
            recover(desk, desk.sessions.latest_settled(desk.clock.now()))
            return submit_decided(desk, decision)
    except NightdeskError as error:
        return Ended("failed: order", error.message, error.exit_code)


def _noticed(ended: Ended, strategy: str, decision: Decision, ledger: Ledger, here: Settings) -> dict[str, str]:
    """Send a notice of an end that needs a person, once for each way in which a session ends. What the run keeps of it."""
    way = f"{ended.outcome}; exit code {ended.exit_code}; "
    known = [run.detail.get("notice") for run in ledger.runs(decision.book_id, decision.session)]
    if way in known or not (ending(ended.outcome).notice or ended.exit_code):
        return {}
    text = f"{ended.reason}\nWhat to do: {RUNBOOK[ended.exit_code]} in docs/runbook.md."
    sent = send_notice(here.notify, f"Nightdesk {strategy} {decision.session}: {ended.outcome}", text)
    return {"notice": way} if sent else {}
