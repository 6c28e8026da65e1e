"""A search: the same trials whether interrupted or not, no fit twice, nothing of the hold-out, and what it refuses."""

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nightdesk.errors import Misconfigured, OutOfSync, TryAgain
from nightdesk.performance.sharpe import expected_maximum_2014
from nightdesk.search import folds, run
from nightdesk.search.holdout import Openings
from nightdesk.search.run import Searched
from nightdesk.settings import CHECKOUT
from nightdesk.wiring.strategies import load_strategy
from schemas.bars import Bars
from tests.searching import bars_of, searched_in, settings_of, small_search
from tests.strategy_documents import Document, saved, with_key
from tests.unit.test_strategy_keys import SEARCH_KEYS


def fits_made(patch: pytest.MonkeyPatch) -> list[Any]:
    """The estimators that are fitted from here on, in this process."""
    made: list[Any] = []
    real = folds.new_estimator

    def counted(model: Any) -> Any:
        made.append(model)
        return real(model)

    patch.setattr(folds, "new_estimator", counted)
    return made


def require_same(one: Searched, other: Searched) -> None:
    assert [trial.values for trial in one.trials] == [trial.values for trial in other.trials]
    np.testing.assert_array_equal([trial.score for trial in one.trials], [trial.score for trial in other.trials])
    for left, right in zip(one.draws, other.draws, strict=True):
        np.testing.assert_array_equal(left.returns, right.returns)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    """Twenty-six trials, more than the sampler's random ones, without an interruption."""
    return searched_in(tmp_path_factory.mktemp("whole"), 26)


def test_a_killed_search_goes_on_with_the_same_trials(tmp_path: Path, whole: Searched) -> None:
    command = [sys.executable, "-m", "tests.searching", str(tmp_path), "26"]
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if int(line) >= 8:
                process.send_signal(signal.SIGKILL)
                break
    assert process.returncode == -signal.SIGKILL
    again = searched_in(tmp_path, 26)
    assert 0 < again.made < 26 == len(again.trials)
    require_same(whole, again)


def test_an_interrupted_search_goes_on_with_the_same_trials(tmp_path: Path, whole: Searched) -> None:
    def interrupt(done: int, of: int) -> None:
        if done == 22:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        searched_in(tmp_path, 26, tell=interrupt)
    again = searched_in(tmp_path, 26)
    assert again.made == 4
    require_same(whole, again)


def test_thresholds_cost_no_fit_and_a_known_fit_is_not_made_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = fits_made(monkeypatch)
    document = small_search(params={"model.params.C": [0.1, 1.0, 10.0]}, features=[], thresholds=[-0.1, 0.0, 0.1, 0.2])
    assert len(searched_in(tmp_path, 12, document).trials) == 12
    assert len(made) == 3 * 3  # values of C x folds
    made.clear()
    longer = small_search(params={"model.params.C": [0.1, 1.0, 10.0, 100.0]}, features=[], thresholds=[0.0, 0.05])
    assert len(searched_in(tmp_path, 8, longer).trials) == 8
    assert [model.params["C"] for model in made] == [100.0] * 3


def test_a_finite_space_is_tried_whole_and_no_configuration_twice(tmp_path: Path) -> None:
    document = small_search(params={"model.params.C": [0.1, 1.0, 10.0]})
    fewer = searched_in(tmp_path, 8, document)
    assert len({repr(draw.facts.values) for draw in fewer.draws}) == len(fewer.draws) == 4
    every = searched_in(tmp_path, 1000, document)
    assert len({repr(draw.facts.values) for draw in every.draws}) == len(every.draws) == 6
    assert every.draws[:4] != [] and every.trials[: len(fewer.trials)] == fewer.trials


def test_what_lies_in_the_hold_out_changes_no_trial(tmp_path: Path, whole: Searched) -> None:
    bars = bars_of()
    later = bars[Bars.session] >= pd.Timestamp(whole.begun.holdout_first)
    assert later.sum() == len(bars) - int(0.8 * len(bars))
    prices = [Bars.open, Bars.high, Bars.low, Bars.close]
    bars.loc[later, prices] = bars.loc[later, prices].iloc[::-1].to_numpy()
    other = searched_in(tmp_path, 4, bars=bars)
    assert other.trials == whole.trials[:4]
    assert max(whole.ground.rows.label_end) < np.datetime64(whole.begun.holdout_first)


def test_no_tested_row_touches_a_row_that_its_fit_has_seen(whole: Searched) -> None:
    ground = whole.ground
    tested = np.concatenate([fold.tests[0] for fold in ground.folds])
    assert sorted(tested) == list(range(len(ground.rows.session)))
    for fold in ground.folds:
        first, last = ground.rows.session[fold.tests[0]].min(), ground.rows.label_end[fold.tests[0]].max()
        begin, end = ground.rows.session[fold.train], ground.rows.label_end[fold.train]
        assert ((end < first) | (begin > last)).all()


def test_the_trial_is_what_the_simulation_of_its_predictions_earns(whole: Searched) -> None:
    trial, draw = whole.best, whole.draws[whole.best.draw]
    returns = draw.returns[trial.place]
    assert trial.sharpe == pytest.approx(returns.mean() / returns.std(ddof=1) * 252**0.5, rel=1e-12)
    assert trial.score == max(one.score for one in whole.trials)
    assert trial.accuracy == pytest.approx(np.mean(draw.accuracy[trial.place]))
    assert len(trial.fold_scores) == 3 and returns.shape == whole.ground.sessions.shape


def test_the_gates_count_every_trial(whole: Searched) -> None:
    gates = whole.evidence.gates
    assert gates["deflated Sharpe"].figures["n_trials"] == 26 == gates["overfitting"].figures["n_trials"]
    sharpes = np.array([trial.sharpe for trial in whole.trials]) / 252**0.5
    luck = sharpes.std(ddof=1) * expected_maximum_2014(26)
    assert gates["deflated Sharpe"].figures["sharpe_of_luck_per_session_2014"] == pytest.approx(luck)
    assert f"is expected to show {luck * 252**0.5:.2f} a year" in whole.conclusion
    assert ("and is not shown to be better" in whole.conclusion) is not gates["accuracy"].passed
    assert ("not shown to be more than luck" in whole.conclusion) is not gates["deflated Sharpe"].passed
    assert 1 <= whole.evidence.effective_trials <= 26
    assert "The luckiest of 26 worthless trials" in whole.conclusion and "is locked" in whole.conclusion


def test_a_search_that_never_trades_is_always_as_right_as_the_majority_of_a_falling_market(tmp_path: Path) -> None:
    """Prices upside down: most labels are down, and what never says up is the majority itself."""
    bars = bars_of()
    bars[[Bars.open, Bars.low, Bars.high, Bars.close]] = 1e6 / bars[[Bars.open, Bars.high, Bars.low, Bars.close]].to_numpy()
    made = searched_in(tmp_path, 2, small_search(params={}, features=[], thresholds=[1e5, 2e5]), bars)
    figures = made.evidence.gates["accuracy"].figures
    assert figures["accuracy"] == figures["baseline_accuracy"] == 1 - made.ground.rows.label.mean() > 0.5
    assert [trial.sharpe for trial in made.trials] == [0, 0] and made.evidence.effective_trials == 0
    assert "The deflated Sharpe ratio is not defined here: One trial or at least 10" in made.conclusion


def test_too_few_sessions_for_the_overfitting_gate_are_said(tmp_path: Path) -> None:
    document = with_key(small_search(folds=5, embargo_sessions=0), "model.min_train_sessions", 20)
    made = searched_in(tmp_path, 2, document, bars_of(40))
    assert "The probability of overfitting cannot be said: " in made.conclusion
    assert not made.evidence.gates["overfitting"].passed


def test_a_draw_below_the_median_is_given_up_after_a_fold(tmp_path: Path) -> None:
    made = searched_in(tmp_path, 24, small_search(prune=True))
    pruned = [trial for trial in made.trials if trial.state == "pruned"]
    assert pruned and all(np.isnan(trial.fold_scores[-1]) for trial in pruned)
    assert made.best.state == "complete"
    assert made.evidence.gates["deflated Sharpe"].figures["n_trials"] == 24


def test_a_score_by_accuracy_is_the_mean_of_the_folds(tmp_path: Path) -> None:
    made = searched_in(tmp_path, 6, small_search(score="accuracy"))
    assert all(trial.score == pytest.approx(np.mean(trial.fold_scores)) for trial in made.trials)


def test_the_challenger_is_the_strategy_with_the_values_of_the_best_trial(tmp_path: Path) -> None:
    made = searched_in(tmp_path, 6)
    here = settings_of(tmp_path)
    challenger = load_strategy("cheap_c1", here)
    assert challenger.model.params == {"C": made.best.values["model.params.C"]}
    assert challenger.features.columns == tuple(str(made.best.values["features.columns"]).split(", "))
    assert challenger.signal.threshold == made.best.threshold
    assert (challenger.account, challenger.search) == ("cheap_c1", None)
    assert challenger.limits == made.strategy.limits and challenger.capital == made.strategy.capital
    assert f"trial {made.best.number} of the search {made.begun.search_id}" in made.challenger.read_text()
    assert searched_in(tmp_path, 6).challenger == made.challenger
    made.challenger.write_text("name = 'mine'")
    assert searched_in(tmp_path, 6).challenger.name == "cheap_c2.toml"


def test_the_hold_out_is_opened_once_and_says_so_afterwards(tmp_path: Path) -> None:
    opened = searched_in(tmp_path, 6, open_holdout=True).opened
    assert opened is not None and opened.trials == 6 and opened.figures["total_return"] is not None
    later = searched_in(tmp_path, 8)
    assert later.opened == opened and opened.sentence in later.conclusion
    with pytest.raises(Misconfigured, match="a search opens it once"):
        searched_in(tmp_path, 8, open_holdout=True)
    another = searched_in(tmp_path, 6, small_search(seed=1))
    assert another.opened is None and f"{opened.sentence}, so its sessions are not unseen" in another.conclusion


def test_a_line_that_is_no_opening_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "holdouts.jsonl"
    path.write_text('{"opened_at": "2018-12-31"}\n')
    with pytest.raises(OutOfSync, match="has a line that is no opening"):
        Openings(path).load_openings()


def rewritten(bars: pd.DataFrame) -> pd.DataFrame:
    bars.loc[10, Bars.close] += 0.01
    return bars


def test_bars_that_changed_end_the_search_and_another_process_is_refused(tmp_path: Path) -> None:
    made = searched_in(tmp_path, 2)
    with run._alone(tmp_path / "home" / "searches" / made.begun.search_id), pytest.raises(TryAgain, match="another process"):
        searched_in(tmp_path, 2)
    with pytest.raises(Misconfigured, match=r"no longer those that the search .* began with on .*: another search\.seed"):
        searched_in(tmp_path, 4, bars=rewritten(bars_of()))


def rising(bars: pd.DataFrame) -> pd.DataFrame:
    """Closes that rise by a hundredth a session, far enough apart from nothing to look odd."""
    for column in (Bars.open, Bars.high, Bars.low, Bars.close):
        bars[column] = 1000.0 + np.arange(len(bars)) + {Bars.open: 0.1, Bars.high: 0.5, Bars.low: -0.5, Bars.close: 0.2}[column]
    return bars


BOTH_WAYS = with_key(with_key(small_search(thresholds=[-0.1, 0.0]), "signal.kind", "long_short"), "limits.allow_short", True)
REFUSED: list[tuple[str, Document, int, int, Callable[[pd.DataFrame], pd.DataFrame] | None]] = [
    (r"trials was 0, allowed: 1 or more", small_search(), 0, 420, None),
    (r"has no section \[search\]", with_key(small_search(), "search", None), 2, 420, None),
    (r"leaves nothing to choose", small_search(params={}, features=[], thresholds=[0.1]), 2, 420, None),
    (
        r"95 labelled sessions .* too few: one of 3 folds trains on \d+, model.min_train_sessions is 60",
        small_search(),
        2,
        120,
        None,
    ),
    (r"labels before the hold-out are all 1: nothing can be learnt", small_search(), 2, 420, rising),
    (r"model\.params\.C was -1, allowed", small_search(params={"model.params.C": [-1, 1.0]}), 2, 420, None),
    (r"model\.params\.D was 1, allowed", small_search(params={"model.params.D": [1, 2]}), 2, 420, None),
    (r"features\.columns was 'nothing'", small_search(features=[["nothing"], ["high_minus_low"]]), 2, 420, None),
    (r"allowed: low below high", small_search(params={"model.params.C": {"low": 2, "high": 1}}), 2, 420, None),
    (r"allowed: log with low above 0", small_search(params={"model.params.C": {"low": 0, "high": 1, "log": True}}), 2, 420, None),
    (r"allowed: keys as model\.params\.C", small_search(params={"capital": [1, 2]}), 2, 420, None),
    (r"search\.colour is not a key", small_search(colour=1), 2, 420, None),
    (r"tries model\.scaler = loud: input should be", small_search(params={"model.scaler": ["none", "loud"]}), 2, 420, None),
    (r"tries signal\.threshold = 1000000000\.0: input should be less", small_search(thresholds=[0.0, 1e9]), 2, 420, None),
    (r"tries signal\.threshold = -0\.1: .* 0 or more with signal\.kind", BOTH_WAYS, 2, 420, None),
    (r"search\.thresholds .* each alternative once", small_search(thresholds=[0.1, 0.1]), 2, 420, None),
]


@pytest.mark.parametrize(("sentence", "document", "trials", "sessions", "change"), REFUSED, ids=[row[0][:40] for row in REFUSED])
def test_what_cannot_be_searched_is_refused_in_a_sentence(
    sentence: str,
    document: Document,
    trials: int,
    sessions: int,
    change: Callable[[pd.DataFrame], pd.DataFrame] | None,
    tmp_path: Path,
) -> None:
    bars = bars_of(sessions)
    with pytest.raises(Misconfigured, match=sentence):
        searched_in(tmp_path, trials, document, change(bars) if change else bars)


def test_features_that_are_nan_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nightdesk.features import matrix

    monkeypatch.setitem(matrix.FEATURES, "high_minus_low", lambda prices: prices.high * np.nan)
    with pytest.raises(Misconfigured, match="of 335 rows NaN are high_minus_low in 335"):
        searched_in(tmp_path, 2)


def test_a_search_in_which_nothing_can_be_fitted_says_why(tmp_path: Path) -> None:
    unfit = {"model.params.l1_ratio": [1.0]}  # which the default solver cannot
    document = small_search(params=unfit, features=[], thresholds=[0.0, 0.1])
    with pytest.raises(Misconfigured, match=r"None of 1 draws could be fitted on all folds; the first: fold 1: the fit failed"):
        searched_in(tmp_path, 2, document)


def test_the_section_search_is_not_in_the_hash_of_what_trades(tmp_path: Path) -> None:
    here = settings_of(tmp_path)
    plain = load_strategy(saved(with_key(small_search(), "search", None), tmp_path / "a"), here)
    other = load_strategy(saved(small_search(), tmp_path / "b"), here)
    assert plain.sha256 == other.sha256
    assert plain.sha256 != load_strategy(saved(with_key(small_search(), "signal.threshold", 0.1), tmp_path / "c"), here).sha256


@pytest.mark.parametrize("key", SEARCH_KEYS)
def test_another_value_of_each_key_of_the_search_is_another_search(key: str, tmp_path: Path, whole: Searched) -> None:
    document = small_search(**{key: SEARCH_KEYS[key]})
    made = searched_in(tmp_path, 20 if key == "prune" else 4, document)
    assert made.begun.search_id != whole.begun.search_id
    assert [trial.score for trial in made.trials] != [trial.score for trial in whole.trials[: len(made.trials)]]
