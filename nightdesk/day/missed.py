"""Sessions that nobody decided in time: what would have been decided, for the record."""

import logging
import uuid
from datetime import date

from nightdesk.clock import WallClock
from nightdesk.day.decide import generate_signal
from nightdesk.day.decision import decided
from nightdesk.day.desk import Day
from nightdesk.day.engineer import engineer_features
from nightdesk.day.log import log_experiment
from nightdesk.day.retrain import retrain_model
from nightdesk.day.validate import checked_bars
from nightdesk.errors import NightdeskError
from schemas.records import Run


def rebuild_missed(day: Day) -> None:
    """Record each session between the last decision and today as `missed`, with the decision that it would have had.

    Bars and fits are those of the missed session: nothing that came after it is seen. The decision is marked
    `reconstructed` and has no orders; a fit that was due then is made now, and trades from today on if it passed.
    """
    desk, book_id = day.desk, day.desk.book.book_id
    last = desk.ledger.last_decision(book_id, before=day.session)
    if last is None:
        return
    between = [stamp.date() for stamp in desk.sessions.between(last.session, day.session)[1:-1]]
    recorded = {run.session for run in desk.ledger.runs(book_id) if run.outcome == "missed"}
    missed = [session for session in between if session not in recorded]
    if missed:
        said = "%d session(s) were missed, %s to %s: their decisions are rebuilt for the record."
        logging.getLogger(__name__).warning(said, len(missed), missed[0], missed[-1])
    for session in missed:
        _rebuild(day, session)


def _rebuild(day: Day, session: date) -> None:
    desk = day.desk
    named = (str(uuid.uuid4()), desk.book.book_id, session, "reconstructed", day.run.orchestrated, WallClock().now())
    run = Run(*named, detail=day.run.detail)  # type: ignore[arg-type]  # "reconstructed" is an origin
    past = Day(desk, session, desk.sessions.after(session), run, day.strategy_name)
    desk.ledger.append_run(run)
    reason, sha256 = f"The desk did not run for {session}; the next run was for {day.session}.", ""
    try:
        bars = checked_bars(past, run.started_at)
        features = engineer_features(past, bars)
        trained = retrain_model(past, features, bars)
        log_experiment(past, trained, bars)
        decision, _ = decided(past, generate_signal(past, features, trained), trained, past.book_state(), bars)
        desk.ledger.commit_decision(decision, [])
        sha256 = decision.sha256
    except NightdeskError as error:
        reason = f"{reason} Its decision cannot be rebuilt: {error.message}"
    past.end("missed", reason)
    past.finish(sha256)
