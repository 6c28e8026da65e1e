"""`nightdesk optimise` as it is typed: a page that stands alone, a document that is documented, trials kept for MLflow."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from nightdesk.cli import app
from nightdesk.search import save
from nightdesk.search.report import facts, page
from nightdesk.settings import CHECKOUT, Settings
from nightdesk.tracking.spool import load_record
from tests.searching import searched_in, settings_of, small_search
from tests.strategy_documents import saved

DOCUMENT = (CHECKOUT / "docs" / "json.md").read_text()


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """The settings that the command reads."""
    made = settings_of(tmp_path)
    monkeypatch.setattr("nightdesk.settings.settings", lambda: made)
    monkeypatch.setattr("nightdesk.settings.prepare_environment", lambda here: None)
    return made


def test_the_command_prints_the_documented_numbers_and_opens_the_hold_out(tmp_path: Path, here: Settings) -> None:
    words = ["optimise", saved(small_search(), tmp_path), "--trials", "6", "--open-holdout", "--json"]
    answer = CliRunner().invoke(app, words)
    assert answer.exit_code == 0, answer.output
    document = json.loads(answer.stdout)
    said = DOCUMENT.partition("`nightdesk optimise --json`")[2].partition("\n## ")[0]
    named = [*document, *document["trials"][0], *document["holdout"], *document["holdout"]["openings"][0]]
    assert [key for key in named if f"`{key}`" not in said and key != "evidence"] == []
    assert len(document["trials"]) == 6 == document["trials_made"] and document["holdout"]["opened"]
    assert "MLflow gets the trials later" in answer.stderr
    (item,) = (here.home / "mlflow" / "spool").glob("[0-9]*-*")
    assert [trial["number"] for trial in load_record(item)["trials"]] == list(range(6))
    again = CliRunner().invoke(app, words[:2])
    assert again.exit_code == 0 and "6 (6 complete)" in again.stdout and "0 judged now" in again.stdout
    assert "was opened on" in " ".join(again.stdout.split())


def test_the_page_stands_alone_with_a_picture_for_each_key(tmp_path: Path) -> None:
    made = searched_in(tmp_path, 8)
    html = page(made)
    assert not re.search(r"<script|<link|src=|url\(|https?://", html)
    assert html.count('class="line own dots"') == 4  # trials, C, features, threshold
    assert 'class="heat"' in html and "Locked: no trial has seen it." in html and made.challenger.name in html
    assert facts(made)[0] == ("Evidence", made.conclusion)
    assert save.save_page(made, settings_of(tmp_path)).read_text() == html
