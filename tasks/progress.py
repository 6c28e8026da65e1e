"""Progress over many sessions: a bar in the terminal, an artifact in Prefect."""

import sys
from collections.abc import Iterator, Sequence
from datetime import date

from prefect.artifacts import create_progress_artifact, update_progress_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


def shown_progress(sessions: Sequence[date]) -> Iterator[date]:
    """Each session in turn, with a bar on standard error and a progress artifact in Prefect."""
    if not sessions:
        return
    artifact = create_progress_artifact(progress=0.0, key="backfill-progress")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=sys.stderr.isatty()) as bar:
        row = bar.add_task("sessions", total=len(sessions))
        for done, session in enumerate(sessions, start=1):
            bar.update(row, description=f"playing {session}")
            yield session
            bar.advance(row)
            update_progress_artifact(artifact_id=artifact, progress=100.0 * done / len(sessions))


def played(last: State | None) -> State:
    """The backfill's state: that of the last session played, or that there was nothing left to play."""
    if last is None:
        return Completed(name="Nothing to play", message="Every session that was asked for is decided already.")
    return last if last.is_failed() else Completed(name="Played", message=f"Last session: {last.name}. {last.message}")
