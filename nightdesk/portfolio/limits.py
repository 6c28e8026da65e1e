"""Limits on the final request: each check returns a sentence where it is breached, "" where it is not."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from schemas.trading import Limits

VOLUME_SESSIONS = 20
"""How many sessions the average volume is taken over."""

Number = float | Decimal


@dataclass(frozen=True, slots=True)
class Request:
    """An order as it would leave. `quantity` is signed (plus buys), `price` what it was sized at."""

    instrument: str
    quantity: Number
    price: Number


@dataclass(frozen=True, slots=True)
class Standing:
    """What a request is held against. `instruments` are those that the strategy trades.

    `close` and `average_volume` (a session, in today's shares) come from the bars, `data_age_h` is the age of the last of them.
    `held` is the signed position, `open_quantity` the signed sum of open orders of the instrument on the request's side.
    `buying_power` is cash and the expected proceeds of open sells, less open buys. The orders counted are those for
    the same open that were sent: of the instrument, of the account, and of the instrument and side unless they were refused.
    """

    instruments: tuple[str, ...]
    close: Number
    average_volume: Number
    data_age_h: Number
    held: Number
    open_quantity: Number
    equity: Number
    buying_power: Number
    instrument_orders: int
    account_orders: int
    same_orders: int


ANY, NOT_ZERO, POSITIVE, NOT_NEGATIVE = "finite", "finite and not 0", "finite and above 0", "finite and 0 or more"
NUMBERS: Mapping[str, str] = {
    "quantity": NOT_ZERO,
    "price": POSITIVE,
    "close": POSITIVE,
    "average_volume": POSITIVE,
    "data_age_h": NOT_NEGATIVE,
    "held": ANY,
    "open_quantity": ANY,
    "equity": ANY,
    "buying_power": ANY,
    "instrument_orders": NOT_NEGATIVE,
    "account_orders": NOT_NEGATIVE,
    "same_orders": NOT_NEGATIVE,
}
"""The numbers of a request and of its standing, and which are numbers at all: anything else breaches before any comparison."""


def breaches(request: Request, standing: Standing, limits: Limits, flattens: bool = False) -> tuple[str, ...]:
    """A sentence for each limit that a request would breach. Where a person `flattens` the book, the limits in `SIZE` do not hold
    for a request that reduces: what it may close at most is what is held.

    What is NaN, infinite, minus zero, a text or a boolean breaches: no comparison with NaN is ever true.
    """
    values = {name: getattr(request if hasattr(request, name) else standing, name) for name in NUMBERS}
    wrong = [
        f"{name} was {values[name]!r}, allowed: {rule}" for name, rule in NUMBERS.items() if not _is_allowed(values[name], rule)
    ]
    numbers = not wrong
    closes = flattens and numbers and reduces(request.quantity, standing.held, standing.open_quantity)
    for name, check in CHECKS.items():
        if closes and name in SIZE:
            continue
        if (numbers or name == "instruments") and (sentence := check(request, standing, limits)):
            wrong.append(sentence)
    return tuple(f"{request.instrument}: {sentence}" for sentence in wrong)


def reduces(quantity: Number, held: Number, open_quantity: Number) -> bool:
    """Whether an order, with the open ones on its side, brings a position nearer to zero and not beyond."""
    return float(quantity) * float(held) < 0 and abs(float(open_quantity) + float(quantity)) <= abs(float(held))


def _is_allowed(value: object, rule: str) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        return False
    finite = value.is_finite() if isinstance(value, Decimal) else math.isfinite(value)
    if not finite or (value == 0 and math.copysign(1.0, value) < 0):
        return False
    return {ANY: True, NOT_ZERO: value != 0, POSITIVE: value > 0, NOT_NEGATIVE: value >= 0}[rule]


# A check gets numbers that are finite.

Check = Callable[[Request, Standing, Limits], str]


def _listed(request: Request, standing: Standing, limits: Limits) -> str:
    if request.instrument in standing.instruments:
        return ""
    return f"it is none of the strategy's instruments, {', '.join(standing.instruments)}"


def _quantity(request: Request, standing: Standing, limits: Limits) -> str:
    shares = abs(float(request.quantity))
    if shares <= limits.max_order_quantity:
        return ""
    return f"the order's quantity {shares:,.9g} is above limits.max_order_quantity {limits.max_order_quantity:,.9g}"


def _value(request: Request, standing: Standing) -> float:
    """What the order is worth at the last close or at its own price, whichever is more."""
    return abs(float(request.quantity)) * max(float(request.price), float(standing.close))


def _notional(request: Request, standing: Standing, limits: Limits) -> str:
    value = _value(request, standing)
    if value <= limits.max_order_notional:
        return ""
    return f"the order's value {value:,.2f} is above limits.max_order_notional {limits.max_order_notional:,.2f}"


def _order_share(request: Request, standing: Standing, limits: Limits) -> str:
    value, equity = _value(request, standing), float(standing.equity)
    if value <= limits.max_order_share * equity or reduces(request.quantity, standing.held, standing.open_quantity):
        return ""
    return f"the order's value, {_share(value, equity)} of equity, is above limits.max_order_share {limits.max_order_share:.1%}"


def _position_share(request: Request, standing: Standing, limits: Limits) -> str:
    after, equity = abs(_after(request, standing)), float(standing.equity)
    value = after * max(float(request.price), float(standing.close))
    if value <= limits.max_position_share * equity or reduces(request.quantity, standing.held, standing.open_quantity):
        return ""
    return (
        f"the position after the fill, {_share(value, equity)} of equity, is above "
        f"limits.max_position_share {limits.max_position_share:.1%}"
    )


def _short(request: Request, standing: Standing, limits: Limits) -> str:
    after = _after(request, standing)
    if limits.allow_short or request.quantity > 0 or after >= 0:
        return ""
    return f"the position after the fill, {after:,.9g}, is below 0, and limits.allow_short is false"


def _volume(request: Request, standing: Standing, limits: Limits) -> str:
    share = abs(float(request.quantity)) / float(standing.average_volume)
    if share <= limits.max_volume_share:
        return ""
    return (
        f"the order's quantity, {share:.3%} of the average volume of {VOLUME_SESSIONS} sessions, is above "
        f"limits.max_volume_share {limits.max_volume_share:.3%}"
    )


def _collar(request: Request, standing: Standing, limits: Limits) -> str:
    apart = round(abs(float(request.price) / float(standing.close) - 1.0), 12)
    if apart <= limits.price_collar:
        return ""
    return (
        f"the price {float(request.price):,.9g} is {apart:.3%} from the last close {float(standing.close):,.9g}, above "
        f"limits.price_collar {limits.price_collar:.3%}"
    )


def _buying_power(request: Request, standing: Standing, limits: Limits) -> str:
    value, most = _value(request, standing), limits.max_buying_power_share * float(standing.buying_power)
    if request.quantity < 0 or value <= most:
        return ""
    return (
        f"the order's value {value:,.2f} is above {most:,.2f}, limits.max_buying_power_share "
        f"{limits.max_buying_power_share:.1%} of the buying power"
    )


def _duplicate(request: Request, standing: Standing, limits: Limits) -> str:
    if not standing.same_orders:
        return ""
    return f"{standing.same_orders:.0f} on the same side was sent for this open already, allowed: 0"


def _instrument_orders(request: Request, standing: Standing, limits: Limits) -> str:
    if standing.instrument_orders + 1 <= limits.max_orders_per_instrument:
        return ""
    return (
        f"{standing.instrument_orders:.0f} of its orders were sent for this open, one more is above "
        f"limits.max_orders_per_instrument {limits.max_orders_per_instrument}"
    )


def _account_orders(request: Request, standing: Standing, limits: Limits) -> str:
    if standing.account_orders + 1 <= limits.max_orders_per_day:
        return ""
    return (
        f"{standing.account_orders:.0f} orders of the account were sent for this open, one more is above "
        f"limits.max_orders_per_day {limits.max_orders_per_day}"
    )


def _data_age(request: Request, standing: Standing, limits: Limits) -> str:
    if standing.data_age_h <= limits.max_data_age_h:
        return ""
    return f"the last bar is {standing.data_age_h:,.1f} hours old, above limits.max_data_age_h {limits.max_data_age_h:,.1f}"


def _after(request: Request, standing: Standing) -> float:
    return float(standing.held) + float(standing.open_quantity) + float(request.quantity)


def _share(value: float, equity: float) -> str:
    return f"{value / equity if equity > 0 else math.inf:.1%}"


CHECKS: dict[str, Check] = {
    "instruments": _listed,
    "max_order_quantity": _quantity,
    "max_order_notional": _notional,
    "max_order_share": _order_share,
    "max_position_share": _position_share,
    "allow_short": _short,
    "max_volume_share": _volume,
    "price_collar": _collar,
    "max_buying_power_share": _buying_power,
    "one order a side": _duplicate,
    "max_orders_per_instrument": _instrument_orders,
    "max_orders_per_day": _account_orders,
    "max_data_age_h": _data_age,
}
"""Every check, by the key of `[limits]` that it keeps; two keep what is no key."""

SIZE = ("max_order_quantity", "max_order_notional", "max_volume_share")
"""What limits the size of an order as such."""
