"""What a search can draw: the `[search]` of a strategy file as Optuna's distributions, and a draw as a strategy again."""

import math
from collections.abc import Mapping
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from pydantic import ValidationError

from nightdesk.errors import Misconfigured
from nightdesk.learning.estimator import new_estimator
from schemas.search import Range, Search
from schemas.strategy import Strategy

COLUMNS = "features.columns"
THRESHOLD = "signal.threshold"
BETWEEN = ", "
Value = bool | int | float | str
Values = Mapping[str, Value]


def search_of(strategy: Strategy) -> Search:
    """The strategy's search. Raises `Misconfigured` where it has none, or one that leaves nothing to choose."""
    search = strategy.search
    if search is None:
        raise Misconfigured(f"The strategy file of {strategy.name} has no section [search]: it says what to try.")
    if not distributions(search) and len(search.thresholds) < 2:
        raise Misconfigured("[search] leaves nothing to choose: it needs params, two features or two thresholds.")
    return search


def distributions(search: Search) -> dict[str, BaseDistribution]:
    """What Optuna draws from, by key; thresholds are none of them: each draw is judged at all."""
    drawn: dict[str, BaseDistribution] = {key: _distribution(values) for key, values in search.params.items()}
    if search.features:
        drawn[COLUMNS] = CategoricalDistribution([BETWEEN.join(columns) for columns in search.features])
    return drawn


def thresholds(strategy: Strategy) -> tuple[float | None, ...]:
    """The thresholds that each fit is judged at: the search's, or the strategy's own."""
    found = search_of(strategy).thresholds
    return found or (strategy.signal.threshold,)


def size(search: Search) -> float:
    """How many different draws there are, infinite where a range is continuous."""
    return math.prod(_count(distribution) for distribution in distributions(search).values())


def grid(search: Search) -> dict[str, list[Value]]:
    """Every value of each key. The space is finite."""
    return {key: _every(distribution) for key, distribution in distributions(search).items()}


def configured(strategy: Strategy, values: Values, threshold: float | None) -> Strategy:
    """The strategy with the values of a draw, and without its search."""
    document: dict[str, Any] = strategy.model_dump(mode="json", exclude={"search"})
    for key, value in values.items():
        *tables, name = key.split(".")
        table = document
        for part in tables:
            table = table[part]
        table[name] = str(value).split(BETWEEN) if key == COLUMNS else value
    document["signal"]["threshold"] = threshold
    return Strategy.model_validate(document)


def require_usable(strategy: Strategy) -> None:
    """Raise `Misconfigured` where strategy or estimator do not take a threshold, an end of a range or a value of a list."""
    search = search_of(strategy)
    new_estimator(strategy.model)
    for threshold in search.thresholds:
        _usable(strategy, THRESHOLD, threshold)
    for key, values in search.params.items():
        for value in (values.low, values.high) if isinstance(values, Range) else values:
            new_estimator(_usable(strategy, key, value).model)


def _usable(strategy: Strategy, key: str, value: Value) -> Strategy:
    try:
        return configured(strategy, {key: value}, float(value) if key == THRESHOLD else None)
    except ValidationError as error:
        said = error.errors()[0]["msg"].removeprefix("Value error, ")
        raise Misconfigured(f"[search] tries {key} = {value}: {said[:1].lower()}{said[1:]}.") from None


def _distribution(values: Range | tuple[Value, ...]) -> BaseDistribution:
    if not isinstance(values, Range):
        return CategoricalDistribution(values)
    if values.whole:
        return IntDistribution(int(values.low), int(values.high), log=values.log, step=int(values.step or 1))
    return FloatDistribution(float(values.low), float(values.high), log=values.log, step=values.step)


def _count(distribution: BaseDistribution) -> float:
    if isinstance(distribution, FloatDistribution) and distribution.step is None:
        return math.inf
    return len(_every(distribution))


def _every(distribution: BaseDistribution) -> list[Value]:
    if isinstance(distribution, CategoricalDistribution):
        return [value for value in distribution.choices if value is not None]
    if isinstance(distribution, IntDistribution):
        return list(range(distribution.low, distribution.high + 1, distribution.step))
    if isinstance(distribution, FloatDistribution) and distribution.step is not None:
        return [distribution.low + place * distribution.step for place in range(_steps(distribution))]
    raise TypeError(f"{distribution} is continuous")


def _steps(distribution: FloatDistribution) -> int:
    """Optuna lowers `high` to the last step."""
    return round((distribution.high - distribution.low) / (distribution.step or 1)) + 1
