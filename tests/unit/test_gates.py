"""What each gate asks, with answers from elsewhere, and the words for what would be needed."""

import math
import re
import statistics
from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from nightdesk.errors import BadData, Misconfigured
from nightdesk.performance.gates import (
    accuracy_gate,
    challenger_gate,
    deflated_sharpe_gate,
    excess_return_gate,
    overfitting_gate,
    unseen,
)
from nightdesk.performance.sharpe import expected_maximum_2014, moments, probabilistic_sharpe_2012
from schemas.evidence import GateResult

RANDOM = np.random.default_rng(11)
MARKET = RANDOM.normal(0.0004, 0.01, 600)
OWN_NOISE = RANDOM.normal(0, 0.006, 600)
SESSIONS = pd.bdate_range("2020-01-06", periods=600).as_unit("ns")


def judged_wins(won: int, lost: int, agreed: int = 100, level: float = 0.05) -> GateResult:
    """The gate on rows of which the model alone is right on `won` and the baseline alone on `lost`."""
    labels = np.ones(won + lost + agreed, dtype=int)
    predicted = np.r_[np.ones(won, dtype=int), np.zeros(lost, dtype=int), np.ones(agreed, dtype=int)]
    baseline = np.r_[np.zeros(won, dtype=int), np.ones(lost + agreed, dtype=int)]
    return accuracy_gate(np.arange(len(labels)), labels, predicted, baseline, horizon_sessions=1, level=level)


@pytest.mark.parametrize(("won", "lost"), [(60, 40), (59, 41), (5, 0), (4, 0), (0, 3), (300, 250), (40, 60)])
def test_mcnemar_is_the_exact_binomial_test_of_scipy(won: int, lost: int) -> None:
    result, test = judged_wins(won, lost), stats.binomtest(won, won + lost, 0.5, alternative="greater")
    assert result.figures["p_value"] == pytest.approx(test.pvalue, rel=1e-9)
    assert result.bound == pytest.approx(test.proportion_ci(0.95, "exact").low, abs=1e-9)
    assert result.passed == (test.pvalue <= 0.05)
    assert result.passed == (result.bound >= result.limit) and result.limit == 0.5
    assert (result.n, result.figures["n_disagreements"], result.figures["n_disagreements_won"]) == (
        won + lost + 100,
        won + lost,
        won,
    )


def test_five_wins_of_five_pass_and_four_of_four_do_not() -> None:
    """2^-5 is below 0.05, 2^-4 is not."""
    assert judged_wins(5, 0).passed and not judged_wins(4, 0).passed


def test_a_model_that_always_says_the_majority_is_never_better() -> None:
    result = judged_wins(0, 0, agreed=500)
    assert not result.passed and math.isnan(result.bound)
    assert result.needed == "Days on which the model and the baseline disagree: there were none."


def test_needed_sessions_at_this_share_are_what_the_exact_test_asks() -> None:
    result = judged_wins(540, 460, agreed=0, level=0.001)
    assert not result.passed
    (more,) = re.findall(r"right on 540 of 1000 days of disagreement: .* about ([\d,]+) more sessions", result.needed)
    n = 1000 + int(more.replace(",", ""))
    assert stats.binomtest(math.ceil(0.54 * n), n, 0.5, alternative="greater").pvalue <= 0.001
    assert stats.binomtest(math.floor(0.54 * n * 0.98), round(n * 0.98), 0.5, alternative="greater").pvalue > 0.001


@pytest.mark.parametrize(("won", "lost", "words"), [(50, 50, "no number of sessions"), (5001, 4999, "more than a hundred years")])
def test_what_no_wait_would_bring_is_said(won: int, lost: int, words: str) -> None:
    assert words in judged_wins(won, lost).needed


def test_labels_that_overlap_are_judged_in_blocks_of_twice_their_length() -> None:
    labels = np.repeat(RANDOM.integers(0, 2, 60), 10)  # each outcome lasts ten sessions: 60 facts, not 600
    lucky = labels ^ np.repeat(np.r_[np.zeros(35, dtype=int), np.ones(25, dtype=int)], 10)
    baseline = np.tile([0, 1], 300)
    as_if_exact = accuracy_gate(SESSIONS, labels, lucky, baseline, horizon_sessions=1, level=0.05)
    in_blocks = accuracy_gate(SESSIONS, labels, lucky, baseline, horizon_sessions=10, level=0.05)
    assert as_if_exact.passed and not in_blocks.passed
    assert in_blocks.figures["block_sessions"] >= 20
    assert in_blocks.figures["accuracy_difference"] == pytest.approx(350 / 600 - (labels == baseline).mean())


def test_symbols_of_one_session_are_one_piece_of_evidence() -> None:
    """Ten symbols that move as one say no more than one of them."""
    labels, predicted = RANDOM.integers(0, 2, 600), RANDOM.integers(0, 2, 600)
    predicted[:60] = labels[:60]
    alone = accuracy_gate(SESSIONS, labels, predicted, np.ones(600, dtype=int), horizon_sessions=2, level=0.05)
    rows = np.repeat(np.arange(600), 10)
    together = accuracy_gate(
        SESSIONS[rows], labels[rows], predicted[rows], np.ones(6000, dtype=int), horizon_sessions=2, level=0.05
    )
    assert together.n == alone.n == 600
    assert together.bound == pytest.approx(alone.bound, abs=1e-12)


def test_a_bootstrap_on_too_few_sessions_is_not_attempted() -> None:
    ones = np.ones(40, dtype=int)
    short = accuracy_gate(np.arange(40), ones, ones, 1 - ones, horizon_sessions=5, level=0.05)
    assert not short.passed and math.isnan(short.bound) and short.needed.startswith("23 more sessions")
    long_labels = accuracy_gate(np.arange(90), *np.ones((3, 90), dtype=int), horizon_sessions=20, level=0.05)
    assert not long_labels.passed and long_labels.needed.startswith("30 more sessions")
    assert excess_return_gate(MARKET[:62], MARKET[:62], level=0.05).needed.startswith("1 more session")


@pytest.mark.parametrize("beta", [1.0, 2.0, 0.4])
def test_holding_the_benchmark_passes_no_gate_though_its_sharpe_ratio_is_sure(beta: float) -> None:
    rising = MARKET + 0.001
    assert probabilistic_sharpe_2012(moments(beta * rising)) > 0.95
    result = excess_return_gate(beta * rising, rising, level=0.05)
    assert not result.passed
    assert result.figures["beta"] == pytest.approx(beta)
    assert result.bound == pytest.approx(0, abs=1e-12)


def test_a_steady_excess_passes_and_its_costs_can_take_it_away() -> None:
    own = 0.8 * MARKET + OWN_NOISE - OWN_NOISE.mean() + 0.001
    assert excess_return_gate(own, MARKET, level=0.05).passed
    after_costs = excess_return_gate(own - 0.0009, MARKET, level=0.05)
    assert not after_costs.passed and "more sessions" in after_costs.needed
    assert "no number of sessions" in excess_return_gate(own - 0.002, MARKET, level=0.05).needed


def test_needed_sessions_of_a_return_are_those_that_pass_when_the_record_repeats() -> None:
    own = 0.8 * MARKET + OWN_NOISE - OWN_NOISE.mean() + 0.0002
    short = excess_return_gate(own, MARKET, level=0.05)
    (more,) = re.findall(r"about ([\d,]+) more sessions", short.needed)
    times = 1 + int(more.replace(",", "")) / 600
    assert not excess_return_gate(np.tile(own, int(0.8 * times)), np.tile(MARKET, int(0.8 * times)), level=0.05).passed
    assert excess_return_gate(np.tile(own, math.ceil(1.3 * times)), np.tile(MARKET, math.ceil(1.3 * times)), level=0.05).passed


def test_the_same_data_give_the_same_words_and_numbers() -> None:
    own = 0.8 * MARKET + OWN_NOISE
    assert excess_return_gate(own, MARKET, level=0.05) == excess_return_gate(pd.Series(own), pd.Series(MARKET), level=0.05)


def judged_challenger(challenger: np.ndarray, champion: np.ndarray, cut_offs: list[date]) -> GateResult:
    return challenger_gate(SESSIONS, champion, challenger, MARKET, cut_offs=cut_offs, purge_sessions=1, level=0.05)


def test_challenger_is_compared_on_sessions_that_neither_has_seen() -> None:
    champion, cut_offs = 0.5 * MARKET, [SESSIONS[99].date(), SESSIONS[49].date()]
    challenger = 0.9 * MARKET + OWN_NOISE - OWN_NOISE.mean() + 0.0008
    result = judged_challenger(challenger, champion, cut_offs)
    assert result.passed and result.n == 600 - 101
    assert result.figures["beta"] == pytest.approx(0.4, abs=0.05)
    assert result.figures["lower_per_year"] < result.figures["excess_per_year"] < result.figures["upper_per_year"]
    brilliant_when_fitted = challenger + np.where(np.arange(600) < 101, 0.5, 0)
    assert judged_challenger(brilliant_when_fitted, champion, cut_offs) == result
    assert judged_challenger(brilliant_when_fitted, champion, cut_offs[1:]) != result


def test_more_of_the_same_bet_is_no_better_than_the_champion() -> None:
    result = judged_challenger(2 * MARKET, MARKET, [date(2019, 12, 31)])
    assert not result.passed and result.figures["excess_per_year"] == pytest.approx(0, abs=1e-10)
    assert judged_challenger(MARKET, MARKET, [SESSIONS[580].date()]).needed.startswith("45 more sessions")


def test_unseen_sessions_begin_after_the_latest_cut_off_and_the_purge() -> None:
    six = SESSIONS[:6]
    assert unseen(six, [six[1].date(), six[0].date()], 2).tolist() == [False] * 4 + [True] * 2
    assert unseen(six, [date(2020, 1, 5)], 0).all()
    with pytest.raises(Misconfigured, match="cut_offs was"):
        unseen(six, [], 1)
    with pytest.raises(Misconfigured, match="purge_sessions was -1"):
        unseen(six, [date(2020, 1, 5)], -1)
    with pytest.raises(BadData, match="not in order"):
        unseen(six[::-1], [date(2020, 1, 5)], 1)


def judged_trials(n_trials: int, returns: np.ndarray) -> GateResult:
    sharpes = np.linspace(-0.05, 0.05, n_trials) if n_trials > 1 else np.array([0.05])
    return deflated_sharpe_gate(returns, sharpes, float(n_trials), level=0.05)


def test_more_trials_raise_what_luck_alone_would_show() -> None:
    returns = OWN_NOISE - OWN_NOISE.mean() + 0.0006
    alone, many, most = (judged_trials(n, returns) for n in (1, 20, 400))
    assert alone.passed and alone.bound == probabilistic_sharpe_2012(moments(returns))
    assert alone.bound > many.bound > most.bound and not most.passed
    assert alone.figures["sharpe_of_luck_per_session_2014"] == 0 < many.figures["sharpe_of_luck_per_session_2014"]
    luck = statistics.stdev(np.linspace(-0.05, 0.05, 400)) * expected_maximum_2014(400)
    assert most.figures["sharpe_of_luck_per_session_2014"] == pytest.approx(luck, rel=1e-12)
    assert "Bailey & López de Prado 2014" in alone.method


def test_what_a_sharpe_ratio_needs_is_said_in_sessions_or_in_size() -> None:
    luck = judged_trials(20, OWN_NOISE).figures["sharpe_of_luck_per_session_2014"]
    better = np.resize([1.0, -1.0], 400) * 0.01 + 0.01 * (luck + 0.03)
    close = judged_trials(20, better)
    (more,) = re.findall(r"about ([\d,]+) more sessions", close.needed)
    assert int(more.replace(",", "")) == math.ceil(close.figures["minimum_track_record_sessions_2012"] - 400)
    assert "which luck alone shows" in judged_trials(20, better - 0.0005).needed
    assert judged_trials(20, np.zeros(300)).needed == "Returns that vary: these do not."


@pytest.mark.parametrize("n_trials", [2, 9])
def test_two_to_nine_trials_have_no_deflated_sharpe_ratio(n_trials: int) -> None:
    result = judged_trials(n_trials, OWN_NOISE + 0.01)
    assert not result.passed and math.isnan(result.bound)
    assert result.needed == f"One trial or at least 10: for {n_trials} the deflated Sharpe ratio is not defined."


def test_overfitting_gate_passes_a_trial_that_stays_ahead_and_no_noise() -> None:
    trials = np.random.default_rng(12).normal(0, 0.01, (400, 20))
    assert not overfitting_gate(trials, n_blocks=8, level=0.05).passed
    trials[:, 7] += 0.01
    result = overfitting_gate(trials, n_blocks=8, level=0.05)
    assert result.passed and result.bound == 0 and result.figures["n_splits"] == 70


@pytest.mark.parametrize("level", [0.0, 0.5, -1, math.nan])
def test_a_level_that_is_no_error_rate_is_refused(level: float) -> None:
    with pytest.raises(Misconfigured, match="level was"):
        excess_return_gate(MARKET, MARKET, level=level)


def test_rows_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(BadData, match="one row of each"):
        accuracy_gate(SESSIONS, np.ones(599), np.ones(599), np.ones(599), horizon_sessions=1, level=0.05)
    with pytest.raises(Misconfigured, match="horizon_sessions was 0"):
        accuracy_gate([], [], [], [], horizon_sessions=0, level=0.05)
    with pytest.raises(BadData, match="one finite number each"):
        deflated_sharpe_gate(MARKET, [0.1, math.nan], 2, level=0.05)
