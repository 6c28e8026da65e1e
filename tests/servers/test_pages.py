"""What a person sees in the pages of Prefect and MLflow, read in a real browser."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page

from tests.pages import (
    Visit,
    is_seen,
    open_artifact,
    open_charts,
    open_comparison,
    open_day,
    open_deployments,
    open_fit,
    open_fits,
    open_form,
    visit,
)
from tests.running import Up
from tests.steps import STEPS

pytestmark = pytest.mark.timeout(400)


@pytest.fixture(scope="module")
def seen(browser: Path, up: Up) -> Iterator[Visit]:
    with visit(browser) as opened:
        yield opened


@pytest.fixture
def page(seen: Visit) -> Iterator[Page]:
    """The browser's page; what goes wrong on it, or asks another machine, fails the test."""
    seen.errors.clear()
    seen.left_the_machine.clear()
    yield seen.page
    assert seen.errors == []
    assert seen.left_the_machine == []


def text_of(page: Page) -> str:
    return page.inner_text("body")


def test_deployments_page_lists_every_flow(page: Page, up: Up) -> None:
    open_deployments(page, up)
    assert {"daily", "submit", "backfill", "backtest"} <= set(text_of(page).splitlines())


def test_form_of_a_day_asks_for_strategy_session_and_book_and_offers_the_strategies_there_are(page: Page, up: Up) -> None:
    open_form(page, up)
    for name in ("strategy", "session", "mode", "listed", "name or path", "sp500_svc"):
        is_seen(page, name)


def test_page_of_a_day_shows_its_state_and_the_nine_tasks(page: Page, up: Up, day_run: Any) -> None:
    open_day(page, up, day_run)
    for step in STEPS:
        is_seen(page, step)
    text = text_of(page)
    assert day_run["state"]["name"] in text
    assert "9 Task runs" in text
    outcome = day_run["state"]["name"].lower()
    assert {"sp500_svc", "paper", "session:2018-12-31", "trading day", f"outcome:{outcome}"} <= set(day_run["tags"])
    is_seen(page, f"outcome:{outcome}")


def test_report_of_a_day_shows_its_outcome_and_the_plot(page: Page, up: Up, day_run: Any) -> None:
    open_artifact(page, up, up.artifacts(day_run)["day-report"])
    is_seen(page, "Monday 31 December 2018")
    is_seen(page, "Buy and hold".lower())
    picture = page.locator("img[alt='equity against the benchmark']")
    picture.wait_for()
    page.wait_for_function("picture => picture.complete", arg=picture.element_handle())
    assert picture.evaluate("picture => picture.naturalWidth") > 0


def test_decision_of_a_day_is_a_table_with_the_traded_instrument(page: Page, up: Up, day_run: Any) -> None:
    open_artifact(page, up, up.artifacts(day_run)["decision"])
    for text in ("instrument", "weight", "score", "SPXSIM"):
        is_seen(page, text)


def test_mlflow_lists_both_fits_of_the_experiment(page: Page, up: Up, day_run: Any) -> None:
    open_fits(page, up)
    for text in ("fit 2018-12-03 (paper)", "fit 2018-11-29 (paper)", "test_accuracy"):
        is_seen(page, text)
    assert "2 matching runs" in text_of(page)


def test_mlflow_describes_a_fit_and_leads_to_its_days_and_its_book(page: Page, up: Up, day_run: Any) -> None:
    open_fit(page, up)
    is_seen(page, "fitted after 2018-12-03")
    is_seen(page, "last_day")
    links = {link.get_attribute("href") for link in page.get_by_role("link").all()}
    assert f"{up.prefect}/runs?tag=sp500_svc" in links
    assert "http://127.0.0.1:4300/book?book=paper%2Fsp500_svc%2Fsp500_svc" in links
    dataset, *_ = up.fits()[0]["inputs"]["dataset_inputs"]
    is_seen(page, dataset["dataset"]["digest"])


def test_mlflow_shows_what_differs_between_two_fits_with_their_pictures(page: Page, up: Up, day_run: Any) -> None:
    open_charts(page, up)
    for text in ("Comparison of fits", "Pictures of the test sessions", "confusion_matrix"):
        is_seen(page, text)


def test_mlflow_compares_the_fits_by_metrics_and_parameters(page: Page, up: Up, day_run: Any) -> None:
    open_comparison(page, up)
    fits = up.fits()
    assert len(fits) == 2
    assert all("test_baseline" in {metric["key"] for metric in fit["data"]["metrics"]} for fit in fits)  # the page cuts its list
    text = text_of(page)
    assert "Comparing 2 Runs" in text
    wanted = ("fit 2018-12-03 (paper)", "fit 2018-11-29 (paper)", "test_accuracy", "train_fraction", "estimator")
    assert [name for name in wanted if name not in text] == []


def test_mlflow_shows_a_picture_that_was_logged_without_its_server(page: Page, up: Up, day_run: Any) -> None:
    oldest = up.fits()[-1]["info"]
    page.goto(f"{up.mlflow}/#/experiments/{oldest['experiment_id']}/runs/{oldest['run_id']}/artifacts")
    page.get_by_text("confusion_matrix.png").first.click()
    picture = page.get_by_role("img", name="confusion_matrix.png")
    picture.wait_for()
    assert picture.evaluate("picture => picture.decode().then(() => picture.naturalWidth)") > 0
