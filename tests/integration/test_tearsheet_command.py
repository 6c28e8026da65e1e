"""`nightdesk tearsheet` on a file as a user has it: the page stands alone, the numbers are the metrics', errors are sentences."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nightdesk.cli import main
from nightdesk.performance import metrics
from nightdesk.settings import settings
from tests.pages import visit

N = 400


class Desk:
    """The command in this process, with a home of its own and a record `mine.csv`."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, capture: pytest.CaptureFixture[str]) -> None:
        self.folder, self.patch, self.capture = folder, patch, capture
        self.home = folder / "home"
        random = np.random.default_rng(7)
        market = random.normal(0.0003, 0.01, N)
        own = 0.5 * market + random.normal(0.0, 0.004, N)
        days = pd.bdate_range("2020-01-02", periods=N)
        self.record = pd.DataFrame({"date": days, "return": own, "index": market})
        self.file = self.saved("mine.csv", self.record)

    def saved(self, name: str, frame: pd.DataFrame) -> Path:
        frame.to_csv(self.folder / name, index=False)
        return self.folder / name

    def tearsheet(self, *words: object) -> tuple[int, str, str]:
        """Exit code, standard output, standard error."""
        self.patch.setattr(sys, "argv", ["nightdesk", "tearsheet", *map(str, words)])
        self.patch.setenv("NIGHTDESK_HOME", str(self.home))
        settings.cache_clear()
        with pytest.raises(SystemExit) as left:
            main()
        seen = self.capture.readouterr()
        return int(left.value.code or 0), seen.out, seen.err

    def document(self, *words: object) -> dict[str, Any]:
        code, out, _ = self.tearsheet(*words, "--json")
        assert code == 0
        shown: dict[str, Any] = json.loads(out)
        return shown


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    yield Desk(tmp_path, monkeypatch, capsys)
    settings.cache_clear()


def test_a_page_goes_below_the_home_and_the_words_to_the_terminal(desk: Desk) -> None:
    code, out, _ = desk.tearsheet(desk.file, "--benchmark", "index")
    assert code == 0
    assert "This record does not show a return above the benchmark's at the same beta." in out
    page = desk.home / "reports" / "tearsheets" / "mine.html"
    assert f"Page: {page}" in out
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")


def test_the_numbers_for_machines_are_those_of_the_metrics(desk: Desk) -> None:
    shown = desk.document(desk.file, "--benchmark", "index")
    own, market = desk.record["return"], desk.record["index"]
    assert shown["sessions"] == N
    assert shown["performance"]["sharpe"] == pytest.approx(metrics.sharpe(own), rel=1e-12)
    assert shown["performance"]["beta"] == pytest.approx(metrics.beta(own, market), rel=1e-12)
    assert shown["benchmark"]["performance"]["total_return"] == pytest.approx(metrics.total_return(market), rel=1e-12)
    assert shown["daily"][-1]["wealth"] - 1 == pytest.approx(metrics.total_return(own), rel=1e-12)
    assert len(shown["rolling"]["rows"]) == N - 125
    assert not desk.home.exists()


def test_the_documented_keys_are_those_of_the_document(desk: Desk) -> None:
    text = (Path(__file__).parents[2] / "docs" / "json.md").read_text(encoding="utf-8")
    section = text.partition("## `nightdesk tearsheet --json`")[2].partition("\n## ")[0]
    named = set(re.findall(r"`(\w+)`", section))
    assert set(desk.document(desk.file)) <= named


def test_the_same_file_gives_the_same_page(desk: Desk) -> None:
    pages = [desk.folder / name for name in ("one.html", "two.html")]
    assert [desk.tearsheet(desk.file, "-o", page)[0] for page in pages] == [0, 0]
    assert pages[0].read_bytes() == pages[1].read_bytes()


def test_a_page_escapes_the_names_in_a_file(desk: Desk) -> None:
    file = desk.saved("<i>mine.csv", desk.record.rename(columns={"index": "<script>alert(1)</script>"}))
    page = desk.folder / "page.html"
    assert desk.tearsheet(file, "--benchmark", "<script>alert(1)</script>", "-o", page)[0] == 0
    text = page.read_text(encoding="utf-8")
    assert "<script" not in text
    assert "<i>mine" not in text
    assert "&lt;i&gt;mine" in text


@pytest.mark.parametrize("width", [380, 1100])
def test_the_page_fits_its_window_and_asks_for_nothing_from_elsewhere(desk: Desk, browser: Path, width: int) -> None:
    page = desk.folder / "page.html"
    assert desk.tearsheet(desk.file, "--benchmark", "index", "-o", page)[0] == 0
    asked: list[str] = []
    with visit(browser) as seen:
        seen.page.on("request", lambda request: asked.append(request.url))
        seen.page.set_viewport_size({"width": width, "height": 800})
        seen.page.goto(page.as_uri())
        assert seen.page.evaluate("document.documentElement.scrollWidth") == width
        assert "Returns by month" in seen.page.inner_text("body")
    assert asked == [page.as_uri()]


def test_what_can_not_be_done_is_one_sentence_and_leaves_no_page(desk: Desk) -> None:
    page = desk.folder / "page.html"
    percent = desk.saved("percent.csv", desk.record.assign(**{"return": 100 * desk.record["return"]}))
    cases: dict[tuple[object, ...], tuple[int, str]] = {
        (percent, "-o", page): (3, "returns are fractions, 0.012 for 1.2 %"),
        (desk.file, "--benchmark", "SPY", "-o", page): (3, "it has no column 'SPY'"),
        (desk.folder / "none.csv", "-o", page): (2, "There is no file"),
        (desk.file, "-o", desk.file): (2, "a file whose name ends in .html"),
        (desk.file, "-o", desk.file / "page.html"): (2, "cannot be written"),
    }
    for words, (expected, sentence) in cases.items():
        code, out, err = desk.tearsheet(*words)
        assert (code, out) == (expected, "")
        assert sentence in err
        assert err.count("\n") == 1
    assert not page.exists()
    assert desk.file.read_text().startswith("date,")
