"""Which exchange's calendar a history of daily bars follows, when nobody said it."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, time
from typing import Final
from zoneinfo import ZoneInfo

import pandas as pd

from nightdesk.sessions import Sessions, exchange_sessions

DEFAULT_CALENDAR: Final = "XNYS"
CALENDARS: Final = {
    "XNYS": "America/New_York",
    "XTSE": "America/Toronto",
    "XMEX": "America/Mexico_City",
    "BVMF": "America/Sao_Paulo",
    "XLON": "Europe/London",
    "XETR": "Europe/Berlin",
    "XPAR": "Europe/Paris",
    "XAMS": "Europe/Amsterdam",
    "XBRU": "Europe/Brussels",
    "XMIL": "Europe/Rome",
    "XMAD": "Europe/Madrid",
    "XSWX": "Europe/Zurich",
    "XWBO": "Europe/Vienna",
    "XSTO": "Europe/Stockholm",
    "XHEL": "Europe/Helsinki",
    "XCSE": "Europe/Copenhagen",
    "XOSL": "Europe/Oslo",
    "XDUB": "Europe/Dublin",
    "XLIS": "Europe/Lisbon",
    "XWAR": "Europe/Warsaw",
    "XJSE": "Africa/Johannesburg",
    "XHKG": "Asia/Hong_Kong",
    "XSHG": "Asia/Shanghai",
    "XTKS": "Asia/Tokyo",
    "XKRX": "Asia/Seoul",
    "XTAI": "Asia/Taipei",
    "XBOM": "Asia/Kolkata",
    "XSES": "Asia/Singapore",
    "XIDX": "Asia/Jakarta",
    "XASX": "Australia/Sydney",
    "XNZE": "Pacific/Auckland",
}
"""What is tried, with the exchange's time zone."""

WITHOUT_HOLIDAYS: Final = ("24/5", "24/7")
"""Currencies and coins."""

SUFFIXES: Final = {
    "L": "XLON", "IL": "XLON", "DE": "XETR", "F": "XFRA", "PA": "XPAR", "AS": "XAMS", "BR": "XBRU", "MI": "XMIL", "MC": "XMAD",
    "SW": "XSWX", "VI": "XWBO", "ST": "XSTO", "HE": "XHEL", "CO": "XCSE", "OL": "XOSL", "IR": "XDUB", "LS": "XLIS", "WA": "XWAR",
    "TO": "XTSE", "V": "XTSE", "MX": "XMEX", "SA": "BVMF", "JO": "XJSE", "HK": "XHKG", "SS": "XSHG", "SZ": "XSHG",
    "T": "XTKS", "KS": "XKRX", "KQ": "XKRX", "TW": "XTAI", "NS": "XBOM", "BO": "XBOM", "SI": "XSES", "JK": "XIDX", "AX": "XASX",
    "NZ": "XNZE",
}  # fmt: skip
"""What follows a symbol at Yahoo, as in AV.L, and where it is traded."""

FITS: Final = 0.99
NEAR: Final = 0.90
"""Below this the days follow no calendar that is known here: weekly bars, or a history in pieces."""


@dataclass(frozen=True, slots=True)
class CalendarFit:
    """A calendar beside a history: of `days` that either has, `agreed` are days of both."""

    name: str
    sessions: Sessions
    agreed: int
    days: int

    @property
    def share(self) -> float:
        return self.agreed / self.days

    @property
    def fits(self) -> bool:
        """Whether nearly all days agree; in a short history one may not."""
        return self.agreed > 0 and self.days - self.agreed <= max(1, (1 - FITS) * self.days)


def calendar_fit(name: str, days: pd.DatetimeIndex) -> CalendarFit | None:
    """How a calendar suits days (sorted, each once); None where all of them lie outside its reach."""
    sessions = exchange_sessions(name)
    known = days[(days >= pd.Timestamp(sessions.first)) & (days <= pd.Timestamp(sessions.last))]
    if known.empty:
        return None
    expected = sessions.between(known[0].date(), known[-1].date())
    agreed = int(known.isin(expected).sum())
    return CalendarFit(name, sessions, agreed, len(known) + len(expected) - agreed)


def best_calendar(days: pd.DatetimeIndex, label: str, utc_offset: str) -> CalendarFit | None:
    """The calendar that days follow: that of the symbol's suffix, those of the time zone, New York's, or the best of all.

    None where none comes near. `label` is a symbol or a file's name, `utc_offset` that of the first day, as -05:00, or "".
    """
    for names, least in _groups(days, label, utc_offset):
        best = _best_of(names, days)
        if best is not None and (best.fits or best.share >= least):
            return best
    return None


def _best_of(names: list[str], days: pd.DatetimeIndex) -> CalendarFit | None:
    """The one that suits best, the first of equals; a calendar takes a moment to make, so a perfect one ends the search."""
    best: CalendarFit | None = None
    for name in names:
        fit = calendar_fit(name, days)
        if fit is not None and (best is None or fit.share > best.share):
            best = fit
        if best is not None and best.agreed == best.days:
            break
    return best


def _groups(days: pd.DatetimeIndex, label: str, utc_offset: str) -> Iterator[tuple[list[str], float]]:
    """Calendars to try together, the likely ones first, and from which share on the best of them is believed."""
    hinted = [SUFFIXES[word] for word in re.split(r"[.\-_]", label.upper())[1:2] if word in SUFFIXES]
    if hinted:
        yield [*hinted, DEFAULT_CALENDAR], NEAR  # some shares of New York have such a suffix too
    if utc_offset and len(days):
        noon = datetime.combine(days[0].date(), time(12))
        offset = datetime.fromisoformat(f"{noon.isoformat()}{utc_offset}").utcoffset()
        there = [name for name, zone in CALENDARS.items() if noon.replace(tzinfo=ZoneInfo(zone)).utcoffset() == offset]
        # offset zero is London's, and that of vendors who write midnight UTC whatever the exchange
        yield ([*there, *WITHOUT_HOLIDAYS], NEAR) if offset else ([DEFAULT_CALENDAR, *there], FITS)
    yield [DEFAULT_CALENDAR], FITS
    yield [*WITHOUT_HOLIDAYS, *CALENDARS], NEAR
