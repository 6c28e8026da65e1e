"""Ledger against broker, as pure functions."""

from collections.abc import Mapping
from decimal import Decimal

from nightdesk.errors import OutOfSync

SHARE_TOLERANCE = Decimal("0.000000001")
CASH_TOLERANCE = Decimal("0.005")


def differences(
    ledger_holdings: Mapping[str, Decimal],
    broker_positions: Mapping[str, Decimal],
    ledger_cash: Decimal,
    broker_cash: Decimal,
) -> tuple[str, ...]:
    """A sentence for each way in which the account and its books differ; empty where they agree.

    Shares must agree to 1e-9, cash to half a cent. The ledger's side is the sum of the account's books.
    """
    found = []
    for instrument in sorted({*ledger_holdings, *broker_positions}):
        ours, theirs = ledger_holdings.get(instrument, Decimal(0)), broker_positions.get(instrument, Decimal(0))
        if abs(ours - theirs) > SHARE_TOLERANCE:
            found.append(f"{instrument}: the ledger holds {ours:f}, the broker {theirs:f}")
    if abs(ledger_cash - broker_cash) > CASH_TOLERANCE:
        found.append(f"cash: the ledger has {ledger_cash:f}, the broker {broker_cash:f}")
    return tuple(found)


def require_equal(found: tuple[str, ...], account: str) -> None:
    """Raise `OutOfSync` with every difference."""
    if found:
        raise OutOfSync(
            f"Account {account!r} and its books differ, no order leaves until a person has looked: {'; '.join(found)}.",
            account=account,
            differences=found,
        )
