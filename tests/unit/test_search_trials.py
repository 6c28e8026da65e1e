"""A search counts its trials in the trial ledger, once; what they say of its challenger is what they are."""

from contextlib import closing
from datetime import UTC, date, datetime
from pathlib import Path

import numpy as np
import pytest

from nightdesk.backtest.evidence import append_evidence
from nightdesk.backtest.run import run_backtest
from nightdesk.errors import Misconfigured
from nightdesk.performance.gates import overfitting_gate
from nightdesk.performance.trials import unpacked_returns
from nightdesk.search.challenger import save_challenger
from nightdesk.search.run import Searched
from nightdesk.search.space import configured
from nightdesk.wiring.orders import open_ledger
from nightdesk.wiring.strategies import load_strategy
from schemas.evidence import Trial
from schemas.strategy import Strategy
from tests.searching import searched_in, settings_of, small_search, unheard
from tests.strategy_documents import seed, with_key

AT = datetime(2019, 1, 2, 21, 30, tzinfo=UTC)


def kept_trials(folder: Path, made: Searched) -> list[Trial]:
    with closing(open_ledger("paper", settings_of(folder))) as ledger:
        return ledger.trials_of_search(made.begun.search_id)


def by_configuration(made: Searched) -> dict[str, np.ndarray]:
    """The returns of each trial, from the second session on, by its configuration."""
    return {
        configured(made.strategy, trial.values, trial.threshold).config_sha256: made.draws[trial.draw].returns[trial.place][1:]
        for trial in made.trials
    }


def test_each_trial_is_counted_once_with_its_returns_and_more_trials_are_added(tmp_path: Path) -> None:
    made = searched_in(tmp_path, 10)
    rows = kept_trials(tmp_path, made)
    wanted = by_configuration(made)
    assert len(rows) == len(wanted) == 10 and {row.config_sha256 for row in rows} == set(wanted)
    sessions = made.ground.sessions
    for row in rows:
        np.testing.assert_allclose(unpacked_returns(row), wanted[row.config_sha256], rtol=1e-6)
        assert (row.first, row.last, row.n_sessions) == (sessions[1].date(), sessions[-1].date(), len(sessions) - 1)
        assert (row.origin, row.strategy, row.target_sha256) == ("search", "cheap", made.strategy.target_sha256)
    assert kept_trials(tmp_path, searched_in(tmp_path, 10)) == rows
    more = searched_in(tmp_path, 12)
    assert len(kept_trials(tmp_path, more)) == 12 and [row for row in kept_trials(tmp_path, more) if row in rows] == rows


def test_a_backtest_of_the_challenger_is_shown_to_the_overfitting_gate_and_adds_no_trial(tmp_path: Path) -> None:
    made, here = searched_in(tmp_path, 10), settings_of(tmp_path)
    challenger = load_strategy("cheap_c1", here)
    wanted = by_configuration(made)
    best = made.draws[made.best.draw].returns[made.best.place][1:]
    np.testing.assert_array_equal(wanted[challenger.config_sha256], best)
    played = run_backtest("cheap_c1", date(2018, 12, 3), None, None, here, unheard)
    with closing(open_ledger("paper", here)) as ledger:
        gates = {gate.name: gate for gate in append_evidence(played, ledger, AT).evidence}
        counted = ledger.trials_of(challenger.target_sha256)
    table = np.stack(list(wanted.values()), axis=1)
    expected = overfitting_gate(table, n_blocks=16, level=0.05)
    assert gates["overfitting"].bound == pytest.approx(expected.bound, abs=1e-3)
    assert gates["overfitting"].figures["n_trials"] == 10 == gates["deflated Sharpe"].figures["n_trials"] == len(counted)
    assert {row.config_sha256 for row in counted} == set(wanted)


def test_what_was_pruned_counts_with_the_sessions_it_was_judged_on_and_what_failed_does_not(tmp_path: Path) -> None:
    made = searched_in(tmp_path / "pruned", 24, small_search(prune=True))
    pruned = [trial for trial in made.trials if trial.state == "pruned"]
    rows = {row.config_sha256: row for row in kept_trials(tmp_path / "pruned", made)}
    assert len(rows) == 24 and pruned
    for trial in pruned:
        row = rows[configured(made.strategy, trial.values, trial.threshold).config_sha256]
        folds = sum(not np.isnan(score) for score in trial.fold_scores)
        judged = made.ground.sessions[made.ground.fold_of < folds][1:]
        assert (row.first, row.last, row.n_sessions) == (judged[0].date(), judged[-1].date(), len(judged))
        assert row.sharpe * 252**0.5 == pytest.approx(trial.sharpe, rel=0.02, abs=0.02)
    unfit = small_search(params={"model.params.l1_ratio": [0.0, 1.0]}, features=[])  # the default solver takes the first alone
    half = searched_in(tmp_path / "unfit", 4, unfit)
    assert [trial.state for trial in half.trials] in (["complete"] * 2 + ["failed"] * 2, ["failed"] * 2 + ["complete"] * 2)
    assert len(kept_trials(tmp_path / "unfit", half)) == 2
    assert half.evidence.gates["deflated Sharpe"].figures["n_trials"] == 2


OWN_CODE = "def gap(prices):\n    return prices.open / prices.close.shift(1) - 1\n"


def test_the_challenger_of_a_strategy_with_own_code_has_it_beside_and_can_be_played(tmp_path: Path) -> None:
    (tmp_path / "cheap.py").write_text(OWN_CODE)
    document = with_key(small_search(params={}, features=[]), "features.columns", ["own.gap", "high_minus_low"])
    made, here = searched_in(tmp_path, 2, document), settings_of(tmp_path)
    assert (made.challenger.name, made.challenger.with_suffix(".py").read_text()) == ("cheap_c1.toml", OWN_CODE)
    challenger = load_strategy("cheap_c1", here)
    assert challenger.own_code == OWN_CODE
    assert challenger.config_sha256 in {row.config_sha256 for row in kept_trials(tmp_path, made)}
    played = run_backtest("cheap_c1", date(2018, 12, 27), None, None, here, unheard)
    assert played.strategy == challenger and [fit.status for fit in played.walk.fits] == ["passed"]


def a_winner(**changes: object) -> Strategy:
    return Strategy.model_validate({**seed(), **changes})


def test_code_that_bears_the_challengers_name_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "cheap_c1.py").write_text("mine = 1\n")
    plain, own = a_winner(), a_winner(own_code=OWN_CODE)
    assert save_challenger(own, [], tmp_path).name == save_challenger(own, [], tmp_path).name == "cheap_c2.toml"
    assert save_challenger(plain, [], tmp_path).name == "cheap_c3.toml"
    assert (tmp_path / "cheap_c1.py").read_text() == "mine = 1\n"
    (tmp_path / "cheap_c2.toml").unlink()  # as one leaves it that was cut off between the two files
    assert save_challenger(own, [], tmp_path).name == "cheap_c2.toml"
    (tmp_path / "cheap_c2.py").write_text("mine = 2\n")
    assert save_challenger(own, [], tmp_path).name == "cheap_c4.toml"
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_a_challenger_has_no_account_number_and_a_name_that_fits(tmp_path: Path) -> None:
    numbered = a_winner(broker={"name": "alpaca", "account": "shared", "account_number": "PA1"}, capital=1000.5)
    text = save_challenger(numbered, ["Says:\nwhat it is"], tmp_path).read_text()
    assert text.startswith("# Says:\n# what it is\n")
    found = load_strategy("cheap_c1", settings_of(tmp_path).model_copy(update={"strategies": tmp_path}))
    assert (found.account, found.broker.account_number, found.capital) == ("cheap_c1", None, numbered.capital)
    assert found.config_sha256 == numbered.config_sha256
    with pytest.raises(Misconfigured, match=r"name was .*, allowed: a name that a{38}_c1 leaves within 40 letters"):
        save_challenger(a_winner(name="a" * 38), [], tmp_path)
    assert save_challenger(a_winner(name="a" * 37), [], tmp_path).stem == "a" * 37 + "_c1"
