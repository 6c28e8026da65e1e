"""Targets less holdings: the quantities to order."""

import numpy as np
from numpy.typing import NDArray

from nightdesk.portfolio.sizing import Floats, floored, total

PROCEEDS_SHARE = 0.98
"""So much of what the sells for the same open are expected to bring may be spent."""


def order_quantities(
    targets: Floats, held: Floats, weights: Floats, previous_weights: Floats, closes: Floats, equity: float, band: float
) -> Floats:
    """Signed quantities to order (plus buys), 0 where none.

    An order goes out only where the target weight changed since the previous decision (NaN: there was none) or the drift,
    |target - held| x close / equity, is above `band`. A target of zero closes all that is held, band or not. A NaN target
    means hold. A flip from long to short, or back, closes first: the other side is opened by the next decision.
    """
    wanted = np.where(np.isnan(targets), 0.0, np.where(flips(targets, held), -held, targets - held)).round(9)
    changed = ~np.isclose(weights, previous_weights, rtol=0.0, atol=1e-12, equal_nan=False)
    drifted = np.abs(wanted) * np.nan_to_num(closes) > band * equity
    return np.where(changed | drifted | (targets == 0.0), wanted, 0.0) + 0.0


def flips(targets: Floats, held: Floats) -> NDArray[np.bool_]:
    """Where the target lies on the other side of zero than what is held."""
    return targets * held < 0


def carried_weights(weights: Floats, previous_weights: Floats, targets: Floats, held: Floats) -> Floats:
    """What the next decision compares with: the weights, the previous ones where a target is NaN, 0 where a flip closes first."""
    return np.where(np.isnan(targets), previous_weights, np.where(flips(targets, held), 0.0, weights))


def affordable(quantities: Floats, closes: Floats, cash: float, increment: float) -> Floats:
    """The quantities with the buys scaled down together until they fit into cash and `PROCEEDS_SHARE` of the sells.

    Floored to the increment; sells stay as they are. A symbol without a close brings nothing and costs nothing.
    """
    values = quantities * np.nan_to_num(closes)
    cost, proceeds = total(np.maximum(values, 0.0)), -total(np.minimum(values, 0.0))
    room = max(0.0, cash + PROCEEDS_SHARE * proceeds)
    return np.where(quantities > 0, floored(quantities * room / cost, increment), quantities) if cost > room else quantities
