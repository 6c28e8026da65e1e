"""What a person sees in a browser: each function opens one page and returns when its content is there."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from playwright.sync_api import ConsoleMessage, Locator, Page, Response, expect, sync_playwright

from tests.running import Up
from tests.steps import STEPS

ARGUMENTS = (
    "--no-sandbox",
    "--headless",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--disable-gpu",
)
CHOSEN = {
    "color-scheme": "light",
    "mlflow.workflowType_v1": "machine_learning",
    "mlflow.assistant.panelOpen_v1": False,
    "mlflow.assistant.fab.autoOpenedOnFirstLoad_v1": True,
}
"""What a person chose before: light pages, MLflow's model pages, its assistant closed."""
THEIRS = ("/ico/undefined.svg", "/favicon.ico", "/mlflow/users/current")
"""Addresses that Prefect's and MLflow's own pages ask for in vain, and say so in the browser's console: two icons that Prefect
does not have, and the user of an MLflow without users."""
RESIZED = "ResizeObserver loop completed with undelivered notifications."
"""The browser's word that MLflow's table changed its size twice in one frame: what is left is drawn in the next one.
MLflow repeats it as an error in the browser's console."""
PATIENCE_MS = 30_000


@dataclass(frozen=True)
class Visit:
    """A browser's page, and what went wrong on it."""

    page: Page
    errors: list[str] = field(default_factory=list)
    left_the_machine: list[str] = field(default_factory=list)

    def note_request(self, url: str) -> None:
        if not url.startswith(("http://127.0.0.1:", "data:", "blob:")):
            self.left_the_machine.append(url)

    def note_answer(self, answer: Response) -> None:
        if answer.status >= 400 and not answer.url.endswith(THEIRS):
            self.errors.append(f"{answer.status} {answer.url}")

    def note_error(self, error: str) -> None:
        if not error.endswith(RESIZED):
            self.errors.append(error)

    def note_message(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.location["url"].endswith(THEIRS):
            self.note_error(message.text)


@contextmanager
def visit(browser: Path) -> Iterator[Visit]:
    """A new browser, 1280 x 900, light."""
    with sync_playwright() as player:
        chromium = player.chromium.launch(executable_path=browser, args=ARGUMENTS)
        page = chromium.new_page(viewport={"width": 1280, "height": 900}, color_scheme="light")
        page.set_default_timeout(PATIENCE_MS)
        chosen = json.dumps({name: json.dumps(value) for name, value in CHOSEN.items()})
        page.add_init_script(f"for (const [name, value] of Object.entries({chosen})) localStorage.setItem(name, value)")
        seen = Visit(page)
        page.on("request", lambda request: seen.note_request(request.url))
        page.on("response", lambda answer: seen.note_answer(answer))
        page.on("console", lambda message: seen.note_message(message))
        page.on("pageerror", lambda error: seen.note_error(str(error)))
        yield seen
        chromium.close()


def is_seen(page: Page, text: str) -> None:
    """Wait until the text can be read on the page. Fails where it does not come."""
    expect(page.get_by_text(text).first).to_be_visible(timeout=PATIENCE_MS)


def scroll_to(what: Locator, edge: Literal["start", "end"]) -> None:
    """Scroll until it stands at the upper (start) or lower (end) edge."""
    what.evaluate("(element, block) => element.scrollIntoView({block})", edge)


def open_deployments(page: Page, up: Up) -> None:
    page.goto(f"{up.prefect}/deployments")
    is_seen(page, "backfill")


def open_day(page: Page, up: Up, run: Any) -> None:
    """The flow run's page with its list of tasks."""
    page.goto(f"{up.prefect}/runs/flow-run/{run['id']}")
    is_seen(page, run["name"])
    page.get_by_role("tab", name="Task Runs").or_(page.get_by_text("Task Runs", exact=True)).first.click()
    is_seen(page, STEPS[0])


def open_artifact(page: Page, up: Up, artifact: Any) -> None:
    page.goto(f"{up.prefect}/artifacts/artifact/{artifact['id']}")
    is_seen(page, artifact["description"])


def open_form(page: Page, up: Up) -> None:
    """The form of a run of the deployment daily."""
    deployment = up.api("GET", "/deployments/name/daily/daily")
    page.goto(f"{up.prefect}/deployments/deployment/{deployment['id']}/run")
    is_seen(page, "strategy")


def open_fits(page: Page, up: Up) -> None:
    """The experiment's runs in MLflow, with the columns that a trader compares."""
    page.goto(f"{_runs_of(up)}?viewStateShareKey=fits")
    is_seen(page, up.fits()[0]["info"]["run_name"])


def open_charts(page: Page, up: Up) -> None:
    """The experiment's runs in MLflow side by side: differences, pictures, figures."""
    page.goto(f"{_runs_of(up)}?viewStateShareKey=comparison&compareRunsMode=CHART")
    is_seen(page, "What differs")


def open_fit(page: Page, up: Up) -> None:
    """The newest fit in MLflow, with its description unfolded."""
    page.goto(f"{_runs_of(up)}/{up.fits()[0]['info']['run_id']}")
    page.get_by_text("Show more").first.click()


def _runs_of(up: Up) -> str:
    return f"{up.mlflow}/#/experiments/{up.fits()[0]['info']['experiment_id']}/runs"


def open_comparison(page: Page, up: Up) -> None:
    fits = [fit["info"] for fit in up.fits()]
    runs, experiments = [fit["run_id"] for fit in fits], sorted({fit["experiment_id"] for fit in fits})
    page.goto(f"{up.mlflow}/#/compare-runs?runs={quote(json.dumps(runs))}&experiments={quote(json.dumps(experiments))}")
    is_seen(page, "Run details")
