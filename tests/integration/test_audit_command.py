"""`nightdesk audit` as it is typed: clean on the seed strategy, a planted leak named, exit code 3."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightdesk.cli import app
from nightdesk.errors import Misconfigured
from nightdesk.features import matrix
from nightdesk.settings import CHECKOUT
from tests.desks import strategy_file

DOCUMENT = (CHECKOUT / "docs" / "json.md").read_text()


def test_the_seed_strategy_with_a_cheaper_model_is_clean(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["audit", strategy_file(tmp_path), "--sessions", "6"])
    assert answer.exit_code == 0, answer.output
    assert "No leak found in cheap, at 6 sessions from 1999-01-04 to 2018-12-31." in answer.stdout
    assert answer.stdout.count(" OK ") == 12


def test_a_planted_feature_is_named_with_exit_code_3(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(matrix.FEATURES, "high_minus_low", lambda prices: (prices.high - prices.low).shift(-1))
    answer = CliRunner().invoke(app, ["audit", strategy_file(tmp_path), "--sessions", "3", "--json"])
    document = json.loads(answer.stdout)
    assert answer.exit_code == 3 == document["exit_code"] and not document["clean"]
    assert {one["what"] for one in document["findings"]} == {"high_minus_low"}
    finding = document["findings"][0]
    assert finding["check"] == "future" and finding["session"] == document["sessions"][0]
    assert "on bars up to 1 session(s) later" in finding["meaning"]
    said = DOCUMENT.partition("`nightdesk audit --json`")[2].partition("\n## ")[0]
    assert [key for key in [*document, *finding, *document["checks"][0]] if f"`{key}`" not in said] == []


def test_a_number_of_sessions_out_of_range_is_one_sentence(tmp_path: Path) -> None:
    answer = CliRunner().invoke(app, ["audit", strategy_file(tmp_path), "--sessions", "0"])
    assert isinstance(answer.exception, Misconfigured)
    assert answer.exception.message == "sessions was 0, allowed: 1 to 5030, as the bars have 5031 sessions."
