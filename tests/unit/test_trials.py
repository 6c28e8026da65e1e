"""Trials are counted once for each configuration; what they say of a record follows from the published formulas."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from nightdesk.backtest.evidence import append_evidence
from nightdesk.backtest.report import conclusion
from nightdesk.ledger.store import Ledger
from nightdesk.performance.sharpe import deflated_sharpe_2014, moments, probabilistic_sharpe_2012
from nightdesk.performance.trials import deflated_gate, search_gate, trial_of, unpacked_returns
from schemas.evidence import GateResult, Trial, gate_document, gate_of
from schemas.strategy import Strategy
from tests.strategy_documents import seed, with_key
from tests.unit.test_backtest import backtested

AT = datetime(2026, 1, 2, 21, 30, tzinfo=UTC)
START = date(2018, 10, 15)
FIRST, LAST = date(2017, 1, 3), date(2018, 12, 31)
N = 500


def noise(seed_number: int, mean: float = 0.0) -> np.ndarray:
    return np.random.default_rng(seed_number).normal(mean, 0.01, N)


def a_trial(number: int = 0, returns: np.ndarray | None = None, **changes: Any) -> Trial:
    strategy = Strategy.model_validate(with_key(seed(), "model.params", {"C": 1.0 + number}))
    made = trial_of(
        strategy, noise(number) if returns is None else returns, first=FIRST, last=LAST, origin="backtest", evaluated_at=AT
    )
    return replace(made, **changes)


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "paper.sqlite")


def test_the_same_configuration_over_the_same_sessions_is_no_new_trial(ledger: Ledger) -> None:
    for trial in (a_trial(), a_trial(evaluated_at=AT + timedelta(days=1)), a_trial(1)):
        ledger.append_trials([trial])
    assert ledger.trials_of(a_trial().target_sha256) == sorted((a_trial(), a_trial(1)), key=lambda trial: trial.config_sha256)


def test_a_configuration_over_other_sessions_or_in_a_search_counts_once_by_its_longest_record(ledger: Ledger) -> None:
    longer = a_trial(last=date(2019, 1, 2), n_sessions=N + 1, sharpe=0.1)
    searched = a_trial(origin="search", search_id="s1")
    for trial in (longer, a_trial(), searched):
        ledger.append_trials([trial])
    assert ledger.trials_of(longer.target_sha256) == [longer]
    assert ledger.trials_of_search("s1") == [searched]
    assert ledger.trials_of_configuration(longer.config_sha256) == [a_trial(), searched, longer]
    assert ledger.trials_of("another") == []


@pytest.mark.parametrize("change", ["update trials set sharpe = 3", "delete from trials"])
def test_a_trial_is_never_changed_nor_removed(ledger: Ledger, change: str) -> None:
    ledger.append_trials([a_trial()])
    with pytest.raises(sa.exc.IntegrityError, match="trials are never changed"), ledger.engine.begin() as connection:
        connection.exec_driver_sql(change)
    assert ledger.trials_of(a_trial().target_sha256) == [a_trial()]


@pytest.mark.parametrize(
    ("key", "value", "configuration", "target"),
    [
        ("name", "another", False, False),
        ("capital", 5.0, False, False),
        ("broker.execution", "confirm", False, False),
        ("costs.slippage_bps", 3.0, True, False),
        ("limits.max_daily_loss", 0.05, True, False),
        ("gate.require", ["accuracy"], True, False),
        ("target.horizon_sessions", 5, True, True),
        ("market.source", "csvdir", True, True),
        ("market.instruments.signal", "^IXIC", True, True),
    ],
)
def test_what_makes_another_configuration_and_another_target(key: str, value: object, configuration: bool, target: bool) -> None:
    was, now = Strategy.model_validate(seed()), Strategy.model_validate(with_key(seed(), key, value))
    assert (was.config_sha256 != now.config_sha256, was.target_sha256 != now.target_sha256) == (configuration, target)


def test_returns_are_kept_to_float32() -> None:
    np.testing.assert_allclose(unpacked_returns(a_trial()), noise(0), rtol=1e-7)
    assert unpacked_returns(a_trial(returns=np.zeros(3))).tolist() == [0, 0, 0]
    assert a_trial(returns=np.zeros(3)).sharpe == 0.0
    assert unpacked_returns(replace(a_trial(), returns=b"")).tolist() == []


def test_a_single_trial_is_judged_by_the_probabilistic_sharpe_ratio() -> None:
    good = noise(7, 0.002)
    own = a_trial(7, good)
    gate = deflated_gate(own, good, [own], level=0.05)
    assert gate.bound == pytest.approx(probabilistic_sharpe_2012(moments(good)), rel=1e-12)
    assert gate.passed and gate.figures["n_trials"] == gate.figures["effective_trials"] == 1


def test_trials_raise_the_bar_and_few_of_them_leave_it_undefined() -> None:
    good = noise(7, 0.002)
    own = a_trial(100, good)
    others = [a_trial(number) for number in range(30)]
    few, many = (deflated_gate(own, good, [own, *others[:count]], level=0.05) for count in (5, 30))
    sharpes = [own.sharpe, *(trial.sharpe for trial in others)]
    assert math.isnan(few.bound) and not few.passed
    assert many.bound == pytest.approx(deflated_sharpe_2014(moments(good), 31, float(np.var(sharpes, ddof=1))), rel=1e-9)
    assert many.figures["n_trials"] == 31 and 25 < many.figures["effective_trials"] <= 31


def test_copies_are_one_effective_trial_and_what_ran_over_other_sessions_counts_in_full() -> None:
    same = noise(1)
    copies = [a_trial(number, same) for number in range(12)]
    figures = deflated_gate(copies[0], same, copies, level=0.05).figures
    assert figures["n_trials"] == 12 and figures["effective_trials"] == pytest.approx(1)
    elsewhere = [*copies[:6], *(replace(trial, last=date(2019, 1, 2)) for trial in copies[6:])]
    assert deflated_gate(copies[0], same, elsewhere, level=0.05).figures["effective_trials"] == pytest.approx(7)


def test_the_own_record_counts_as_it_is_now_and_once() -> None:
    good = noise(7, 0.002)
    own = a_trial(7, good)
    shorter = replace(own, first=date(2018, 1, 2), n_sessions=250, sharpe=0.9)
    assert deflated_gate(own, good, [shorter], level=0.05).figures["n_trials"] == 1


def test_a_search_of_noise_overfits_and_one_with_an_edge_does_not() -> None:
    searched = [a_trial(number) for number in range(20)]
    noisy = search_gate(searched[3], searched, level=0.05)
    better = a_trial(99, noise(99, 0.004))
    edged = search_gate(better, [*searched, better], level=0.05)
    assert noisy and not noisy.passed and noisy.bound > 0.2
    assert edged and edged.passed and edged.bound < 0.01 and edged.figures["n_trials"] == 21


def test_nothing_is_said_of_a_search_that_did_not_try_it_or_is_too_small() -> None:
    searched = [a_trial(number) for number in range(3)]
    assert search_gate(a_trial(9), searched, level=0.05) is None
    assert search_gate(searched[0], searched[:1], level=0.05) is None
    short = [a_trial(number, noise(number)[:31]) for number in range(3)]
    assert search_gate(short[0], short, level=0.05) is None


def test_trials_that_never_traded_or_kept_no_returns_count_in_full() -> None:
    good, flat = noise(7, 0.002), np.zeros(N)
    own, idle, silent = a_trial(7, good), a_trial(1, flat), replace(a_trial(2), returns=b"")
    counted = deflated_gate(own, good, [own, idle, silent], level=0.05).figures
    assert (counted["n_trials"], counted["effective_trials"]) == (3, 3)
    nothing = deflated_gate(idle, flat, [idle, silent], level=0.05)
    assert nothing.figures["effective_trials"] == 2 and not nothing.passed


def test_the_overfitting_of_a_search_compares_the_trials_over_the_same_sessions() -> None:
    """A pruned trial has fewer sessions; what kept no returns cannot be compared."""
    searched = [a_trial(number) for number in range(12)]
    pruned = replace(a_trial(50, noise(50)[:200]), last=date(2018, 1, 2))
    alone = search_gate(searched[3], searched, level=0.05)
    also = search_gate(searched[3], [pruned, *searched], level=0.05)
    assert alone and also and also.figures["n_trials"] == 12 and also.bound == alone.bound
    silent = replace(a_trial(70), returns=b"")
    assert search_gate(searched[3], [*searched, silent], level=0.05) == alone
    assert search_gate(searched[0], [searched[0], silent], level=0.05) is None


def test_the_newest_search_that_tried_a_configuration_says_whether_it_overfits(tmp_path: Path, ledger: Ledger) -> None:
    made = backtested(tmp_path, start=START)
    former, newest = ([a_trial(number) for number in range(first, last)] for first, last in ((0, 12), (20, 28)))
    own = trial_of(made.strategy, noise(99), first=FIRST, last=LAST, origin="search", evaluated_at=AT, search_id="")
    for place, (name, rows) in enumerate((("b", former), ("a", newest))):
        at = AT + timedelta(days=place)
        ledger.append_trials([replace(row, origin="search", search_id=name, evaluated_at=at) for row in (*rows, own)])
    gates = {gate.name: gate for gate in append_evidence(made, ledger, AT).evidence}
    assert gates["overfitting"].figures["n_trials"] == 9
    assert gates["deflated Sharpe"].figures["n_trials"] == 21
    (row,) = [row for row in ledger.trials_of_configuration(made.strategy.config_sha256) if row.origin == "backtest"]
    assert (row.first, row.n_sessions) == (made.equity["session"].iloc[1].date(), len(made.equity) - 1)
    kept = ledger.evidence_of(made.strategy.config_sha256)
    assert kept and (kept.first, kept.last, kept.bars_sha256) == (made.first, made.last, made.bars_sha256)


def test_a_backtest_of_one_session_is_a_trial_without_a_return(tmp_path: Path, ledger: Ledger) -> None:
    day = date(2018, 11, 20)
    made = append_evidence(backtested(tmp_path, start=day, end=day), ledger, AT)
    (row,) = ledger.trials_of(made.strategy.target_sha256)
    assert (row.first, row.last, row.n_sessions, row.sharpe) == (day, day, 0, 0.0)
    assert made.evidence[2].figures["effective_trials"] == 1 and not made.evidence[2].passed


def test_a_gate_as_a_document_is_the_gate() -> None:
    gate = GateResult("accuracy", "m", False, 3, math.nan, 0.5, {"a": math.nan, "b": 0.25}, "more")
    assert gate_document(gate)["bound"] is None and gate_document(gate)["figures"] == {"a": None, "b": 0.25}
    assert str(gate_of(gate_document(gate))) == str(gate)


def test_a_backtest_is_a_trial_once_and_the_next_configuration_is_another(tmp_path: Path, ledger: Ledger) -> None:
    made = append_evidence(backtested(tmp_path, start=START), ledger, AT)
    append_evidence(backtested(tmp_path, start=START), ledger, AT)
    dearer = append_evidence(backtested(tmp_path, with_key(seed(), "costs.slippage_bps", 5.0), start=START), ledger, AT)
    assert [gate.name for gate in made.evidence] == ["accuracy", "excess return", "deflated Sharpe"]
    assert [one.evidence[2].figures["n_trials"] for one in (made, dearer)] == [1, 2]
    assert len(ledger.trials_of(made.strategy.target_sha256)) == 2
    kept = ledger.evidence_of(made.strategy.config_sha256)
    assert kept and list(kept.gates) == [gate_document(gate) for gate in made.evidence]
    assert "No other configuration was tried for this target" in conclusion(made)
    assert "2 configurations were tried for this target: what luck shows among so few is not defined" in conclusion(dearer)
