"""The simulation kernel: what orders become at an open. Paper broker and backtest fill with this and nothing else."""

from dataclasses import dataclass

import numpy as np

from nightdesk.portfolio.sizing import Floats
from schemas.strategy import Costs


@dataclass(frozen=True, slots=True)
class OpenFills:
    """Arrays over instruments: signed `quantities`, `prices` with slippage, `commissions` and `slippages` in currency (>= 0)."""

    quantities: Floats
    prices: Floats
    commissions: Floats
    slippages: Floats


def _priced(quantities: Floats, opens: Floats, costs: Costs) -> OpenFills:
    shares = np.abs(quantities)
    slipped: Floats = opens * (1.0 + np.sign(quantities) * costs.slippage_bps / 1e4)
    prices = slipped.round(9)
    variable = shares * prices * costs.commission_bps / 1e4 + shares * costs.commission_per_share
    charged: Floats = np.where(shares > 0, np.maximum(variable, costs.commission_min), 0.0)
    commissions = np.where(quantities < 0, np.minimum(charged, shares * prices), charged).round(9)
    return OpenFills(quantities, prices, commissions, shares * np.abs(prices - opens))


def open_fills(orders: Floats, opens: Floats, cash: float, costs: Costs, increment: float) -> OpenFills:
    """Fill market orders at the open: slippage against the order, sells first, buys clipped to the cash there is.

    `orders` are signed quantities; an instrument whose open is NaN does not fill (quantity 0). Where the buys cost more
    than `cash` plus the sells' proceeds, all are scaled by one factor and floored to the increment. The commission of a sale
    is at most what it brings. So cash never ends below zero. Prices and commissions have the ledger's nine places.
    """
    tradable = np.where(np.isnan(opens), 0.0, orders)
    at = np.where(np.isnan(opens), 1.0, opens)
    whole = _priced(tradable, at, costs)
    buys = tradable > 0
    values = whole.quantities * whole.prices
    available = cash - float((values[~buys]).sum()) - float(whole.commissions[~buys].sum())
    needed = float((values[buys]).sum() + whole.commissions[buys].sum())
    if needed <= available or not buys.any():
        return whole
    least = costs.commission_min * int(buys.sum())
    variable = values[buys] * (1.0 + costs.commission_bps / 1e4) + tradable[buys] * costs.commission_per_share
    spendable = (available - least) * (1.0 - 1e-12) - (len(orders) + 1) * 2e-9
    factor = min(1.0, max(0.0, spendable) / float(variable.sum()))
    clipped = np.round(np.floor(tradable * factor / increment) * increment, 9) + 0.0
    return _priced(np.where(buys, clipped, tradable), at, costs)
