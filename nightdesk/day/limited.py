"""What stands over a day's decision: the book's state, losses that call for one, and the quotes that limits are held against."""

from datetime import datetime

import numpy as np
import pandas as pd

from nightdesk.clock import WallClock
from nightdesk.day.desk import Day
from nightdesk.ledger.controls import DESK, strictest
from nightdesk.orders.checks import NO_QUOTE, Quote
from nightdesk.portfolio.limits import VOLUME_SESSIONS
from nightdesk.portfolio.losses import course_of, restriction
from schemas.bars import Bars
from schemas.records import Control


def standing_control(day: Day) -> Control | None:
    """What restricts the decision of the day: the ledger's word when the bars were read, or a breached limit's. None: ACTIVE."""
    known_until = datetime.fromisoformat(str(day.detail["known_until"]))
    said = day.desk.ledger.control(day.desk.book.book_id, known_until)
    return strictest([row for row in (said, _breached(day, known_until)) if row is not None])


def save_breach(day: Day) -> None:
    """Keep the state that a breached limit calls for, where nothing as strict stands: it lasts until a person releases it."""
    ledger, book_id = day.desk.ledger, day.desk.book.book_id
    stands, breach = ledger.control(book_id), _breached(day, WallClock().now())
    if breach is not None and strictest([row for row in (stands, breach) if row is not None]) is breach:
        ledger.append_control(breach)


def _breached(day: Day, until: datetime) -> Control | None:
    desk, book_id = day.desk, day.desk.book.book_id
    marks = [mark for mark in desk.ledger.marks(book_id) if mark.session <= day.session]
    last = desk.ledger.last_decision(book_id, before=day.session, ordered=True)
    course = course_of(marks, last.session if last else None, desk.ledger.released_at(book_id, until), day.execution_session)
    found = restriction(course, desk.strategy.limits)
    return Control(book_id, found[0], day.session, DESK, WallClock().now(), found[1]) if found else None


def quotes(day: Day, bars: pd.DataFrame) -> dict[str, Quote]:
    """The quote of each instrument. Volumes are in shares of the last bar, whatever split came between."""
    sessions = day.desk.sessions
    first = pd.Timestamp(sessions.before(day.session, VOLUME_SESSIONS - 1))
    recent = bars[(bars[Bars.session] >= first) & (bars[Bars.session] <= pd.Timestamp(day.session))]
    found = {}
    for row in day.desk.strategy.market.instruments:
        own = recent[recent[Bars.symbol] == row.prices]
        if own.empty:
            found[row.instrument] = NO_QUOTE
            continue
        split = own[Bars.split].to_numpy(dtype=float)
        later = np.cumprod(split[::-1])[::-1] / split
        found[row.instrument] = Quote(
            close=float(own[Bars.close].iloc[-1]),
            closed_at=sessions.closes_at(own[Bars.session].iloc[-1].date()),
            average_volume=float(np.mean(own[Bars.volume].to_numpy(dtype=float) * later)),
        )
    return found
