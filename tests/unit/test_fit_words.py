"""What MLflow's pages say of a fit, and that its saved views fit into MLflow."""

import inspect
import json
from datetime import date
from pathlib import Path

import pytest

from nightdesk.cli.console import console
from nightdesk.day.fit_words import book_page, experiment_words, fit_words
from nightdesk.errors import Misconfigured
from nightdesk.settings import Settings, settings
from nightdesk.tracking.views import saved_views
from nightdesk.wiring.strategies import load_strategy
from schemas.records import ModelRef

LONGEST_TAG = 5000
"""Of an experiment in MLflow: the column's length."""


@pytest.fixture
def model() -> ModelRef:
    names = {name: "x" for name in inspect.signature(ModelRef).parameters if name not in ("metrics", "gates", "feature_columns")}
    days = {
        name: date(2018, 12, 3) for name in names if name in ("cutoff", "train_first", "train_last", "test_first", "test_last")
    }
    figures = {"n_train": 4008.0, "n_test": 1003.0, "test_accuracy": 0.52841, "test_baseline": 0.52542}
    return ModelRef(**{**names, **days, "estimator": "sklearn.svm.SVC", "metrics": figures})  # type: ignore[arg-type]  # the kinds of its fields vary


def test_a_fit_is_described_with_what_it_is_measured_against_and_where_to_look(model: ModelRef, tmp_path: Path) -> None:
    here = Settings(home=tmp_path, prefect_port=4201)
    strategy = load_strategy("sp500_svc", here)
    text = fit_words(strategy, model, "paper/a b/sp500_svc", "http://prefect/run", here)
    assert "**SVC** of `sp500_svc`, fitted after 2018-12-03" in text
    assert "52.84% of the 1,003 test rows" in text and "always saying the same 52.54%" in text
    assert "(http://prefect/run)" in text and "(http://127.0.0.1:4201/runs?tag=sp500_svc)" in text
    assert "(http://127.0.0.1:4300/book?book=paper%2Fa%20b%2Fsp500_svc)" in text
    assert "that made it" not in fit_words(strategy, model, "b", "", here)


def test_the_links_lead_to_the_port_where_the_console_listens_by_itself(tmp_path: Path) -> None:
    port = inspect.signature(console).parameters["port"].default
    assert book_page("b", Settings(home=tmp_path)) == f"http://127.0.0.1:{port}/book?book=b"


def test_the_links_lead_to_the_address_that_is_set_for_the_console(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NIGHTDESK_CONSOLE_URL", "https://desk.example:8443")
    assert book_page("b", Settings(home=tmp_path)) == "https://desk.example:8443/book?book=b"


@pytest.mark.parametrize(
    "address", ["", "desk.example", "javascript:alert(1)", "https://desk.example/", "https://ana:secret@desk", "http://a b"]
)
def test_an_address_of_the_console_that_is_more_or_less_than_scheme_and_host_is_refused(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NIGHTDESK_CONSOLE_URL", address)
    settings.cache_clear()
    with pytest.raises(Misconfigured, match=r"NIGHTDESK_CONSOLE_URL .*scheme and a host"):
        settings()
    monkeypatch.undo()
    settings.cache_clear()


def test_every_metric_that_a_view_shows_has_its_unit_in_the_description(tmp_path: Path) -> None:
    here = Settings(home=tmp_path)
    words = experiment_words(load_strategy("sp500_svc", here), here)
    columns = json.loads(json.loads(saved_views(7)["mlflow.sharedViewState.fits"])["state"])["selectedColumns"]
    metrics = [name.removeprefix("metrics.").strip("`") for name in columns if name.startswith("metrics.")]
    assert len(metrics) == 5 and [name for name in metrics if name not in words] == []


def test_saved_views_fit_into_a_tag_and_their_charts_stand_in_sections_that_there_are() -> None:
    views = saved_views(7)
    assert {len(value) <= LONGEST_TAG for value in views.values()} == {True}
    view = json.loads(views["mlflow.sharedViewState.comparison"])
    state = json.loads(view["state"])
    sections = {section["uuid"] for section in state["compareRunSections"]}
    assert (view["name"], view["createdAt"]) == ("Comparison of fits", 7)
    assert {chart["metricSectionId"] for chart in state["compareRunCharts"]} == sections
    assert len({chart["uuid"] for chart in state["compareRunCharts"]}) == len(state["compareRunCharts"])
