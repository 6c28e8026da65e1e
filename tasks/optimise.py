"""A search under Prefect: progress as an artifact, the report as another."""

from prefect import get_run_logger, task
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed

from nightdesk.search.report import as_markdown
from nightdesk.search.run import Searched
from nightdesk.search.save import searched
from nightdesk.settings import settings


@task(name="search_strategy", task_run_name="search_strategy {strategy}", persist_result=False)
def search_strategy(strategy: str, trials: int, open_holdout: bool) -> Searched:
    """Judge trials until there are so many, and make the best a challenger.

    Reads: bars. Writes: searches/ in the home, a strategy file, MLflow.
    """
    artifact = create_progress_artifact(progress=0.0, key="search-progress")

    def tell(done: int, of: int) -> None:
        update_progress_artifact(artifact_id=artifact, progress=100.0 * done / of)

    made, page, lacking = searched(strategy, trials, open_holdout, settings(), tell)
    create_markdown_artifact(as_markdown(made, page), key="search-report", description=made.begun.search_id)
    get_run_logger().info("%d trials, page %s%s", len(made.trials), page, f"; MLflow later: {lacking}" if lacking else "")
    return made


def ended_search(made: Searched) -> State:
    """The flow run's state, with the conclusion as its message."""
    return Completed(name="Searched", message=made.conclusion)
