"""What Alpaca says of fills, dividends, splits, fees and transfers, as our records.

The forms are those of Alpaca's description of its API and of its published samples. A split is booked in two rows, minutes apart:
one removes the old shares, one adds the new. A new name is two rows of type NC in the same way, under the old and the new symbol.
"""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from nightdesk.brokers.alpaca_fields import LARGEST, Row, day_of, instant_of, number_of, number_or_zero, shown, sign_of, text_of
from nightdesk.brokers.broker import NEW_YORK, Activity
from nightdesk.errors import TryAgain
from schemas.money import decimal

Kind = Literal["dividend", "split", "deposit", "fee", "interest", "other"]
DIVIDENDS: Final = "DIV DIVCGL DIVCGS DIVFEE DIVFT DIVNRA DIVROC DIVTW DIVTXEX CDIV CGD"
KINDS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(DIVIDENDS.split(), "dividend"),
    **dict.fromkeys(("SPLIT", "SSP"), "split"),
    **dict.fromkeys(("CSD", "CSW", "JNLC", "TRANS", "ACATC"), "deposit"),
    **dict.fromkeys(("FEE", "CFEE", "PTC", "PTR"), "fee"),
    **dict.fromkeys(("INT", "INTNRA", "INTTW"), "interest"),
}
"""Kinds by Alpaca's activity types; withheld tax counts with what it is withheld from. All others are "other"."""


def activities_of(rows: Iterable[Row], order_ids: Mapping[str, str]) -> list[Activity]:
    """The activities, oldest session first; those that were called back are left out. `order_ids` gives our id of an order by
    Alpaca's own. Raises `TryAgain` while only one half of a split is booked."""
    rows = [row for row in rows if row.get("activity_type") == "FILL" or row.get("status") != "canceled"]
    found = [_fill(row, order_ids) if row.get("activity_type") == "FILL" else _other(row) for row in rows]
    _require_whole_splits([row for row, activity in zip(rows, found, strict=True) if activity.kind == "split"])
    return sorted(_with_whole_splits(found), key=lambda activity: activity.session)


def _other(row: Row) -> Activity:
    name = text_of(row, "activity_type", "activity")
    kind = _kind(row, name)
    return Activity(
        text_of(row, "id", "activity"),
        day_of(row, "date", "activity"),
        kind,
        "" if row.get("symbol") in (None, "") else text_of(row, "symbol", "activity"),
        number_or_zero(row, "qty", "activity") if kind in ("split", "other") else Decimal(0),
        _amount(row, kind, name),
        price=Decimal(0),
        commission=Decimal(0),
        slippage=Decimal(0),
        reference="",
        note=name if row.get("status", "executed") == "executed" else f"{name} {shown(row['status'])}",
    )


def _kind(row: Row, name: str) -> Kind:
    """A dividend in shares is a split: it has shares, and no cash. What has another state than executed, and a split that does
    not say how many shares, is for a person."""
    if row.get("status", "executed") != "executed":
        return "other"
    in_shares = name == "DIV" and row.get("activity_sub_type") == "SDIV" and not number_of(row, "net_amount", name)
    kind = "split" if in_shares else KINDS.get(name, "other")
    return "other" if kind == "split" and row.get("qty") is None else kind


def _amount(row: Row, kind: Kind, name: str) -> Decimal:
    if kind == "split":
        return Decimal(0)
    return number_or_zero(row, "net_amount", name) if kind == "other" else number_of(row, "net_amount", name)


def _require_whole_splits(rows: list[Row]) -> None:
    """As many rows that add shares as such that remove them, or more (a unit becomes two), on each day; rows that do not say
    what they are count as whole."""
    halves: dict[date, list[str]] = {}
    for row in rows:
        halves.setdefault(day_of(row, "date", "activity"), []).append(shown(row.get("description")).partition(",")[0])
    for day, words in halves.items():
        removed, added = words.count("REMOVE"), words.count("ADD")
        if removed > added or (added and not removed):
            raise TryAgain(f"Alpaca has booked only one half of a split on {day}.", session=str(day))


def _with_whole_splits(found: list[Activity]) -> list[Activity]:
    """One activity for each split: the change in shares, under the id and at the place of its first row."""
    whole: dict[object, Activity] = {}
    for place, row in enumerate(found):
        key = (row.instrument, row.session, row.note) if row.kind == "split" else place
        known = whole.get(key)
        whole[key] = row if known is None else replace(known, quantity=known.quantity + row.quantity)
    return list(whole.values())


def _fill(row: Row, order_ids: Mapping[str, str]) -> Activity:
    quantity, price = sign_of(row, "fill") * number_of(row, "qty", "fill"), number_of(row, "price", "fill")
    if abs(quantity * price) >= LARGEST:
        raise TryAgain("Alpaca's fill is larger than any.", quantity=str(quantity), price=str(price))
    order = text_of(row, "order_id", "fill")
    return Activity(
        text_of(row, "id", "fill"),
        instant_of(row, "transaction_time", "fill").astimezone(NEW_YORK).date(),
        "fill",
        text_of(row, "symbol", "fill"),
        quantity,
        decimal(-quantity * price),
        price,
        commission=Decimal(0),
        slippage=Decimal(0),
        reference=order_ids.get(order, order),
    )
