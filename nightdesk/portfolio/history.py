"""A book over history at once: target weights to orders, fills, cash and marks, as the day by day run has them."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nightdesk.errors import BadData, Misconfigured
from nightdesk.portfolio import loop
from nightdesk.portfolio.compiled import fastest_play
from nightdesk.portfolio.loop import Integers
from nightdesk.portfolio.sizing import Floats
from nightdesk.portfolio.stretches import Simulation
from schemas.equity import Equity
from schemas.fills import Fills
from schemas.trading import Costs, Sizing

DELISTED_AFTER_SESSIONS = 10
"""A position whose symbol has had no bar for so many sessions in a row is paid out at its last close."""
OUTCOMES = ("", "clipped: cash", "clipped: volume", "no open", "split", "waits for the next open")
"""What became of an order, by `History.outcome`: "" is filled whole; the words are the paper broker's."""


@dataclass(frozen=True, slots=True, eq=False)
class History:
    """What a book did. Arrays by session (equity at the close, time first) and by order, in the order of decision.

    By session: `equity`, `cash`, `invested` (sum of |position values|), `traded` (sum of |quantity| x price), `commissions`,
    `slippages`; `holdings` is sessions x symbols, at the close. By order: `decided` (index of the session whose close decided
    it; it fills at the open of the next), `symbol` (index), `ordered` and `filled` (signed), `price`, `commission`, `outcome`
    (index of `OUTCOMES`). An order that did not fill paid nothing.
    """

    equity: Floats
    cash: Floats
    invested: Floats
    traded: Floats
    commissions: Floats
    slippages: Floats
    holdings: Floats
    decided: Integers
    symbol: loop.Symbols
    ordered: Floats
    filled: Floats
    price: Floats
    commission: Floats
    outcome: NDArray[np.int8]
    opens: Floats

    @property
    def positions_value(self) -> Floats:
        """Value of what is held at each close; short positions count as negative."""
        return self.equity - self.cash

    @property
    def exposure(self) -> Floats:
        """Sum of the absolute position values over equity, at each close."""
        return self.invested / self.equity

    @property
    def turnover(self) -> Floats:
        """Value traded in each session over the equity at its close."""
        return self.traded / self.equity

    @property
    def costs(self) -> Floats:
        """Commission and slippage paid in each session."""
        return self.commissions + self.slippages

    @property
    def clipped(self) -> Floats:
        """Orders of each session that filled for less than they were, or not at all."""
        missed = (self.outcome != loop.WHOLE) & (self.outcome != loop.WAITING)
        return np.bincount(self.decided[missed] + 1, minlength=len(self.equity)).astype(float)

    def equity_table(self, sessions: pd.DatetimeIndex, benchmark: Floats | None = None) -> pd.DataFrame:
        """The `Equity` frame; `benchmark` is by session, NaN where there is none."""
        flow = np.zeros(len(self.equity))
        flow[:1] = self.equity[:1]
        return pd.DataFrame(
            {
                Equity.session: sessions,
                Equity.cash: self.cash,
                Equity.positions_value: self.positions_value,
                Equity.equity: self.equity,
                Equity.flow: flow,
                Equity.benchmark: np.full(len(flow), np.nan) if benchmark is None else benchmark,
            }
        )

    def fills_table(self, sessions: pd.DatetimeIndex, instruments: list[str]) -> pd.DataFrame:
        """The `Fills` frame. Its ids are the numbers of the orders."""
        at = np.flatnonzero(self.filled)
        session, symbol = self.decided[at] + 1, self.symbol[at]
        ids = pd.Series(at).astype("str").array
        quantity, price = self.filled[at], self.price[at]
        return pd.DataFrame(
            {
                Fills.fill_id: ids,
                Fills.order_id: ids,
                Fills.session: sessions[session],
                Fills.instrument: pd.array(instruments, dtype="str").take(symbol),
                Fills.quantity: quantity,
                Fills.price: price,
                Fills.commission: self.commission[at],
                Fills.slippage: np.abs(quantity) * np.abs(price - self.opens[session, symbol]),
            }
        )


def simulate(
    weights: Floats,
    opens: Floats,
    closes: Floats,
    sizing: Sizing,
    costs: Costs,
    capital: float,
    dividends: Floats | None = None,
    splits: Floats | None = None,
    volumes: Floats | None = None,
    sized_at: Literal["close", "open"] = "close",
    delisted_after_sessions: int = DELISTED_AFTER_SESSIONS,
) -> History:
    """Every session in turn: splits, dividends and fills at the open, marks and the decision for the next open at the close.

    All are sessions x symbols, prices as traded. A weight of t is known at the close of t and trades at the open of t + 1;
    NaN holds, 0 closes, below 0 is short. A price is NaN where a symbol has no bar: it is not decided on, not filled, and
    marked at its last close. `capital` comes in at the first session, whose close makes the first decision.

    Quantities are those of `target_quantities`, `order_quantities`, `affordable` and `open_fills`, to the last bit.
    `sized_at="open"` sizes an order at the very open that fills it, as vectorbt and backtesting.py do; the day cannot.

    Raises
    ------
    BadData
        Where panels differ in shape or a price is not above 0.
    Misconfigured
        Where the capital is not above 0, or costs depend on volumes that are not given.
    """
    simulation = simulation_of(
        weights, opens, closes, sizing, costs, capital, dividends, splits, volumes, sized_at, delisted_after_sessions
    )
    simulation.play_to(len(simulation.weights))
    return history_of(simulation)


def simulation_of(
    weights: Floats,
    opens: Floats,
    closes: Floats,
    sizing: Sizing,
    costs: Costs,
    capital: float,
    dividends: Floats | None = None,
    splits: Floats | None = None,
    volumes: Floats | None = None,
    sized_at: Literal["close", "open"] = "close",
    delisted_after_sessions: int = DELISTED_AFTER_SESSIONS,
) -> Simulation:
    """The simulation of `simulate`, before its first session. Raises what `simulate` raises."""
    if not capital > 0:
        raise Misconfigured.value("capital", capital, "above 0")
    if volumes is None and (costs.max_bar_volume_share is not None or costs.price_impact):
        raise Misconfigured(
            "costs.max_bar_volume_share and costs.price_impact need the volumes of the bars, and there were none."
        )
    shape = np.shape(weights)
    wanted = _panel("weights", weights, shape)
    panels = loop.Panels(
        opens=_panel("opens", opens, shape),
        closes=_panel("closes", closes, shape),
        dividends=_panel("dividends", dividends, shape),
        splits=_panel("splits", splits, shape),
        volumes=_panel("volumes", volumes, shape),
    )
    _require_prices(panels)
    sessions, symbols = wanted.shape
    return Simulation(
        weights=wanted,
        panels=panels,
        terms=_terms(sizing, costs, delisted_after_sessions, sized_at == "open"),
        cash=float(capital),
        book=_empty_book(symbols),
        marks=_empty_marks(sessions, symbols),
        orders=_empty_orders(wanted.size, symbols),
        run=fastest_play(wanted.size),
    )


def history_of(simulation: Simulation) -> History:
    """What the book of a simulation did, up to where it was played."""
    marks, orders, count = simulation.marks, simulation.orders, simulation.count
    return History(
        equity=marks.equity,
        cash=marks.cash,
        invested=marks.invested,
        traded=marks.traded,
        commissions=marks.commission,
        slippages=marks.slippage,
        holdings=marks.holdings,
        decided=orders.session[:count],
        symbol=orders.symbol[:count],
        ordered=orders.quantity[:count],
        filled=orders.filled[:count],
        price=orders.price[:count],
        commission=orders.commission[:count],
        outcome=orders.outcome[:count],
        opens=simulation.panels.opens,
    )


def _panel(name: str, panel: Floats | None, shape: tuple[int, ...]) -> Floats:
    if panel is None:
        return np.empty((0, 0))
    if np.shape(panel) != shape or len(shape) != 2:
        raise BadData(f"{name} were {np.shape(panel)}, allowed: sessions x symbols, as the weights {shape}.", panel=name)
    return np.ascontiguousarray(panel, dtype=np.float64)


def _require_prices(panels: loop.Panels) -> None:
    for name in ("opens", "closes"):
        prices = getattr(panels, name)
        least, most = np.nanmin(prices, initial=np.inf), np.nanmax(prices, initial=-np.inf)
        if least <= 0 or most == np.inf:
            raise BadData(
                f"The {name} were {least:g} to {most:g}, allowed: finite numbers above 0, NaN without a bar.", prices=name
            )


def _terms(sizing: Sizing, costs: Costs, delisted_after_sessions: int, sized_at_open: bool) -> loop.Terms:
    return loop.Terms(
        buffer=sizing.buffer,
        band=sizing.rebalance_band,
        increment=sizing.increment,
        commission_bps=costs.commission_bps,
        commission_per_share=costs.commission_per_share,
        commission_per_order=costs.commission_per_order,
        commission_min=costs.commission_min,
        commission_max=np.inf if costs.commission_max is None else costs.commission_max,
        slippage_bps=costs.slippage_bps,
        price_impact=costs.price_impact,
        volume_share=np.inf if costs.max_bar_volume_share is None else costs.max_bar_volume_share,
        delisted_after=delisted_after_sessions,
        sized_at_open=sized_at_open,
    )


def _empty_book(symbols: int) -> loop.Book:
    return loop.Book(
        held=np.zeros(symbols),
        last=np.full(symbols, np.nan),
        previous=np.full(symbols, np.nan),
        silent=np.zeros(symbols, np.int64),
        wanted=np.zeros(symbols),
    )


def _empty_marks(sessions: int, symbols: int) -> loop.Marks:
    equity, cash, invested, traded, commission, slippage = np.zeros((6, sessions))
    return loop.Marks(equity, cash, invested, traded, commission, slippage, np.empty((sessions, symbols)))


def _empty_orders(most: int, symbols: int) -> loop.Orders:
    """Room for an order for each weight: memory is taken where it is written only."""
    return loop.Orders(
        session=np.empty(most, np.int32),
        symbol=np.empty(most, np.uint16) if symbols <= 2**16 else np.empty(most, np.uint32),
        quantity=np.empty(most),
        filled=np.empty(most),
        price=np.empty(most),
        commission=np.empty(most),
        outcome=np.empty(most, np.int8),
    )
