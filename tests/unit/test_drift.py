"""The stability index, what chance gives of it, and the distance from a training range, against values worked out elsewhere."""

import math

import numpy as np
import pytest

from nightdesk.learning.drift import Drift, chance_bound, drift_of, drift_of_shares, outlying, stability_index, still_moved


def test_the_index_is_the_sum_over_bins_by_hand() -> None:
    # shares 0.5, 0.3, 0.2 become 0.4, 0.3, 0.3: -0.1 ln(0.8) + 0 + 0.1 ln(1.5) = 0.0223144 + 0.0405465
    assert stability_index([50, 30, 20], [40, 30, 30]) == pytest.approx(0.0628609, abs=1e-7)
    assert stability_index([5, 5], [50, 50]) == 0.0


def test_an_empty_bin_counts_as_half_a_case() -> None:
    # 0.5 / 10 against 5 / 10, and 10 / 10 against 5 / 10
    assert stability_index([5, 5], [0, 10]) == pytest.approx(-0.45 * math.log(0.1) + 0.5 * math.log(2))


def test_the_same_values_have_no_drift_and_shifted_ones_have() -> None:
    trained = np.random.default_rng(1).normal(size=5000)
    assert drift_of(trained, trained).word == "stable"
    assert drift_of(trained, trained[:500] + 1.0).word == "moved"
    assert math.isnan(drift_of(trained, []).index)


def test_values_that_are_all_equal_are_one_bin_and_others_beyond_them_another() -> None:
    assert drift_of(np.ones(100), np.ones(50)).index == 0.0
    assert drift_of(np.ones(100), np.full(50, 2.0)).word == "moved"


def test_chance_alone_exceeds_its_bound_in_one_of_a_hundred_cases() -> None:
    # chi-square of 9 degrees of freedom is above 21.666 in 1 % of the cases (any table of it)
    assert chance_bound(10, 1e12, 63) == pytest.approx(21.666 / 63, rel=1e-4)
    random = np.random.default_rng(11)
    trained = random.normal(size=2000)
    found = [drift_of(trained, random.normal(size=200)) for _ in range(2000)]
    assert 0.005 < np.mean([one.index > one.chance for one in found]) < 0.03


def test_what_chance_gives_is_not_called_moved() -> None:
    words = [Drift(index, 0.3).word for index in (0.05, 0.28, 0.31)]
    assert words == ["stable", "within chance", "moved"]
    assert [Drift(index, 0.01).word for index in (0.2, 0.26)] == ["moved a little", "moved"]


def test_shares_are_compared_as_two_bins() -> None:
    found = drift_of_shares(0.5, 1000, 0.8, 50)
    assert found.index == pytest.approx(0.3 * math.log(1.6) - 0.3 * math.log(0.4))
    assert found.word == "moved"


def test_the_distance_is_from_the_range_in_robust_deviations() -> None:
    # median 3, absolute deviations 2 1 0 1 2: median 1; the range is 1 to 5
    trained = np.array([[1.0], [2.0], [3.0], [4.0], [5.0]])
    far = outlying(trained, [[5.0], [1.0], [5.0 + 2 * 1.4826], [1.0 - 1.4826]])
    assert far.ravel() == pytest.approx([0.0, 0.0, 2.0, 1.0])


def test_beyond_values_that_are_mostly_equal_everything_is_infinitely_far() -> None:
    assert outlying([[1.0], [1.0], [1.0], [2.0]], [[2.0], [1.0], [2.5]]).ravel().tolist() == [0.0, 0.0, math.inf]


def test_what_was_told_is_forgotten_once_it_is_stable_again() -> None:
    drift = {"inputs": {"a": {"word": "moved a little"}, "b": {"word": "stable"}}, "predictions": {}}
    assert still_moved(drift, ["a", "b", "predictions"]) == ["a", "predictions"]
    assert still_moved({}, ["a"]) == ["a"], "no model may trade today: nothing is known"
