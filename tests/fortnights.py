"""Fortnights on a living market, by processes that are killed, run late, run twice and queue up: what the ledger must say then.

The market is a local server that speaks Yahoo's wire: the sample's newest bars, laid on the sessions up to 2026. Ticks are those
of prefect.yaml, whatever the exchange does on a day; each starts a process with the tick's hour as its clock.
"""

import multiprocessing
import os
import random
import signal
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from multiprocessing.process import BaseProcess
from pathlib import Path
from zoneinfo import ZoneInfo

from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.market.sample import SampleSource
from nightdesk.sessions import exchange_sessions
from schemas import identities
from schemas.bars import Bars
from tests import fortnight_player
from tests.desks import strategy_file
from tests.faults.day_player import BOUNDARIES
from tests.fortnight_player import Desk, play
from tests.yahoo_server import Listing, YahooServer, yahoo_server

NEW_YORK = ZoneInfo("America/New_York")
SESSIONS = exchange_sessions("XNYS")
BOOK = "paper/cheap/cheap"
FIRST_BAR = date(2024, 1, 2)
LOGISTIC = '"sklearn.linear_model.LogisticRegression"'
FORTNIGHTS = {
    "the clocks go forward": (date(2026, 3, 2), date(2026, 3, 13)),
    "the clocks go back": (date(2026, 10, 26), date(2026, 11, 6)),
    "Thanksgiving": (date(2026, 11, 19), date(2026, 12, 2)),
}
"""First and last day; 2026-11-26 is closed, and 2026-11-27 closes at 13:00."""
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload([fortnight_player.__name__])


@dataclass
class Lived:
    """What went wrong on the way."""

    home: Path
    first: date
    last: date
    happened: Counter[str] = field(default_factory=Counter)


def ticks(first: date, last: date) -> list[tuple[datetime, str]]:
    """Every start that prefect.yaml asks for from Monday to Friday, in order: an hour in New York, and what starts."""
    hours = [(16, 20, "daily"), (19, 5, "submit"), (8, 45, "submit"), (9, 20, "submit")]
    days = [first + timedelta(days=number) for number in range((last - first).days + 1)]
    return sorted(
        (datetime(day.year, day.month, day.day, hour, minute, tzinfo=NEW_YORK).astimezone(UTC), what)
        for day in days
        if day.weekday() < 5
        for hour, minute, what in hours
    )


def sessions_of(first: date, last: date) -> list[date]:
    return [stamp.date() for stamp in SESSIONS.between(first, last)]


def market(last: date) -> Listing:
    sessions = SESSIONS.between(FIRST_BAR, SESSIONS.after(last, 3))
    bars = SampleSource().fetch_bars(["^GSPC"], date(1999, 1, 4), date(2018, 12, 31)).tail(len(sessions))
    return Listing(bars.assign(**{Bars.session: sessions.to_numpy()}).reset_index(drop=True), "INDEX")


def lived(folder: Path, first: date, last: date, seed: str, trouble: float) -> Lived:
    """The ticks from `first` to `last`; each day has trouble with that probability, once the book has begun with its first
    one, and the machine is down now and then. At the end the desk runs undisturbed once."""
    dice, made = random.Random(seed), Lived(folder / "home", first, last)
    strategy = strategy_file(folder, source='"yahoo"', estimator=LOGISTIC, min_test_accuracy="0.0", rebalance_band="0.0")
    path = Path(strategy)
    path.write_text(path.read_text().replace("min_coverage = 1.0", "min_coverage = 1.0\nlate_bar_wait_min = 0"))
    plan = ticks(first, last)
    end = plan[-1][0] + timedelta(hours=5)
    with yahoo_server(plan[0][0]) as server:
        server.listings = {"^GSPC": market(last)}
        desk = Desk(strategy, made.home, server.url)
        begins = next(number for number, (_, what) in enumerate(plan) if what == "daily") + 1
        for at, what in plan[:begins]:
            _at_once(desk, server, at, [what], made)
        down_until, queued = plan[begins][0], []
        for at, what in plan[begins:]:
            if at < down_until:
                queued.append(what)
                continue
            if queued:
                _at_once(desk, server, down_until, queued, made)
                queued = []
            if dice.random() < trouble / 16:
                down_until = at + timedelta(hours=dice.choice((3, 20, 44, 70)))
                made.happened["downtime"] += 1
                queued.append(what)
            else:
                _start(desk, server, at, what, dice, trouble, made)
        _at_once(desk, server, end, [*queued, "daily"], made)
        _at_once(desk, server, end + timedelta(minutes=1), ["daily"], made)
    return made


def _start(desk: Desk, server: YahooServer, at: datetime, what: str, dice: random.Random, trouble: float, made: Lived) -> None:
    """One tick, which may be killed, at a boundary or at a moment, and may be started again or twice."""
    server.now = at
    if what == "daily" and dice.random() < trouble:
        if dice.random() < 0.5:
            boundary = dice.choice(list(BOUNDARIES))
            _end(_begun(desk, at, what, boundary))
            made.happened[f"killed {boundary}"] += 1
        else:
            child = _begun(desk, at, what)
            child.join(timeout=dice.uniform(0.05, 1.5))
            if child.is_alive() and child.pid:
                os.kill(child.pid, signal.SIGKILL)
                made.happened["killed at a moment"] += 1
            _end(child)
        if dice.random() < 0.5:
            later = at + timedelta(minutes=dice.choice((1, 30, 120, 600, 990)))
            _at_once(desk, server, later, [what] * dice.choice((1, 1, 3)), made)
            made.happened["run again"] += 1
    else:
        _end(_begun(desk, at, what))


def _at_once(desk: Desk, server: YahooServer, at: datetime, queued: list[str], made: Lived) -> None:
    """All that has queued up, started at the same moment as Prefect does."""
    server.now = at
    made.happened["started at once"] += len(queued) if len(queued) > 1 else 0
    for child in [_begun(desk, at, what) for what in queued]:
        _end(child)


def _begun(desk: Desk, at: datetime, what: str, boundary: str = "") -> BaseProcess:
    child = CHILDREN.Process(target=play, args=(desk, at, what, boundary))
    child.start()
    return child


def _end(child: BaseProcess) -> None:
    child.join(timeout=120)
    assert child.exitcode in (0, -signal.SIGKILL), child.exitcode


def wrongs(made: Lived) -> Iterator[str]:
    """What in the ledger and at the broker is not as it must be, whatever died: nothing."""
    with closing(Ledger(ledger_file(made.home, "paper"))) as ledger:
        ledger.require_unbroken(BOOK)
        runs, orders, fills, marks = ledger.runs(BOOK), ledger.orders(BOOK), ledger.fills(BOOK), ledger.marks(BOOK)
        begun = sessions_of(made.first, made.last)
        if sorted(ledger.decided_sessions(BOOK)) != begun:
            yield f"decided were {sorted(ledger.decided_sessions(BOOK))}, not {begun}"
        for session in begun:
            own = [order for order in orders if order.decided_session == session]
            decision = ledger.decision(BOOK, session)
            late = decision is not None and decision.origin == "reconstructed"
            reasons = [run.reason for run in runs if run.session == session and run.outcome == "missed" and run.reason]
            if ledger.attempts(BOOK, session) != [1] or len(own) > 1:
                yield f"{session}: {ledger.attempts(BOOK, session)} attempts, {len(own)} orders"
            if late and (own or not reasons):
                yield f"{session} was missed, with {len(own)} orders and the reasons {reasons}"
            if not late and not any(run.session == session and run.finished_at for run in runs):
                yield f"{session} was decided, and no run ended"
            for order in own:
                if order.execution_session != SESSIONS.after(session):
                    yield f"{order} is for another open than the next"
                if order.sent_at and not SESSIONS.settled_at(session) <= order.sent_at < SESSIONS.opens_at(
                    order.execution_session
                ):
                    yield f"{order} was sent at {order.sent_at}"
        by_id = {order.order_id: order for order in orders}
        yield from (
            f"{fill} is not at the open it was for" for fill in fills if by_id[fill.order_id].execution_session != fill.session
        )
        if len({fill.order_id for fill in fills}) != len(fills):
            yield f"an order was filled twice: {fills}"
        if [mark.session for mark in marks] != begun:
            yield f"marked were {[str(mark.session) for mark in marks]}"
        yield from identities.holdings_are_fills(ledger.position_events(BOOK), fills)
        yield from identities.cash_is_fills_and_flows(ledger.cash_events(BOOK), fills)
        known = {order.order_id for order in orders}
    with closing(sqlite3.connect(made.home / "broker" / "paper" / "cheap.sqlite")) as broker:
        at_broker = [row[0] for row in broker.execute("select order_id from orders")]
    if len(at_broker) != len(set(at_broker)) or not set(at_broker) <= known:
        yield f"the broker has orders that the ledger does not know: {set(at_broker) - known}"
