"""Money and quantities as decimals with nine places."""

from decimal import ROUND_HALF_EVEN, Decimal

PLACES = Decimal("0.000000001")


def decimal(value: float | Decimal | str) -> Decimal:
    """The value with nine places (half to even), without trailing zeros: where a float64 becomes the ledger's number."""
    exact = value if isinstance(value, Decimal) else Decimal(str(value))
    return exact.quantize(PLACES, rounding=ROUND_HALF_EVEN).normalize() + Decimal(0)
