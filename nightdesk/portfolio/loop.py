"""The day's sizing, rebalancing and filling fused into one loop over sessions, written so that numba can compile it.

Each function says which one of the day's it repeats, operation by operation and in the same order, so that quantities are equal
to the last bit; tests/properties/test_history_properties.py holds the two together. Panels are sessions x symbols.
Why so: docs/decisions/0011-simulation.md.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from nightdesk.portfolio.rebalance import PROCEEDS_SHARE
from nightdesk.portfolio.sizing import Floats

Integers = NDArray[np.int32]
Symbols = NDArray[np.uint16] | NDArray[np.uint32]
WHOLE, BY_CASH, BY_VOLUME, NO_OPEN, SPLIT, WAITING = range(6)


class Terms(NamedTuple):
    """Sizing and costs as numbers: `commission_max` and `volume_share` are inf where there is no cap."""

    buffer: float
    band: float
    increment: float
    commission_bps: float
    commission_per_share: float
    commission_per_order: float
    commission_min: float
    commission_max: float
    slippage_bps: float
    price_impact: float
    volume_share: float
    delisted_after: int
    sized_at_open: bool


class Panels(NamedTuple):
    """What the market shows. `dividends`, `splits` and `volumes` have no rows where they are not known."""

    opens: Floats
    closes: Floats
    dividends: Floats
    splits: Floats
    volumes: Floats


class Book(NamedTuple):
    """What the loop carries from session to session, by symbol."""

    held: Floats
    last: Floats
    previous: Floats
    silent: NDArray[np.int64]
    wanted: Floats


class Orders(NamedTuple):
    """One element an order, in the order of decision; `session` is that of the decision."""

    session: Integers
    symbol: Symbols
    quantity: Floats
    filled: Floats
    price: Floats
    commission: Floats
    outcome: NDArray[np.int8]


class Marks(NamedTuple):
    """One element a session, and the holdings at its close."""

    equity: Floats
    cash: Floats
    invested: Floats
    traded: Floats
    commission: Floats
    slippage: Floats
    holdings: Floats


def rounded(value: float) -> float:
    """As `numpy.round(value, 9)`."""
    return float(np.rint(value * 1e9) / 1e9)


def floored(quantity: float, increment: float) -> float:
    """As `sizing.floored`."""
    steps = quantity / increment
    steps = np.trunc(steps + math.copysign(1e-9 + 1e-15 * abs(steps), steps))
    return rounded(steps * increment) + 0.0


def within_volume(order: float, volume: float, terms: Terms) -> float:
    """As `simulate.within_volume`."""
    if math.isinf(terms.volume_share):
        return order
    most = 0.0 if math.isnan(volume) else volume * terms.volume_share
    if abs(order) > most:
        return math.copysign(1.0, order) * floored(most, terms.increment) + 0.0
    return order


def price_of(quantity: float, opened: float, volume: float, terms: Terms) -> float:
    """As the prices of `simulate.open_fills`."""
    side = 1.0 if quantity > 0 else (-1.0 if quantity < 0 else 0.0)
    slipped = opened * (1.0 + side * terms.slippage_bps / 1e4)
    if terms.price_impact > 0:
        share = min(abs(quantity) / volume, 1.0) if volume > 0 else 1.0
        slipped = slipped + side * terms.price_impact * (share * share) * opened
    return rounded(slipped)


def commission_of(quantity: float, price: float, terms: Terms) -> float:
    """As the commissions of `simulate.open_fills`."""
    shares = abs(quantity)
    if shares == 0:
        return 0.0
    variable = shares * price * terms.commission_bps / 1e4 + shares * terms.commission_per_share + terms.commission_per_order
    charged = min(max(variable, terms.commission_min), terms.commission_max)
    return rounded(min(charged, shares * price) if quantity < 0 else charged)


def affordable_share(orders: Orders, first: int, stop: int, available: float, terms: Terms) -> float:
    """As `simulate._affordable_share`, over the whole fills of the buys."""
    buys, variable, values = 0, 0.0, 0.0
    for at in range(first, stop):
        if orders.filled[at] > 0:
            buys += 1
            value = orders.filled[at] * orders.price[at]
            values += value
            variable += value * (1.0 + terms.commission_bps / 1e4) + orders.filled[at] * terms.commission_per_share
    rounding = (stop - first + 1) * 2e-9
    fixed = (terms.commission_min + terms.commission_per_order) * buys
    factor = min(1.0, max(0.0, (available - fixed) * (1.0 - 1e-12) - rounding) / variable)
    if math.isinf(terms.commission_max):
        return factor
    left = (available - terms.commission_max * buys) * (1.0 - 1e-12) - rounding
    return max(factor, min(1.0, max(0.0, left) / values))


def fill(session: int, first: int, stop: int, cash: float, orders: Orders, panels: Panels, terms: Terms) -> None:
    """As `simulate.open_fills` with the paper broker's rules: no fill without an open, nor at the open of a split."""
    sold, charged_selling, bought, charged_buying = 0.0, 0.0, 0.0, 0.0
    for at in range(first, stop):
        symbol = orders.symbol[at]
        opened = panels.opens[session, symbol]
        volume = panels.volumes[session, symbol] if len(panels.volumes) else np.nan
        orders.filled[at], orders.price[at], orders.commission[at] = 0.0, 0.0, 0.0
        if math.isnan(opened):
            orders.outcome[at] = NO_OPEN
            continue
        if len(panels.splits) and abs(panels.splits[session, symbol] - 1.0) > 0:
            orders.outcome[at] = SPLIT
            continue
        quantity = within_volume(orders.quantity[at], volume, terms)
        orders.outcome[at] = WHOLE if quantity == orders.quantity[at] else BY_VOLUME
        orders.filled[at] = quantity
        orders.price[at] = price_of(quantity, opened, volume, terms)
        orders.commission[at] = commission_of(quantity, orders.price[at], terms)
        if quantity > 0:
            bought += quantity * orders.price[at]
            charged_buying += orders.commission[at]
        else:
            sold += quantity * orders.price[at]
            charged_selling += orders.commission[at]
    available = cash - sold - charged_selling
    if bought > 0 and not bought + charged_buying <= available:
        clip(session, first, stop, affordable_share(orders, first, stop, available, terms), orders, panels, terms)


def clip(session: int, first: int, stop: int, factor: float, orders: Orders, panels: Panels, terms: Terms) -> None:
    """Scale the buys by one factor and price them again, as the end of `simulate.open_fills`."""
    for at in range(first, stop):
        if orders.filled[at] <= 0:
            continue
        symbol = orders.symbol[at]
        volume = panels.volumes[session, symbol] if len(panels.volumes) else np.nan
        quantity = rounded(np.floor(orders.filled[at] * factor / terms.increment) * terms.increment) + 0.0
        if quantity != orders.filled[at]:
            orders.outcome[at] = BY_CASH
        orders.filled[at] = quantity
        orders.price[at] = price_of(quantity, panels.opens[session, symbol], volume, terms)
        orders.commission[at] = commission_of(quantity, orders.price[at], terms)


def book_fills(
    session: int, first: int, stop: int, cash: float, orders: Orders, panels: Panels, book: Book, marks: Marks
) -> float:
    """Add the fills to what is held; gives the cash after them."""
    for at in range(first, stop):
        quantity, price, symbol = orders.filled[at], orders.price[at], orders.symbol[at]
        if quantity == 0:
            continue
        book.held[symbol] = rounded(book.held[symbol] + quantity)
        cash -= rounded(quantity * price) + orders.commission[at]
        marks.traded[session] += abs(quantity) * price
        marks.commission[session] += orders.commission[at]
        marks.slippage[session] += abs(quantity) * abs(price - panels.opens[session, symbol])
        if math.isnan(book.last[symbol]):
            book.last[symbol] = panels.opens[session, symbol]
    return rounded(cash)


def act(session: int, cash: float, panels: Panels, book: Book) -> float:
    """Splits, then dividends on the shares that they leave, as the paper broker books them; gives the cash after them."""
    for symbol in range(len(book.held)):
        if book.held[symbol] == 0:
            continue
        if len(panels.splits) and abs(panels.splits[session, symbol] - 1.0) > 0:
            book.held[symbol] = rounded(book.held[symbol] * rounded(panels.splits[session, symbol]))
        if len(panels.dividends) and abs(panels.dividends[session, symbol]) > 0:
            cash += rounded(book.held[symbol] * rounded(panels.dividends[session, symbol]))
    return rounded(cash)


def decide(
    session: int, weights: Floats, priced: int, prices: Floats, equity: float, book: Book, terms: Terms
) -> tuple[float, float]:
    """As `sizing.target_quantities`, `rebalance.order_quantities` and `carried_weights`, into `book.wanted`.

    The weights are those of `session`, the prices those of the session `priced`. Gives what the buys cost and the sells bring.
    """
    gross, cost, proceeds = 0.0, 0.0, 0.0
    for symbol in range(len(book.held)):
        if not math.isnan(weights[session, symbol]):
            gross += abs(weights[session, symbol])
    scale = min(1.0, (1.0 - terms.buffer) / gross) if gross > 0 else 1.0
    for symbol in range(len(book.held)):
        weight, price = weights[session, symbol], prices[priced, symbol]
        book.wanted[symbol] = 0.0
        if math.isnan(weight) or math.isnan(price):
            continue
        held = book.held[symbol]
        target = floored(weight * scale * equity / price, terms.increment)
        flips = target * held < 0
        quantity = rounded(-held if flips else target - held)
        changed = not abs(weight - book.previous[symbol]) <= 1e-12
        if changed or abs(quantity) * price > terms.band * equity or target == 0:
            book.wanted[symbol] = quantity + 0.0
        book.previous[symbol] = 0.0 if flips else weight
        value = book.wanted[symbol] * price
        cost += max(value, 0.0)
        proceeds -= min(value, 0.0)
    return cost, proceeds


def intend(session: int, room: float, cost: float, stop: int, orders: Orders, book: Book, terms: Terms) -> int:
    """As `rebalance.affordable`: the orders from `book.wanted`, appended from `stop` on; gives the new end."""
    short = cost > room and not terms.sized_at_open
    for symbol in range(len(book.held)):
        quantity = book.wanted[symbol]
        if short and quantity > 0:
            quantity = floored(quantity * room / cost, terms.increment)
        if quantity != 0:
            orders.session[stop], orders.symbol[stop], orders.quantity[stop] = session, symbol, quantity
            orders.filled[stop], orders.price[stop], orders.commission[stop] = 0.0, 0.0, 0.0
            orders.outcome[stop] = WAITING
            stop += 1
    return stop


def close_delisted(session: int, cash: float, panels: Panels, book: Book, terms: Terms) -> float:
    """Count sessions without a bar; what is held of a symbol is paid out at its last close once they are too many."""
    for symbol in range(len(book.held)):
        if not (math.isnan(panels.closes[session, symbol]) and math.isnan(panels.opens[session, symbol])):
            book.silent[symbol] = 0
            continue
        book.silent[symbol] += 1
        if book.silent[symbol] >= terms.delisted_after and book.held[symbol] != 0:
            cash += rounded(book.held[symbol] * book.last[symbol])
            book.held[symbol] = 0.0
            book.previous[symbol] = np.nan
    return rounded(cash)


def mark(session: int, cash: float, closes: Floats, book: Book, marks: Marks) -> None:
    """Value what is held at the session's closes, at the last one where there is none."""
    value, invested = 0.0, 0.0
    for symbol in range(len(book.held)):
        if not math.isnan(closes[session, symbol]):
            book.last[symbol] = closes[session, symbol]
        held = book.held[symbol]
        if held != 0:
            value += held * book.last[symbol]
            invested += abs(held * book.last[symbol])
        marks.holdings[session, symbol] = held
    marks.cash[session] = cash
    marks.equity[session] = rounded(cash + value)
    marks.invested[session] = invested


def opening_equity(session: int, cash: float, opens: Floats, book: Book) -> float:
    """The book's worth at the session's opens, at the last price where there is none."""
    value = 0.0
    for symbol in range(len(book.held)):
        opened = opens[session, symbol]
        if book.held[symbol] != 0:
            value += book.held[symbol] * (book.last[symbol] if math.isnan(opened) else opened)
    return rounded(cash + value)


def play(
    weights: Floats, panels: Panels, cash: float, terms: Terms, book: Book, orders: Orders, marks: Marks, first: int, count: int
) -> int:
    """Every session in turn: actions, fills at the open, delistings, marks at the close, the decision for the next open.

    Fills `orders`, which has `count` so far of which those from `first` on wait for the first open, and `marks`; gives the new
    count. Orders sized at the open are decided there, by the weights of the session before.
    """
    stop = count
    for session in range(len(weights)):
        cash = act(session, cash, panels, book)
        if terms.sized_at_open and session > 0:
            equity = opening_equity(session, cash, panels.opens, book)
            cost, proceeds = decide(session - 1, weights, session, panels.opens, equity, book, terms)
            stop = intend(session - 1, cash, cost, stop, orders, book, terms)
        fill(session, first, stop, cash, orders, panels, terms)
        cash = book_fills(session, first, stop, cash, orders, panels, book, marks)
        first = stop
        cash = close_delisted(session, cash, panels, book, terms)
        mark(session, cash, panels.closes, book, marks)
        if not terms.sized_at_open:
            cost, proceeds = decide(session, weights, session, panels.closes, marks.equity[session], book, terms)
            stop = intend(session, max(0.0, cash + PROCEEDS_SHARE * proceeds), cost, stop, orders, book, terms)
    return stop


PARTS = (
    rounded,
    floored,
    within_volume,
    price_of,
    commission_of,
    affordable_share,
    fill,
    clip,
    book_fills,
    act,
    decide,
    intend,
    close_delisted,
    mark,
    opening_equity,
)
"""What `play` calls, to be compiled with it."""
