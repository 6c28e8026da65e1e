"""Targets less holdings: the quantities to order."""

import numpy as np

from nightdesk.portfolio.sizing import Floats


def order_quantities(
    targets: Floats, held: Floats, weights: Floats, previous_weights: Floats, closes: Floats, equity: float, band: float
) -> Floats:
    """Signed quantities to order (plus buys), 0 where none.

    An order goes out only where the target weight changed since the previous decision (NaN: there was none) or the drift,
    |target - held| x close / equity, is above `band`. A target of zero closes all that is held, band or not. A NaN target
    means hold.
    """
    wanted = np.where(np.isnan(targets), 0.0, targets - held)
    changed = ~np.isclose(weights, previous_weights, rtol=0.0, atol=1e-12, equal_nan=False)
    drifted = np.abs(wanted) * np.nan_to_num(closes) > band * equity
    return np.where(changed | drifted | (targets == 0.0), wanted, 0.0) + 0.0
