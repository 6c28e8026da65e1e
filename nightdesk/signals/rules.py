"""The rules by name. A rule is a class of parameters with a method that makes target weights: nightdesk/signals/rule.py."""

import numpy as np
import pandas as pd
from pydantic import ValidationError

from nightdesk.errors import BadData, Misconfigured
from nightdesk.signals.buy_and_hold import BuyAndHold
from nightdesk.signals.mean_reversion import MeanReversion
from nightdesk.signals.momentum_top_k import MomentumTopK
from nightdesk.signals.moving_average_cross import MovingAverageCross
from nightdesk.signals.rule import Prices, RuleParams
from schemas.strategy import Strategy

RULES: dict[str, type[RuleParams]] = {
    "buy_and_hold": BuyAndHold,
    "moving_average_cross": MovingAverageCross,
    "momentum_top_k": MomentumTopK,
    "mean_reversion": MeanReversion,
}
OWN_RULE = "own"
"""The rule that is a function of the strategy's own file; it takes any parameter."""
ROUNDING = 1e-9


def require_rule(strategy: Strategy) -> None:
    """Raise `Misconfigured` where a strategy names a rule or a parameter that does not exist, or a value out of its range."""
    if strategy.rule is not None and strategy.rule.name != OWN_RULE:
        rule_of(strategy)


def rule_of(strategy: Strategy) -> RuleParams:
    """The rule of a strategy with its parameters. Raises `Misconfigured` as `require_rule`."""
    named = strategy.rule
    if named is None or named.name not in RULES:
        raise Misconfigured.value("rule.name", named.name if named else None, ", ".join([*RULES, OWN_RULE]))
    kind = RULES[named.name]
    try:
        made = kind.model_validate(named.params)
    except ValidationError as error:
        raise Misconfigured(f"{'; '.join(_sentence(row, kind) for row in error.errors())}.", rule=named.name) from None
    side = getattr(made, "side", "long_flat")
    if side == "long_short" and not strategy.limits.allow_short:
        raise Misconfigured.value("rule.params.side", side, "long_flat, or limits.allow_short = true with it")
    return made


def rule_weights(strategy: Strategy, prices: Prices, members: pd.DataFrame) -> pd.DataFrame:
    """Target weights of a strategy's rule, sessions x instruments, as the prices are. Row t is known at the close of t.

    Raises `Misconfigured` as `require_rule`, and as `allowed_weights`.
    """
    return allowed_weights(strategy, rule_of(strategy).weights(strategy, prices, members), prices, members)


def allowed_weights(strategy: Strategy, made: pd.DataFrame, prices: Prices, members: pd.DataFrame) -> pd.DataFrame:
    """What a rule made, as it is traded: NaN, hold, where an instrument has no bar; 0 where it is no member.

    Raises `BadData` and `Misconfigured` where the rule wants what the strategy does not allow.
    """
    wanted = made.reindex_like(prices.close).where(prices.close.notna()).where(members, 0.0)
    _require_allowed(strategy, wanted)
    return wanted


def _require_allowed(strategy: Strategy, wanted: pd.DataFrame) -> None:
    named, weights = strategy.rule.name if strategy.rule else "", wanted.to_numpy(dtype=float)
    gross = np.nansum(np.abs(weights), axis=1)
    if len(over := np.flatnonzero(~(gross <= 1.0 + ROUNDING))):
        day = wanted.index[over[0]]
        raise BadData(
            f"The weights that {named} wants on {day:%Y-%m-%d} sum to {gross[over[0]]:.4g} in absolute value, allowed: at most 1."
        )
    if not strategy.limits.allow_short and (short := np.argwhere(weights < 0)).size:
        row, column = short[0]
        least = f"{named} wants {weights[row, column]:g} of {wanted.columns[column]} on {wanted.index[row]:%Y-%m-%d}"
        raise Misconfigured(f"{least}, a short position, and limits.allow_short is false.")


def _sentence(row: object, kind: type[RuleParams]) -> str:
    found = dict(row)  # type: ignore[call-overload]  # pydantic's details of an error are a dict
    key = ".".join(["rule.params", *(str(part) for part in found["loc"])])
    message = str(found["msg"]).removeprefix("Value error, ")
    if found["type"] == "extra_forbidden":
        return f"{key} is not a parameter of the rule, allowed: {', '.join(kind.model_fields) or 'none'}"
    if not found["loc"]:
        return f"rule.params.{message}"
    return f"{key} was {found['input']!r}, allowed: {message[:1].lower()}{message[1:]}"
