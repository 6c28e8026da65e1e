"""Probability of backtest overfitting: Bailey, Borwein, Lopez de Prado & Zhu 2017, J. Computational Finance 20(4)."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import rankdata

from nightdesk.errors import BadData, Misconfigured
from nightdesk.performance.overfitting import overfitting


def noise(seed: int, n_sessions: int = 160, n_trials: int = 12) -> np.ndarray:
    return np.random.default_rng(seed).normal(scale=0.01, size=(n_sessions, n_trials))


def logits_by_the_definition(trials: np.ndarray, n_blocks: int) -> list[float]:
    """The paper's steps 1 to 6 as written, a split at a time."""
    blocks = np.split(trials, n_blocks)
    found = []
    for chosen in itertools.combinations(range(n_blocks), n_blocks // 2):
        inside = np.concatenate([blocks[number] for number in chosen])
        outside = np.concatenate([blocks[number] for number in range(n_blocks) if number not in chosen])
        best = np.argmax(inside.mean(0) / inside.std(0, ddof=1))
        share = rankdata(outside.mean(0) / outside.std(0, ddof=1))[best] / (trials.shape[1] + 1)
        found.append(np.log(share / (1 - share)))
    return found


@pytest.mark.parametrize(("n_blocks", "n_splits"), [(4, 6), (8, 70), (10, 252), (16, 12_870)])
def test_every_half_of_the_blocks_is_in_sample_once(n_blocks: int, n_splits: int) -> None:
    assert len(overfitting(noise(1), n_blocks).logits) == n_splits


@pytest.mark.parametrize("n_blocks", [2, 6, 8])
def test_logits_are_those_of_the_definition(n_blocks: int) -> None:
    trials = noise(2, n_sessions=96) + 0.0005
    assert overfitting(trials, n_blocks).logits == pytest.approx(logits_by_the_definition(trials, n_blocks), abs=1e-12)


def test_a_trial_that_is_always_best_is_not_overfitted() -> None:
    trials = noise(3)
    trials[:, 5] += 0.02
    found = overfitting(trials, 8)
    assert found.probability == 0
    assert found.logits == pytest.approx(np.full(70, np.log(12)))  # rank 12 of 12: w = 12 / 13


def test_what_is_best_in_sample_and_always_worst_after_is_overfitted_surely() -> None:
    """Every trial sums to nothing over all blocks, so that what it won in one half it loses in the other."""
    by_block = np.random.default_rng(4).normal(scale=0.01, size=(8, 9))
    by_block -= by_block.mean(axis=0)
    trials = np.repeat(by_block, 20, axis=0) + np.tile([1.0, -1.0], 80)[:, None]
    assert overfitting(trials, 8).probability == 1


def test_noise_is_overfitted_about_half_the_time() -> None:
    """The mean of many; a single search of noise scatters by 0.14 and more around it."""
    assert np.mean([overfitting(noise(seed, 400, 30), 8).probability for seed in range(100)]) == pytest.approx(0.5, abs=0.05)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000))
def test_order_of_the_trials_does_not_matter(seed: int) -> None:
    trials = noise(seed)
    shuffled = trials[:, np.random.default_rng(seed).permutation(trials.shape[1])]
    assert overfitting(shuffled, 6).probability == overfitting(trials, 6).probability


def test_copies_of_one_trial_are_all_in_the_middle() -> None:
    found = overfitting(np.tile(np.array([[0.5], [0.25], [-0.5], [0.125]] * 8), 5), 4)
    assert (found.logits == 0).all() and found.probability == 1


def test_a_trial_that_never_trades_counts_as_nothing_gained() -> None:
    losing = noise(5) - 0.05
    losing[:, 3] = 0
    assert overfitting(losing, 8).probability == 0


def test_oldest_sessions_that_do_not_fill_the_blocks_are_left_out() -> None:
    trials = noise(6, n_sessions=163)
    found = overfitting(trials, 8)
    assert found.n_sessions == 160
    assert np.array_equal(found.logits, overfitting(trials[3:], 8).logits)


def test_memory_stays_bounded_for_many_trials(monkeypatch: pytest.MonkeyPatch) -> None:
    """Splits are taken in portions: any size of portion gives the same answer."""
    whole = overfitting(noise(7), 8)
    monkeypatch.setattr("nightdesk.performance.overfitting.CELLS_AT_ONCE", 12 * 9)
    assert overfitting(noise(7), 8).logits == pytest.approx(whole.logits, abs=1e-12)


@pytest.mark.parametrize("n_blocks", [3, 0, 22])
def test_a_number_of_blocks_without_halves_is_refused(n_blocks: int) -> None:
    with pytest.raises(Misconfigured, match=f"n_blocks was {n_blocks}"):
        overfitting(noise(8), n_blocks)


@pytest.mark.parametrize(
    ("trials", "sentence"),
    [
        (noise(9, n_trials=1), "2 trials or more"),
        (noise(9, n_sessions=31), "had 31 sessions, allowed: 32 or more for 16 blocks"),
        (np.where(np.arange(160)[:, None] == 3, np.nan, noise(9)), "12 returns of the trials were not finite"),
    ],
)
def test_trials_that_cannot_be_ranked_are_refused(trials: np.ndarray, sentence: str) -> None:
    with pytest.raises(BadData, match=sentence):
        overfitting(trials)
