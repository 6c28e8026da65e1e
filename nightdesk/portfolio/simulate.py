"""The simulation kernel: what orders become at an open. Paper broker and backtest fill with this and nothing else."""

from dataclasses import dataclass

import numpy as np

from nightdesk.portfolio.sizing import Floats, floored, total
from schemas.trading import Costs


@dataclass(frozen=True, slots=True)
class OpenFills:
    """Arrays over instruments: signed `quantities`, `prices` with slippage, `commissions` and `slippages` in currency (>= 0).

    `offered` is what the bar's volume takes of each order: a quantity below it was clipped by cash.
    """

    quantities: Floats
    prices: Floats
    commissions: Floats
    slippages: Floats
    offered: Floats


def within_volume(orders: Floats, volumes: Floats, costs: Costs, increment: float) -> Floats:
    """Orders cut to `costs.max_bar_volume_share` of the bar's volume, floored to the increment. No volume known takes nothing."""
    if costs.max_bar_volume_share is None:
        return orders
    most = np.nan_to_num(volumes) * costs.max_bar_volume_share
    return np.where(np.abs(orders) > most, np.sign(orders) * floored(most, increment), orders) + 0.0


def _priced(quantities: Floats, opens: Floats, volumes: Floats, costs: Costs, offered: Floats) -> OpenFills:
    shares = np.abs(quantities)
    slipped: Floats = opens * (1.0 + np.sign(quantities) * costs.slippage_bps / 1e4)
    if costs.price_impact:
        share = np.minimum(np.divide(shares, volumes, out=np.ones_like(shares), where=volumes > 0), 1.0)
        slipped = slipped + np.sign(quantities) * costs.price_impact * (share * share) * opens
    prices = slipped.round(9)
    variable = shares * prices * costs.commission_bps / 1e4 + shares * costs.commission_per_share + costs.commission_per_order
    most = np.inf if costs.commission_max is None else costs.commission_max
    charged: Floats = np.where(shares > 0, np.minimum(np.maximum(variable, costs.commission_min), most), 0.0)
    commissions = np.where(quantities < 0, np.minimum(charged, shares * prices), charged).round(9)
    return OpenFills(quantities, prices, commissions, shares * np.abs(prices - opens), offered)


def open_fills(
    orders: Floats, opens: Floats, cash: float, costs: Costs, increment: float, volumes: Floats | None = None
) -> OpenFills:
    """Fill market orders at the open: slippage against the order, sells first, buys clipped to the cash there is.

    `orders` are signed quantities; an instrument whose open is NaN does not fill (quantity 0). An order gets at most
    `costs.max_bar_volume_share` of the bar's volume, and moves the price by `costs.price_impact` times the square of its share of
    that volume (zipline's VolumeShareSlippage); NaN volumes are not known. Where the buys cost more
    than `cash` plus the sells' proceeds, all are scaled by one factor and floored to the increment. The commission of a sale
    is at most what it brings. So cash never ends below zero. Prices and commissions have the ledger's nine places.
    """
    traded = np.full(len(orders), np.nan) if volumes is None else volumes
    offered = within_volume(orders, traded, costs, increment)
    tradable = np.where(np.isnan(opens), 0.0, offered)
    at = np.where(np.isnan(opens), 1.0, opens)
    whole = _priced(tradable, at, traded, costs, offered)
    buys = tradable > 0
    values = whole.quantities * whole.prices
    available = cash - total(values[~buys]) - total(whole.commissions[~buys])
    needed = total(values[buys]) + total(whole.commissions[buys])
    if needed <= available or not buys.any():
        return whole
    factor = _affordable_share(values[buys], tradable[buys], available, len(orders), costs)
    clipped = np.round(np.floor(tradable * factor / increment) * increment, 9) + 0.0
    return _priced(np.where(buys, clipped, tradable), at, traded, costs, offered)


def _affordable_share(values: Floats, shares: Floats, available: float, n_orders: int, costs: Costs) -> float:
    """The one factor for all buys: what is left after their fixed commissions over what a whole fill costs."""
    rounding = (n_orders + 1) * 2e-9
    fixed = (costs.commission_min + costs.commission_per_order) * len(values)
    variable = total(values * (1.0 + costs.commission_bps / 1e4) + shares * costs.commission_per_share)
    factor = min(1.0, max(0.0, (available - fixed) * (1.0 - 1e-12) - rounding) / variable)
    if costs.commission_max is None:
        return factor
    left = (available - costs.commission_max * len(values)) * (1.0 - 1e-12) - rounding
    return max(factor, min(1.0, max(0.0, left) / total(values)))
