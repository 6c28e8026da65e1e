"""A strategy over history at once: no step of the day, and it never orders."""

from collections.abc import Callable
from datetime import date
from typing import Any

from prefect import get_run_logger, task
from prefect.artifacts import (
    create_link_artifact,
    create_markdown_artifact,
    create_progress_artifact,
    create_table_artifact,
    update_progress_artifact,
)
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.states import Completed

from nightdesk.backtest import log, report, run
from nightdesk.backtest.evidence import recorded
from nightdesk.backtest.page import page_path, page_text
from nightdesk.backtest.run import Backtest
from nightdesk.errors import TryAgain
from nightdesk.page_file import save_page
from nightdesk.settings import settings
from nightdesk.wiring.desk import new_tracker


def _outside_failed(_task: Any, _run: Any, state: Any) -> bool:
    return isinstance(state.result(raise_on_failure=False), TryAgain)


@task(cache_policy=NO_CACHE, retries=2, retry_delay_seconds=[20, 60], retry_condition_fn=_outside_failed)
def walk_forward(strategy: str, start: date | None, end: date | None, capital: float | None) -> Backtest:
    """Fit, signal and simulate over the whole range.

    Reads: the strategy file, its bars, the cache of fits. Writes: the cache of fits, a trial and its evidence in the paper
    ledger; a progress artifact in Prefect. Tried again only where something outside failed; what was fitted is kept.
    """
    made = recorded(run.run_backtest(strategy, start, end, capital, settings(), _progress()), settings())
    get_run_logger().info("%d sessions, %d fits made", len(made.equity), made.walk.fits_made)
    return made


def _progress() -> Callable[[int, int], None]:
    """What to tell of the fits that are made: a progress artifact, where there are any."""
    artifact: list[Any] = []

    def tell(done: int, of: int) -> None:
        if of and not artifact:
            artifact.append(create_progress_artifact(progress=0.0, key="backtest-progress", description=f"{of} fits"))
        elif of:
            update_progress_artifact(artifact_id=artifact[0], progress=100.0 * done / of)

    return tell


@task(cache_policy=NO_CACHE)
def show_backtest(made: Backtest) -> None:
    """Write the page, log the run, show both.

    Reads: nothing. Writes: the page in the home, MLflow or the spool, a markdown, a table and link artifacts in Prefect.
    """
    here, text = settings(), page_text(made)
    target = page_path(made, here.home)
    if text:
        save_page(text, target)
    tracker = new_tracker(here)
    run_id = log.log_backtest(made, text, tracker)
    shown = report.markdown(made, str(target) if text else "")
    create_markdown_artifact(shown, key="backtest-report", description=report.conclusion(made))
    if made.folds:
        create_table_artifact(
            report.fold_rows(made), key="backtest-folds", description="What each fit predicted while it traded."
        )
    if run_id:
        create_link_artifact(tracker.run_url(run_id), link_text="the backtest's MLflow run", key="backtest-run")
    if run_id and text:
        create_link_artifact(tracker.file_url(run_id, log.PAGE), link_text="the backtest's page", key="backtest-page")
    get_run_logger().info("MLflow run %s; page %s", run_id or "none: spooled", target if text else "none")


def played(made: Backtest) -> State:
    """The flow run's state: what the evidence allows to say."""
    return Completed(name="Played", message=report.conclusion(made))
