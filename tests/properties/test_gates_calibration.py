"""Gates set at 5 % let noise through about that often, and an edge that is there most of the time.

18 of 200 is what a gate with an error of exactly 5 % exceeds once in 170 times; seeds are fixed.
"""

from collections.abc import Callable

import numpy as np
import pytest

from nightdesk.performance.gates import accuracy_gate, challenger_gate, excess_return_gate, overfitting_gate
from schemas.evidence import GateResult

AT_MOST, OF = 18, 200
Gate = Callable[[np.random.Generator], GateResult]


def market(random: np.random.Generator, n: int) -> np.ndarray:
    """Returns with fat tails and a drift, as a stock index has them."""
    return random.standard_t(4, n) * 0.007 + 0.0004


def coin(random: np.random.Generator) -> GateResult:
    """Labels and predictions from a fair coin each, judged on single sessions."""
    labels, predicted = random.integers(0, 2, (2, 1006))
    return accuracy_gate(np.arange(1006), labels, predicted, np.ones(1006, dtype=int), horizon_sessions=1, level=0.05)


def persistent_guess(random: np.random.Generator, horizon: int = 10, n: int = 504) -> GateResult:
    """Labels that overlap for ten sessions, predictions that change every ten: neighbours are right and wrong together."""
    walk = np.cumsum(random.normal(size=n + horizon))
    labels = (walk[horizon:] > walk[:-horizon]).astype(int)
    predicted = np.cumsum(random.random(n) < 0.1) % 2
    return accuracy_gate(np.arange(n), labels, predicted, np.ones(n, dtype=int), horizon_sessions=horizon, level=0.05)


def coin_in_the_market(random: np.random.Generator) -> GateResult:
    """In or out of a rising market, with a coin: earns, but no more than its beta does."""
    returns = market(random, 252)
    return excess_return_gate(random.integers(0, 2, 252) * returns, returns, level=0.05)


def slow_coin_in_the_market(random: np.random.Generator) -> GateResult:
    """The same for weeks at a time, long or short."""
    returns = market(random, 252)
    return excess_return_gate((np.cumsum(random.random(252) < 0.05) % 2 * 2 - 1) * returns, returns, level=0.05)


def two_coins(random: np.random.Generator) -> GateResult:
    returns = market(random, 252)
    champion, challenger = random.integers(0, 2, (2, 252)) * returns
    sessions = np.datetime64("2020-01-01") + np.arange(252)
    before = [sessions[0].astype(object)]
    return challenger_gate(sessions, champion, challenger, returns, cut_offs=before, purge_sessions=1, level=0.05)


def search_through_noise(random: np.random.Generator) -> GateResult:
    return overfitting_gate(random.normal(size=(240, 20)), n_blocks=8, level=0.05)


@pytest.mark.parametrize(
    "gate", [coin, persistent_guess, coin_in_the_market, slow_coin_in_the_market, two_coins, search_through_noise]
)
def test_of_200_worthless_strategies_at_most_18_pass(gate: Gate) -> None:
    assert sum(gate(np.random.default_rng([1, seed])).passed for seed in range(OF)) <= AT_MOST


def planted_labels(random: np.random.Generator, n: int) -> tuple[np.ndarray, np.ndarray]:
    """Fair labels and predictions of them that are right with a probability of 0.58."""
    labels = random.integers(0, 2, n)
    return labels, np.where(random.random(n) < 0.58, labels, 1 - labels)


def test_an_edge_of_58_percent_over_1006_days_passes_the_accuracy_gate_in_80_of_100() -> None:
    def passed(seed: int) -> bool:
        labels, predicted = planted_labels(np.random.default_rng([2, seed]), 1006)
        return accuracy_gate(np.arange(1006), labels, predicted, np.ones(1006, int), horizon_sessions=1, level=0.05).passed

    assert sum(passed(seed) for seed in range(100)) >= 80


def test_an_edge_of_58_percent_over_1006_days_passes_the_return_gate_in_24_of_30() -> None:
    def passed(seed: int) -> bool:
        random = np.random.default_rng([3, seed])
        labels, predicted = planted_labels(random, 1006)
        returns = np.abs(market(random, 1006)) * (2 * labels - 1)
        return excess_return_gate(predicted * returns - 0.0002, returns, level=0.05).passed

    assert sum(passed(seed) for seed in range(30)) >= 24
