"""A challenger takes the champion's place only with evidence from sessions that neither has seen, and can be taken back."""

import os
import signal
import subprocess
import sys
import tomllib
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nightdesk.cli.models import promote, rollback
from nightdesk.day.compared import Comparison, compared
from nightdesk.day.models import models_document
from nightdesk.day.promotion import finish_replacement, require_enough, sha256_of
from nightdesk.errors import Misconfigured, OutOfSync, TryAgain
from nightdesk.ledger.lock import only_writer
from nightdesk.performance.trials import trial_of
from nightdesk.settings import CHECKOUT, Settings
from nightdesk.wiring.orders import account_lock, new_book, open_ledger
from nightdesk.wiring.promoted import promoted_text
from nightdesk.wiring.strategies import load_strategy
from schemas.evidence import Evidence, GateResult, Replacement, gate_document
from schemas.records import Mark, Mode
from schemas.strategy import LEARNT, Signal, Strategy
from tests.ledgers import a_decision, append_fits

SEED = (CHECKOUT / "strategies" / "sp500_svc.toml").read_text()
OTHER = SEED.replace('name = "sp500_svc"', 'name = "rival"').replace("train_fraction = 0.8  ", "train_fraction = 0.7  ")
OWN_CODE = "def x(prices):\n    return prices.close\n"
AT = datetime(2018, 12, 31, 22, 0, tzinfo=UTC)
DAYS = [stamp.date() for stamp in pd.bdate_range("2017-01-03", periods=220)]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    folder = tmp_path / "strategies"
    folder.mkdir()
    (folder / "sp500_svc.toml").write_text(SEED)
    (folder / "rival.toml").write_text(OTHER)
    made = Settings(home=tmp_path / "home", strategies=folder)
    monkeypatch.setattr("nightdesk.settings.settings", lambda: made)
    return made


def played(here: Settings, name: str, better: float, days: list[date] = DAYS, fits: bool = True) -> None:
    """A paper book of a strategy: noise around its benchmark, and so much more a session; fitted once on its first day."""
    strategy = load_strategy(name, here)
    book = new_book(strategy, "paper")
    market = np.random.default_rng(1).normal(0, 0.01, len(days))
    own = market + np.random.default_rng(len(name)).normal(better, 0.002, len(days))
    equity, held = 100_000 * np.cumprod(1 + own), 100_000 * np.cumprod(1 + market)
    money = [(Decimal(f"{one:.2f}"), Decimal(f"{other:.2f}")) for one, other in zip(equity, held, strict=True)]
    rows = zip(days, money, strict=True)
    marks = [Mark(book.book_id, day, one, Decimal(0), one, Decimal(0), other) for day, (one, other) in rows]
    with closing(open_ledger("paper", here)) as ledger:
        append_fits(ledger, strategy, {days[0]: ""} if fits else {})
        ledger.append_marks(marks)


def file_of(here: Settings) -> str:
    return (here.strategies_dir / "sp500_svc.toml").read_text()


def rows_of(here: Settings) -> list[Replacement]:
    with closing(open_ledger("paper", here)) as ledger:
        return ledger.replacements(str((here.strategies_dir / "sp500_svc.toml").resolve()))


def test_a_better_challenger_takes_the_place_and_a_rollback_gives_it_back(here: Settings) -> None:
    played(here, "sp500_svc", 0.0)
    played(here, "rival", 0.001)
    promote("rival", "sp500_svc", yes=True)
    now = tomllib.loads(file_of(here))
    assert now["model"]["train_fraction"] == 0.7 and now["name"] == "sp500_svc"
    assert "# New York Stock Exchange" in file_of(here)
    (row,) = rows_of(here)
    gate: Any = row.evidence["gate"]
    assert (row.kind, row.reason, row.former, row.new) == ("promotion", "", SEED, file_of(here)) and row.finished_at
    assert row.evidence["sessions"] == gate["n"] == len(DAYS) - 2 and gate["passed"]
    assert (here.home / "strategies" / f"{sha256_of(SEED)}.toml").read_text() == SEED
    rollback("sp500_svc", yes=True)
    assert file_of(here) == SEED
    assert [row.kind for row in rows_of(here)] == ["promotion", "rollback"]
    with pytest.raises(Misconfigured, match="Nothing to roll back"):
        rollback("sp500_svc", yes=True)


@pytest.mark.parametrize(
    ("better", "days", "said"),
    [
        (0.0, DAYS, "can not be shown to be better"),
        (0.001, DAYS[:40], "38 sessions that neither has seen were played by both, wanted: 63"),
        (0.001, [], "they have no session in common on paper"),
    ],
)
def test_without_evidence_nothing_changes_unless_a_person_says_why(
    here: Settings, better: float, days: list[date], said: str
) -> None:
    played(here, "sp500_svc", 0.0)
    if days:
        played(here, "rival", better, days)
    with pytest.raises(Misconfigured, match=f"{said}.*--override"):
        promote("rival", "sp500_svc", yes=True)
    assert file_of(here) == SEED and rows_of(here) == []
    promote("rival", "sp500_svc", override="the vendor ends the old feature", yes=True)
    assert rows_of(here)[0].reason == "the vendor ends the old feature" and file_of(here) != SEED


def test_sessions_that_a_search_has_seen_do_not_count(here: Settings) -> None:
    played(here, "sp500_svc", 0.0)
    played(here, "rival", 0.001)
    champion, rival = load_strategy("sp500_svc", here), load_strategy("rival", here)
    trial = trial_of(rival, np.zeros(3), first=DAYS[0], last=DAYS[99], origin="search", evaluated_at=AT, search_id="s")
    with closing(open_ledger("paper", here)) as ledger:
        ledger.append_trials([replace(trial, origin="backtest", search_id="", last=DAYS[150])])
        assert len(compared(champion, rival, ledger).sessions) == len(DAYS) - 2
        ledger.append_trials([trial])
        found = compared(champion, rival, ledger)
    assert found.sessions[0] == DAYS[101] and len(found.sessions) == len(DAYS) - 101
    require_enough(found, 119)
    with pytest.raises(Misconfigured, match="119 sessions that neither has seen were played by both, wanted: 120"):
        require_enough(found, 120)


def ruled(name: str, slow: int) -> str:
    """A rule of moving averages in the seed's market, with its costs."""
    parts = [part for part in SEED.split("\n[") if part.partition("]")[0].partition(".")[0] not in LEARNT]
    text = "\n[".join([*parts, f'rule]\nname = "moving_average_cross"\nparams = {{fast_sessions = 5, slow_sessions = {slow}}}\n'])
    return text.replace('name = "sp500_svc"', f'name = "{name}"')


def marked(here: Settings, name: str, days: list[date], better: float = 0.0) -> Comparison:
    """How a rule compares with the champion, once it has a paper book on these days."""
    played(here, name, better, days, fits=False)
    champion, rival = load_strategy("sp500_svc", here), load_strategy("rival", here)
    with closing(open_ledger("paper", here)) as ledger:
        return compared(champion, rival, ledger)


def test_rules_are_compared_after_the_first_session_of_the_later_book_without_a_purge(here: Settings) -> None:
    (here.strategies_dir / "sp500_svc.toml").write_text(ruled("sp500_svc", 200))
    (here.strategies_dir / "rival.toml").write_text(ruled("rival", 100))
    assert marked(here, "sp500_svc", DAYS).sessions == ()
    found = marked(here, "rival", DAYS[10:], better=0.001)
    assert (found.purge_sessions, found.cut_offs) == (0, (DAYS[0], DAYS[10]))
    assert found.sessions == tuple(DAYS[11:]) and found.gate is not None and found.gate.n == len(DAYS) - 11
    other = ruled("rival", 100).replace("[market]", '[market]\nmembership = "members.csv"')
    (here.strategies_dir / "rival.toml").write_text(other)
    with pytest.raises(Misconfigured, match=r"market\.membership of rival is not that of sp500_svc"):
        promote("rival", "sp500_svc", override="because", yes=True)


def test_one_mark_is_no_session_to_compare_on(here: Settings) -> None:
    played(here, "sp500_svc", 0.0)
    played(here, "rival", 0.0, DAYS[-1:])
    with closing(open_ledger("paper", here)) as ledger:
        found = compared(load_strategy("sp500_svc", here), load_strategy("rival", here), ledger)
    assert (found.sessions, found.gate) == ((), None)


def test_what_the_newest_backtests_showed_stands_beside_in_words(here: Settings) -> None:
    champion, rival = load_strategy("sp500_svc", here), load_strategy("rival", here)
    gates = [gate_document(GateResult("accuracy", "m", passed, 9, 0.6, 0.5, {}, "")) for passed in (True, False)]
    row = Evidence(rival.config_sha256, rival.target_sha256, "rival", DAYS[0], DAYS[9], "", gates, AT)
    with closing(open_ledger("paper", here)) as ledger:
        ledger.append_evidence(row)
        found = compared(champion, rival, ledger)
    said = f"rival: backtest from {DAYS[0]} to {DAYS[9]}: accuracy passed, accuracy not passed"
    assert found.backtests == ("sp500_svc: no backtest on record", said)


def test_beside_a_model_a_rule_waits_for_the_models_label(here: Settings) -> None:
    (here.strategies_dir / "rival.toml").write_text(ruled("rival", 100))
    (here.strategies_dir / "sp500_svc.toml").write_text(SEED.replace("horizon_sessions = 1", "horizon_sessions = 5"))
    played(here, "sp500_svc", 0.0)
    found = marked(here, "rival", DAYS)
    assert (found.purge_sessions, found.sessions[0]) == (5, DAYS[6])


def decided(here: Settings, strategy: Strategy, days: list[date]) -> None:
    """The decisions of a paper book on these days, as that strategy made them."""
    book = new_book(strategy, "paper")
    with closing(open_ledger("paper", here)) as ledger:
        for day in days:
            named = f"{day:%Y%m%d}{book.book_id}".encode().hex()[:64].ljust(64, "0")
            row = replace(a_decision(named, day), book_id=book.book_id, envelope={"strategy": strategy.model_dump(mode="json")})
            ledger.commit_decision(row, [])


def test_what_a_book_earned_under_another_configuration_does_not_count(here: Settings) -> None:
    played(here, "sp500_svc", 0.0)
    played(here, "rival", 0.001)
    champion, rival = load_strategy("sp500_svc", here), load_strategy("rival", here)
    former = champion.model_copy(update={"signal": Signal(threshold=0.1)})
    decided(here, rival, [DAYS[0], DAYS[99]])
    decided(here, champion, [DAYS[0]])
    decided(here, former, [DAYS[20], DAYS[98]])
    decided(here, champion.model_copy(update={"capital": Decimal(-1)}), [DAYS[99]])  # a document that is no strategy any more
    with closing(open_ledger("paper", here)) as ledger:
        assert compared(champion, rival, ledger).sessions == ()  # the newest decision is another configuration's
    decided(here, champion, [DAYS[100], DAYS[150]])
    with closing(open_ledger("paper", here)) as ledger:
        found = compared(champion, rival, ledger)
        assert found.cut_offs == (DAYS[0], DAYS[100], DAYS[0], DAYS[0]) and found.sessions == tuple(DAYS[102:])
        other = rival.model_copy(update={"model": rival.model.model_copy(update={"train_fraction": 0.6})})
        assert compared(champion, other, ledger).gate is None  # no fit by its keys


def test_what_trades_something_else_or_is_the_same_is_refused(here: Settings) -> None:
    rival = here.strategies_dir / "rival.toml"
    rival.with_suffix(".py").write_text(OWN_CODE)
    for text, said in (
        (OTHER.replace('source = "sample"', 'source = "yahoo"'), "market.source of rival is not that of sp500_svc"),
        (OTHER.replace('"SPXSIM"', '"OTHER"'), "market.instruments of rival is not that of sp500_svc"),
        (SEED, "another strategy than the champion"),
        (OTHER.replace("commission_bps = 1.0", "commission_bps = 0.0"), r"\[costs\] of rival is not that of sp500_svc"),
        (OTHER.replace("buffer = 0.02", "buffer = 0.5"), r"\[sizing\] of rival is not that of sp500_svc"),
        (OTHER.replace("max_position_share = 1.0", "max_position_share = 2.0"), r"\[limits\] of rival is not that of"),
        (OTHER.replace("[features]\ncolumns = [", '[features]\ncolumns = ["own.x", '), "rival has code of its own, rival.py"),
        (SEED.replace('"sp500_svc"', '"rival"', 1), "learns with the same keys"),
    ):
        rival.write_text(text)
        with pytest.raises(Misconfigured, match=said):
            promote("rival", "sp500_svc", override="because", yes=True)
    assert file_of(here) == SEED and rows_of(here) == []


def test_a_file_edited_since_is_not_rolled_back_over(here: Settings) -> None:
    promote("rival", "sp500_svc", override="because", yes=True)
    edited = file_of(here).replace("capital = 100000", "capital = 50000")
    (here.strategies_dir / "sp500_svc.toml").write_text(edited)
    with pytest.raises(Misconfigured, match="was edited since the promotion of rival"):
        rollback("sp500_svc", yes=True)
    assert file_of(here) == edited


def test_a_champion_with_code_of_its_own_is_given_back_with_it(here: Settings) -> None:
    path = here.strategies_dir / "sp500_svc.toml"
    own = SEED.replace("[features]\ncolumns = [", '[features]\ncolumns = ["own.x", ')
    path.write_text(own)
    path.with_suffix(".py").write_text(OWN_CODE)
    promote("rival", "sp500_svc", override="because", yes=True)
    assert file_of(here) != own
    rollback("sp500_svc", yes=True)
    assert file_of(here) == own and load_strategy("sp500_svc", here).own_code == OWN_CODE


def test_nobody_promotes_while_a_day_runs_or_without_the_name(here: Settings) -> None:
    with pytest.raises(Misconfigured, match="Nobody can type the name here"):
        promote("rival", "sp500_svc", override="because")
    modes: tuple[Mode, ...] = ("paper", "live")
    for mode in modes:
        lock = account_lock(load_strategy("sp500_svc", here), mode)
        with only_writer(here.home / "locks", lock), pytest.raises(TryAgain, match="A day of the account"):
            promote("rival", "sp500_svc", override="because", yes=True)
    assert file_of(here) == SEED and rows_of(here) == []


def test_two_promotions_are_taken_back_one_after_the_other(here: Settings) -> None:
    assert finish_replacement("sp500_svc", here) == "" and not here.home.exists()
    promote("rival", "sp500_svc", override="because", yes=True)
    first = file_of(here)
    (here.strategies_dir / "rival.toml").write_text(OTHER.replace("train_fraction = 0.7", "train_fraction = 0.6"))
    promote("rival", "sp500_svc", override="because", yes=True)
    kept = {path.read_text() for path in (here.home / "strategies").iterdir()}
    assert kept == {SEED, first, file_of(here)} and len(kept) == 3
    for former in (first, SEED):
        rollback("sp500_svc", yes=True)
        assert file_of(here) == former
    with pytest.raises(Misconfigured, match="Nothing to roll back"):
        rollback("sp500_svc", yes=True)


def test_what_would_be_no_strategy_is_not_written(here: Settings) -> None:
    """A search is for a model, and the challenger is a rule."""
    searching = SEED + "\n[search]\nthresholds = [0.0, 0.1]\n"
    (here.strategies_dir / "sp500_svc.toml").write_text(searching)
    (here.strategies_dir / "rival.toml").write_text(ruled("rival", 100))
    with pytest.raises(Misconfigured, match=r"\[search\] is for a model"):
        promote("rival", "sp500_svc", override="because", yes=True)
    assert file_of(here) == searching and rows_of(here) == []


KILLED = """
import os, signal, sys
from pathlib import Path
from nightdesk.cli.models import promote
from nightdesk.ledger.store import Ledger
from nightdesk.settings import settings
append = Ledger.append_replacement
def then_die(self, row):
    append(self, row)
    os.kill(os.getpid(), signal.SIGKILL)
Ledger.append_replacement = then_die
promote("rival", "sp500_svc", override="because", yes=True)
"""


def test_a_promotion_killed_between_row_and_file_is_finished_at_the_next_start(here: Settings) -> None:
    places = {"NIGHTDESK_HOME": str(here.home), "NIGHTDESK_STRATEGIES": str(here.strategies_dir)}
    died = subprocess.run([sys.executable, "-c", KILLED], env={**os.environ, **places}, cwd=CHECKOUT, timeout=120, check=False)
    assert died.returncode == -signal.SIGKILL
    (row,) = rows_of(here)
    assert file_of(here) == SEED and row.finished_at is None
    assert "was interrupted and is finished now" in finish_replacement("sp500_svc", here)
    assert file_of(here) == row.new and rows_of(here)[0].finished_at
    assert finish_replacement("sp500_svc", here) == ""


def test_a_file_edited_after_an_interrupted_promotion_is_left_alone_and_named(here: Settings) -> None:
    promote("rival", "sp500_svc", override="because", yes=True)
    with closing(open_ledger("paper", here)) as ledger:
        ledger.append_replacement(replace(rows_of(here)[0], finished_at=None))
    (here.strategies_dir / "sp500_svc.toml").write_text(SEED + "# mine\n")
    with pytest.raises(OutOfSync, match="was edited after a promotion that was interrupted"):
        finish_replacement("sp500_svc", here)
    assert file_of(here) == SEED + "# mine\n"


def test_sections_are_taken_over_whole_and_the_rest_keeps_its_comments() -> None:
    own = "a = 1  # one\n[features]\nx = [\n 1,\n]\n[model]\ny = 2\n[model.params]\nC = 3\n[costs]\nz = 4  # four\n"
    other = "a = 9\n[costs]\nz = 5\n[features]\nx = 6\n[gate]\ng = 7\n"
    made = promoted_text(own, other)
    assert tomllib.loads(made) == {"a": 1, "features": {"x": 6}, "gate": {"g": 7}, "costs": {"z": 4}}
    assert "# one" in made and "# four" in made
    with pytest.raises(Misconfigured, match="cannot be told apart by their headers"):
        promoted_text(own, "model.y = 3\n")


def test_models_says_what_trades_what_challenges_and_what_was_promoted(here: Settings) -> None:
    played(here, "sp500_svc", 0.0)
    played(here, "rival", 0.001, DAYS[:30])
    (here.strategies_dir / "broken.toml").write_text("[")
    found = models_document("sp500_svc", here)
    assert found["trades"] == "" and "sessions old" in found["why"]
    assert [(row["cutoff"], row["status"]) for row in found["fits"]] == [(str(DAYS[0]), "passed")]
    assert [(row["name"], row["paper_sessions"]) for row in found["challengers"]] == [("rival", 30)]
    promote("rival", "sp500_svc", override="because", yes=True)
    after = models_document("sp500_svc", here)
    assert after["fits"] == [] and [row["kind"] for row in after["replacements"]] == ["promotion"]
