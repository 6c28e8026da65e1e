"""Splits of what an account holds: booked once the broker and the bars, or the broker's own positions, agree on them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from fractions import Fraction

from nightdesk.brokers.broker import Activity
from nightdesk.ledger.reconcile import SHARE_TOLERANCE
from nightdesk.orders.events import News, split_event
from schemas.money import PLACES
from schemas.records import PositionEvent

Splits = Mapping[str, Mapping[date, Decimal]]
"""By instrument and session, what one share became at its open. Those of the bars since a book was last marked."""

APART = timedelta(days=7)
"""A broker's day for a split and the bars' session are no further apart."""
LARGEST_PART = 50
"""Splits are ratios of whole numbers up to this, as 4:1 or 3:2; spin-offs and the like are for a person."""


def add_splits(news: News, told: Iterable[Activity], bars: Splits | None, positions: Mapping[str, Decimal]) -> None:
    """Add what splits changed. `told` are the broker's activities; `bars` is None in the process that orders, which has none:
    a split that comes before its bar is then only kept as pending."""
    by_instrument: dict[str, list[Activity]] = {}
    for row in told:
        by_instrument.setdefault(row.instrument, []).append(row)
    for name, rows in by_instrument.items():
        if name not in news.known.instruments:
            news.positions += [split_event(news.known.other, row, row.session, row.quantity) for row in rows]
    for name in sorted(news.known.instruments):
        missing = positions.get(name, Decimal(0)) - news.expected().get(name, Decimal(0))
        own = by_instrument.get(name, [])
        if bars is None:
            if own or _looks_split(news.expected().get(name, Decimal(0)), missing):
                news.pending[name] = f"{name}: the broker has split it, and its bars have not come yet"
        else:
            _add_own(news, name, own, _effective(news, name, bars.get(name, {})), missing)


def _effective(news: News, name: str, shown: Mapping[date, Decimal]) -> tuple[date, Decimal] | None:
    """The split of the bars that no book has yet, and what it makes of the shares held before it."""
    booked = [event.session for event in news.known.positions if event.kind == "split" and event.instrument == name]
    for session, factor in sorted(shown.items()):
        held = news.held(before=session).get(name, Decimal(0))
        if held and not any(abs(session - other) <= APART for other in booked):
            return session, held * (factor - 1)
    return None


def _add_own(news: News, name: str, told: Sequence[Activity], effective: tuple[date, Decimal] | None, missing: Decimal) -> None:
    whole = sum((row.quantity for row in told), Decimal(0))
    if told:
        agrees = abs(missing - whole) <= SHARE_TOLERANCE or (effective is not None and abs(whole - effective[1]) < 1)
        for row in told:
            if agrees:
                _add_event(news, row, effective[0] if effective else row.session)
            else:
                said = f"{row.session}: a split of {name} by {row.quantity:+f} that neither its bars nor the positions show"
                news.add_change(f"activity/{row.activity_id}", row.session, said, name, row.quantity)
    elif effective is not None and abs(missing) <= SHARE_TOLERANCE:
        news.pending[name] = f"{name}: its bars have a split at the open of {effective[0]}, and the broker has not booked it yet"
    elif effective is not None and abs(missing - effective[1]) < 1:
        news.positions += [
            PositionEvent(f"{book.book_id}/split/{name}/{effective[0]}", book.book_id, effective[0], name, "split", part, "bars")
            for book, part in news.parts(name, missing, PLACES)
        ]


def _add_event(news: News, row: Activity, session: date) -> None:
    news.positions += [split_event(book, row, session, part) for book, part in news.parts(row.instrument, row.quantity, PLACES)]


def _looks_split(held: Decimal, missing: Decimal) -> bool:
    """Whether a position is a simple multiple of what it was, but for a fraction of a share."""
    now = held + missing
    if abs(missing) <= SHARE_TOLERANCE or held * now <= 0:
        return False
    ratio = Fraction(now / held).limit_denominator(LARGEST_PART)
    return ratio.numerator <= LARGEST_PART and abs(held * ratio.numerator / ratio.denominator - now) < min(
        Decimal(1), abs(held) / 100
    )
