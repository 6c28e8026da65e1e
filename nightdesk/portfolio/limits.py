"""Limits on the final order. Each returns a sentence where it is breached."""

import math
from collections.abc import Sequence

from nightdesk.portfolio.sizing import Floats
from schemas.strategy import Limits


def breaches(
    instruments: Sequence[str], quantities: Floats, held: Floats, closes: Floats, equity: float, limits: Limits
) -> tuple[str, ...]:
    """A sentence for each limit that an order would breach; orders that only reduce a position pass the position limit.

    A number that is not finite breaches: no comparison with NaN is ever true.
    """
    found = []
    for name, quantity, now, close in zip(instruments, quantities, held, closes, strict=True):
        if quantity == 0.0:
            continue
        notional, after = abs(quantity) * close, abs(now + quantity)
        if not (math.isfinite(notional) and math.isfinite(after) and math.isfinite(equity)):
            found.append(f"{name}: quantity {quantity} at {close} with equity {equity} is not finite")
            continue
        if notional > limits.max_order_notional:
            found.append(
                f"{name}: the order's value {notional:,.2f} is above limits.max_order_notional {limits.max_order_notional:,.2f}"
            )
        if after > abs(now) and after * close > limits.max_position_share * equity:
            share = after * close / equity if equity > 0 else math.inf
            found.append(
                f"{name}: the position after the fill, {share:.1%} of equity, is above "
                f"limits.max_position_share {limits.max_position_share:.1%}"
            )
    return tuple(found)
