"""A session's profit beside the one that its model expected, and the difference in parts that add up to it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from schemas.records import CashEvent, Fill, PositionEvent

PARTS: Final = ("data", "decision", "timing", "slippage", "fees", "skipped", "outside")
"""The parts of a gap, in the order of the report."""
NOTHING: Final = Decimal(0)
OF_FILLS: Final = ("trade", "commission")
OF_FEES: Final = ("fee", "interest", "rounding")
Money = Mapping[str, Decimal]


@dataclass(frozen=True, slots=True)
class Modelled:
    """What an order comes to at an open by the model: signed `quantity`, `price` with slippage, `commission`."""

    quantity: Decimal
    price: Decimal
    commission: Decimal

    def gain(self, close: Decimal) -> Decimal:
        """What it is worth at a close, less what it cost."""
        return self.quantity * (close - self.price) - self.commission


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """One session of a book, as it was and as the model has it. Mappings are by instrument.

    `profit` is that of the marks, without flows; `held` was held at the close before; `before` and `closes` are the closes on
    today's bars, the earlier in shares of its own session. `shares` and `paid` are what splits and dividends of the session's
    bars come to. `now` is what the model makes of the decision recomputed, `then` of the one that was made, `done` of the
    quantities that were filled of `own`, the orders of that decision. An instrument without an open is in none of them.
    """

    profit: Decimal
    held: Money
    before: Money
    closes: Money
    positions: Sequence[PositionEvent] = ()
    cash: Sequence[CashEvent] = ()
    fills: Sequence[Fill] = ()
    own: frozenset[str] = frozenset()
    now: Mapping[str, Modelled] = field(default_factory=dict)
    then: Mapping[str, Modelled] = field(default_factory=dict)
    done: Mapping[str, Modelled] = field(default_factory=dict)
    shares: Money = field(default_factory=dict)
    paid: Decimal = NOTHING


def expected_profit(played: Played) -> Decimal:
    """What the session would have made: the holdings from close to close, splits and dividends, and the recomputed decision's
    orders filled at the open by the model."""
    return _carried(played) + _actions(played) + _gain(played.now, played.closes)


def gap_parts(played: Played) -> dict[str, Decimal]:
    """The profit less the expected one, in `PARTS`.

    data: closes that were restated since the book was marked. decision: it would be another one now. skipped: what was not
    filled of the orders. slippage: fill prices beside the model's. fees: commissions beside the model's, other fees, cents.
    timing: what was filled, paid or split in another session than the model's. outside: what a person or the broker did beside
    the desk. They add up to the gap, but for the rounding of Decimal at 28 digits.
    """
    own = [fill for fill in played.fills if fill.order_id in played.own and fill.instrument in played.done]
    late = [fill for fill in played.fills if fill not in own]
    closes, then, done = played.closes, _gain(played.then, played.closes), _gain(played.done, played.closes)
    model_price = {name: made.price for name, made in played.done.items()}
    parts = {
        "data": played.profit - _revalued(played),
        "decision": then - _gain(played.now, closes),
        "timing": sum((_earned(fill, closes) for fill in late), NOTHING) + _booked_actions(played) - _actions(played),
        "slippage": sum((fill.quantity * (model_price[fill.instrument] - fill.price) for fill in own), NOTHING),
        "fees": _charged_more(played, own) + _cash(played, OF_FEES) + _cents(played),
        "skipped": done - then,
        "outside": _shares_worth(played, ("transfer", "adoption", "delisting")) + _cash(played, ("adoption",)),
    }
    return {name: parts[name] for name in PARTS}


def _gain(made: Mapping[str, Modelled], closes: Money) -> Decimal:
    return sum((row.gain(closes[name]) for name, row in made.items()), NOTHING)


def _carried(played: Played) -> Decimal:
    """What was held, from close to close."""
    return sum((quantity * (played.closes[name] - played.before[name]) for name, quantity in played.held.items()), NOTHING)


def _actions(played: Played) -> Decimal:
    return sum((quantity * played.closes[name] for name, quantity in played.shares.items()), NOTHING) + played.paid


def _booked_actions(played: Played) -> Decimal:
    return _shares_worth(played, ("split",)) + _cash(played, ("dividend", "split"))


def _revalued(played: Played) -> Decimal:
    """The profit of what happened, at the closes of today's bars."""
    worth = sum((event.quantity * played.closes[event.instrument] for event in played.positions), NOTHING)
    return _carried(played) + worth + sum((event.amount for event in played.cash if event.kind != "deposit"), NOTHING)


def _earned(fill: Fill, closes: Money) -> Decimal:
    return fill.quantity * (closes[fill.instrument] - fill.price) - fill.commission


def _charged_more(played: Played, own: Iterable[Fill]) -> Decimal:
    """The model's commissions less those that were charged."""
    modelled = sum((made.commission for made in played.done.values()), NOTHING)
    return modelled - sum((fill.commission for fill in own), NOTHING)


def _cents(played: Played) -> Decimal:
    """What the payments differ from the fills: the rounding to nine places."""
    owed = sum((fill.quantity * fill.price + fill.commission for fill in played.fills), NOTHING)
    return _cash(played, OF_FILLS) + owed


def _cash(played: Played, kinds: Sequence[str]) -> Decimal:
    return sum((event.amount for event in played.cash if event.kind in kinds), NOTHING)


def _shares_worth(played: Played, kinds: Sequence[str]) -> Decimal:
    return sum((row.quantity * played.closes[row.instrument] for row in played.positions if row.kind in kinds), NOTHING)
