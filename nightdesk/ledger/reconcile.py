"""Ledger against broker, as a pure function."""

from collections.abc import Mapping
from decimal import Decimal

SHARE_TOLERANCE = Decimal("0.000000001")


def share_differences(
    ledger_holdings: Mapping[str, Decimal], broker_positions: Mapping[str, Decimal]
) -> dict[str, tuple[Decimal, Decimal]]:
    """What the books and the broker hold of each instrument of which the two differ, by more than 1e-9 shares.

    The ledger's side is the sum of the account's books.
    """
    found = {}
    for name in sorted({*ledger_holdings, *broker_positions}):
        ours, theirs = ledger_holdings.get(name, Decimal(0)), broker_positions.get(name, Decimal(0))
        if abs(ours - theirs) > SHARE_TOLERANCE:
            found[name] = ours, theirs
    return found
