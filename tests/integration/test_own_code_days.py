"""Days whose features come from a user's own file: decided, replayed, and ended in their outcome where it fails."""

import sqlite3
from pathlib import Path

import pytest

from nightdesk.day.replay import replays
from tests.desks import played, settings_in
from tests.strategy_documents import NO_MLFLOW, saved, seed, with_key

GOOD = "def move(prices):\n    return prices.close / prices.open - 1\n"
BAD = "def move(prices):\n    return prices.close / prices.opening - 1\n"
SESSION = "2018-12-20"


@pytest.fixture
def desk(tmp_path: Path) -> str:
    """A strategy on an own feature, with one day decided."""
    strategy = saved(with_key(seed(), "features.columns", ["own.move", "high_minus_low"]), tmp_path)
    (tmp_path / "cheap.py").write_text(GOOD, encoding="utf-8")
    played(strategy, SESSION, tmp_path, mlflow_uri=NO_MLFLOW)
    return strategy


def _said(strategy: str, home: Path) -> list[str]:
    return [row.difference for row in replays(strategy, "paper", None, settings_in(home))]


def test_a_day_on_own_features_replays_with_the_code_of_then_and_a_failing_file_ends_the_next(desk: str, tmp_path: Path) -> None:
    (tmp_path / "cheap.py").write_text(BAD, encoding="utf-8")
    assert _said(desk, tmp_path) == [""]
    report = played(desk, "2018-12-21", tmp_path, mlflow_uri=NO_MLFLOW)
    assert report.outcome == "failed: engineer"
    assert report.reason.startswith("cheap.py, line 2, in move: AttributeError: ")
    assert report.orders == ()


def test_own_code_that_was_changed_in_the_ledger_is_not_run(desk: str, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "ledger" / "paper.sqlite") as ledger:
        planted = f"import pathlib; pathlib.Path({str(tmp_path / 'ran')!r}).touch()".replace('"', "'")
        change = "update decisions set envelope = replace(envelope, 'def move(prices)', ?)"
        assert ledger.execute(change, (f"{planted}\\ndef move(prices)",)).rowcount == 1
    (said,) = _said(desk, tmp_path)
    assert "The code of cheap.py is not run: " in said
    assert not (tmp_path / "ran").exists()
