"""Before the first step and after the last: the day's desk, the run's name, and the state that it ends in."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date

from prefect import get_client, get_run_logger
from prefect.client.schemas.objects import State
from prefect.runtime import deployment, flow_run
from prefect.states import Completed, Failed
from prefect.utilities.urls import url_for

from nightdesk.day.desk import Day
from nightdesk.day.heartbeat import Beat
from nightdesk.day.opening import Closed, open_day, sessions_to_play
from nightdesk.day.submit import Submitted
from nightdesk.settings import settings
from schemas.outcomes import ending
from schemas.records import Mode, Origin
from schemas.reports import DayReport

OUTCOME = "outcome:"


@contextmanager
def trading_day(strategy: str, session: date | None, mode: Mode) -> Iterator[Day | Closed]:
    """The day at its desk, alone with its book, or the reason why there is none. Names the Prefect run."""
    scheduled: Origin = "scheduled" if deployment.id else "manual"
    origin: Origin = "backfill" if mode == "backfill" else scheduled
    page = url_for("flow-run", flow_run.id, url_type="ui") or ""
    with open_day(strategy, session, mode, origin, orchestrated=True, here=settings(), page=page) as day:
        if isinstance(day, Day):
            _label_run(
                [day.desk.strategy.name, mode, f"session:{day.session}"], f"daily {day.desk.strategy.name}, {day.session}, {mode}"
            )
        yield day


def _label_run(tags: list[str], name: str | None = None) -> None:
    """Add tags to the Prefect run, in place of an outcome that an earlier attempt left, and name it."""
    with get_client(sync_client=True) as client:
        known = client.read_flow_run(flow_run.id)
        kept = {tag for tag in known.tags if not tag.startswith(OUTCOME)}
        client.update_flow_run(flow_run.id, name=name or known.name, tags=sorted({*tags, *kept}))


def list_sessions(strategy: str, sessions: int) -> list[date]:
    """The last `sessions` of the market that the backfill book has not played yet, oldest first."""
    return sessions_to_play(strategy, sessions, "backfill", settings())


def ended(day: DayReport | Closed | Submitted | Beat) -> State:
    """The flow run's state: named after the outcome, with the reason as its message and what ended as its data."""
    name, message = day.outcome[:1].upper() + day.outcome[1:], day.reason
    get_run_logger().info("%s: %s", name, message)
    _label_run([f"{OUTCOME}{day.outcome}"])
    state = Completed if ending(day.outcome).state == "COMPLETED" else Failed
    return state(name=name, message=message, data=day)
