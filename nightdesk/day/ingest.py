"""Step 1: new and changed bars into the store."""

from datetime import date

from nightdesk.clock import WallClock
from nightdesk.day.desk import Day, step
from nightdesk.market.checks import findings, raise_errors, with_coverage
from nightdesk.market.store import Appended

OVERLAP_SESSIONS = 60
"""So many stored sessions are fetched again each day, to notice a vendor that rewrites the past."""


@step("ingest")
def ingest_bars(day: Day) -> Appended:
    """Fetch the bars up to the session and append what is new or changed. A batch with errors is refused whole.

    Raises `BadData` with every finding, and then nothing was appended; `TryAgain` where the source could not be reached.
    """
    desk = day.desk
    symbols = desk.strategy.data_symbols
    first = _first_session(day)
    batch = desk.source.fetch_bars(symbols, first, day.session)
    found = findings(batch, symbols, desk.sessions.between(first, day.session))
    raise_errors(with_coverage(found, len(symbols), desk.strategy.market.min_coverage))
    appended = desk.store.append_bars(batch, desk.sessions, known_at=WallClock().now())
    day.detail["bars"] = {"new": appended.new, "restated": appended.restated}
    return appended


def _first_session(day: Day) -> date:
    desk = day.desk
    stored = desk.store.last_session(desk.strategy.data_symbols)
    begin = max(desk.sessions.first, desk.source.span[0] if desk.source.span else desk.sessions.first)
    if stored is None:
        return begin
    return max(begin, desk.sessions.before(min(stored, day.session), OVERLAP_SESSIONS))
