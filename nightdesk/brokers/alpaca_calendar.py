"""Alpaca's own calendar of sessions, and where it differs from ours."""

from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from pydantic import SecretStr

from nightdesk.brokers.broker import NEW_YORK, BrokerSession
from nightdesk.errors import TryAgain

if TYPE_CHECKING:
    from nightdesk.sessions import Sessions


class AlpacaCalendar:
    """The sessions that Alpaca expects. An empty `base_url` is its paper service, which takes the keys of a paper account."""

    def __init__(self, key_id: str, secret_key: SecretStr, base_url: str = "") -> None:
        self._key_id, self._secret_key, self._base_url = key_id, secret_key, base_url

    def fetch_sessions(self, first: date, last: date) -> list[BrokerSession]:
        """The sessions from `first` to `last`, both included, oldest first; Alpaca knows 1970 to 2029.

        Raises `Misconfigured` for missing or refused keys, `TryAgain` where Alpaca could not be asked.
        """
        from alpaca.trading.client import TradingClient
        from alpaca.trading.requests import GetCalendarRequest

        from nightdesk.alpaca_http import fetch_answer, read_through, require_access

        require_access(self._key_id, self._secret_key, self._base_url)
        client = TradingClient(
            self._key_id, self._secret_key.get_secret_value(), raw_data=True, url_override=self._base_url or None
        )
        read_through(client)
        request = GetCalendarRequest(start=first, end=last)
        return fetch_answer(lambda: sessions_of(client.get_calendar(request)))


def differences(ours: "Sessions", theirs: Iterable[BrokerSession], first: date, last: date) -> list[str]:
    """A sentence for each day from `first` to `last` that only one calendar has, and for each open or close that differs.

    Raises `Misconfigured` where our calendar does not reach so far.
    """
    here = {stamp.date() for stamp in ours.between(first, last)}
    there = {row.session: row for row in theirs if first <= row.session <= last}
    sentences: list[str] = []
    for day in sorted(here | there.keys()):
        if day not in there:
            sentences.append(f"{day} is a session of {ours.name} here, but the broker has none.")
        elif day not in here:
            sentences.append(f"{day} is a session at the broker, but none of {ours.name} here.")
        else:
            sentences += _differing_hours(ours, there[day])
    return sentences


def _differing_hours(ours: "Sessions", theirs: BrokerSession) -> list[str]:
    day = theirs.session
    hours = (("opens", ours.opens_at(day), theirs.opens_at), ("closes", ours.closes_at(day), theirs.closes_at))
    return [
        f"{day} {verb} at {here:%H:%M} UTC here, and at {there:%H:%M} UTC at the broker."
        for verb, here, there in hours
        if here != there
    ]


def sessions_of(answer: Any) -> list[BrokerSession]:
    """The rows of Alpaca's calendar, oldest first."""
    if not isinstance(answer, list):
        raise TryAgain(f"Alpaca's calendar was no list but a {type(answer).__name__}.")
    return sorted(map(_session, answer), key=lambda row: row.session)


def _session(row: Any) -> BrokerSession:
    """A row of the wire, as {"date": "2026-11-27", "open": "09:30", "close": "13:00"}: hours are New York's."""
    opens, closes = (datetime.fromisoformat(f"{row['date']}T{row[key]}").replace(tzinfo=NEW_YORK) for key in ("open", "close"))
    return BrokerSession(date.fromisoformat(row["date"]), opens.astimezone(UTC), closes.astimezone(UTC))
