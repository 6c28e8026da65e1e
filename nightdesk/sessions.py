"""Exchange sessions: which days an exchange is open, when it closes, and when a bar is final."""

from datetime import date, datetime, timedelta
from functools import cache
from itertools import product

import pandas as pd

from nightdesk.errors import Misconfigured

SETTLE_DELAY = timedelta(minutes=15)
"""A bar is final this long after the close."""

FIRST_DAYS = ("1990-01-01", "2000-01-01")
"""Where a calendar begins: the second for exchanges whose sessions are not known back to the first, as Tokyo."""


class Sessions:
    """One exchange's sessions. A day or instant beyond `first` and `last` is refused with `Misconfigured`.

    `schedule` has the sessions as its index (tz-naive) and their `open` and `close` as UTC instants.
    """

    def __init__(self, name: str, schedule: pd.DataFrame) -> None:
        self.name = name
        self._sessions = pd.DatetimeIndex(schedule.index.to_numpy()).as_unit("ns")
        self._opens = pd.DatetimeIndex(schedule["open"]).as_unit("ns").rename(None)
        self._closes = pd.DatetimeIndex(schedule["close"]).as_unit("ns").rename(None)

    @property
    def first(self) -> date:
        """The first session that the calendar knows."""
        return self._session_at(0)

    @property
    def last(self) -> date:
        """The last session that the calendar knows."""
        return self._session_at(len(self._sessions) - 1)

    def is_session(self, day: date) -> bool:
        """Whether the exchange is open on a day, for however short a time."""
        return self._within_reach(day) in self._sessions

    def between(self, first: date, last: date) -> pd.DatetimeIndex:
        """The sessions from `first` to `last`, both included; tz-naive, in nanoseconds."""
        start, stop = self._within_reach(first), self._within_reach(last)
        return self._sessions[self._sessions.slice_indexer(start, stop)]

    def after(self, session: date, n: int = 1) -> date:
        """The nth session after a day, which need not be a session itself."""
        return self._session_at(self._sessions.searchsorted(self._within_reach(session), side="right") + n - 1)

    def before(self, session: date, n: int = 1) -> date:
        """The nth session before a day, which need not be a session itself."""
        return self._session_at(self._sessions.searchsorted(self._within_reach(session), side="left") - n)

    def opens_at(self, session: date) -> datetime:
        """When the session opens, UTC."""
        instant: datetime = self._opens[self._position(session)].to_pydatetime()
        return instant

    def closes_at(self, session: date) -> datetime:
        """When the session closes, UTC; earlier on a half day."""
        instant: datetime = self._closes[self._position(session)].to_pydatetime()
        return instant

    def settled_at(self, session: date) -> datetime:
        """When the session's bar is final, UTC: `SETTLE_DELAY` after the close."""
        return self.closes_at(session) + SETTLE_DELAY

    def settled_at_all(self, index: pd.DatetimeIndex) -> pd.DatetimeIndex:
        """`settled_at` of every session of an index, in its order. Raises `Misconfigured` on a day without a session."""
        positions = self._sessions.get_indexer(index)
        if (positions < 0).any():
            raise self._not_a_session(index[positions < 0][0])
        return self._closes[positions] + SETTLE_DELAY

    def latest_settled(self, as_of: datetime) -> date:
        """The last session whose bar is final at `as_of`, a tz-aware instant."""
        settled = self._closes + SETTLE_DELAY
        if not settled[0] <= as_of <= settled[-1]:
            raise Misconfigured.value("as_of", as_of.isoformat(), f"{settled[0]} to {settled[-1]}, the reach of {self.name}")
        return self._session_at(settled.searchsorted(pd.Timestamp(as_of), side="right") - 1)

    def _session_at(self, position: int) -> date:
        if not 0 <= position < len(self._sessions):
            raise Misconfigured(
                f"The sessions of {self.name} reach from {self.first} to {self.last}, not beyond.", calendar=self.name
            )
        session: date = self._sessions[position].date()
        return session

    def _within_reach(self, day: date) -> pd.Timestamp:
        if not self.first <= day <= self.last:
            raise Misconfigured.value("session", day.isoformat(), f"{self.first} to {self.last}, the reach of {self.name}")
        return pd.Timestamp(day)

    def _position(self, session: date) -> int:
        if not self.is_session(session):
            raise self._not_a_session(pd.Timestamp(session))
        return int(self._sessions.get_loc(pd.Timestamp(session)))

    def _not_a_session(self, day: pd.Timestamp) -> Misconfigured:
        return Misconfigured.value("session", f"{day:%Y-%m-%d}", f"a session of {self.name} from {self.first} to {self.last}")


@cache
def exchange_sessions(name: str) -> Sessions:
    """The sessions of an exchange from 1990 (or 2000) to past the end of next year, by its ISO 10383 code, as XNYS.

    Where the exchange's calendar is not published so far ahead, they end where it does.

    Raises `Misconfigured` where there is no such calendar, or where it does not reach back to 2000.
    """
    import exchange_calendars

    names = exchange_calendars.get_calendar_names(include_aliases=False)
    if name not in names:
        raise Misconfigured.value("calendar", name, f"one of {len(names)} exchange codes, as XNYS, XLON, XFRA, XHKG, XASX")
    far = pd.Timestamp(exchange_calendars.ExchangeCalendar.default_end().year + 1, 12, 31)
    for first, last in product(FIRST_DAYS, (far, None)):  # and some publish their holidays a year ahead only
        try:
            return Sessions(name, exchange_calendars.get_calendar(name, start=first, end=last).schedule)
        except (ValueError, NotImplementedError):
            continue
    raise Misconfigured.value("calendar", name, f"an exchange whose sessions are known back to {FIRST_DAYS[-1]}, as XNYS")
