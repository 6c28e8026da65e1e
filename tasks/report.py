"""9. The day's report: performance, plots, where to look further."""

from prefect import get_run_logger, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event

from nightdesk.day import report
from nightdesk.day.desk import Day
from nightdesk.day.notice import happened
from nightdesk.performance.report import markdown
from schemas.reports import DayReport

DOCUMENT = "The decision as it was committed, byte by byte: its name is its SHA-256."


@task(task_run_name="9 compute_performance", cache_policy=NO_CACHE)
def compute_performance(day: Day) -> DayReport:
    """What the day came to.

    Reads: the ledger. Writes: report, plot and decision document in the home, MLflow, a markdown and a link artifact in
    Prefect; an event there for what automations may wait for.
    """
    made = report.compute_performance(day)
    page = markdown(made, report.load_plot(made))
    create_markdown_artifact(page, key="day-report", description=f"{made.strategy} {made.session}: {made.outcome}")
    if document := made.look["document"]:
        create_link_artifact(
            document, link_text=f"decision {made.decision_sha256}", key="decision-document", description=DOCUMENT
        )
    for event, reason in happened(day).items():
        book = {"prefect.resource.id": f"nightdesk.book.{made.book}", "prefect.resource.name": made.book}
        emit_event(event, book, payload={"session": f"{made.session}", "reason": reason, "page": day.page})
    get_run_logger().info("%s: %s", made.outcome, made.reason)
    return made
