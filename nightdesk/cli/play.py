"""A backfill through Prefect, or as plain functions where Prefect is away."""

from dataclasses import replace

from rich.console import Console
from rich.progress import track

from nightdesk.cli.orchestration import say, start_prefect, without_heartbeat
from nightdesk.day.opening import Closed, last_session, sessions_to_play
from nightdesk.day.play import play_day
from nightdesk.day.report import load_report
from nightdesk.settings import Settings
from schemas.outcomes import ending
from schemas.reports import DayReport


def backfilled(strategy: str, sessions: int, here: Settings) -> DayReport | Closed:
    """Play what is left of the last `sessions` sessions; the report of the last one played, or of the newest if none was left."""
    todo = sessions_to_play(strategy, sessions, "backfill", here)
    if not todo:
        say(f"The last {sessions} sessions are decided already; nothing is played twice.")
        return replace(load_report(here, strategy, "backfill", last_session(strategy, "backfill", here)), resumed=True)
    if start_prefect(here):
        from flows.backfill import backfill

        with without_heartbeat():
            backfill(strategy, sessions, return_state=True)
        return load_report(here, strategy, "backfill", last_session(strategy, "backfill", here))
    say("Prefect cannot be reached: the days run as plain functions and are marked unorchestrated.")
    for session in track(todo, "playing", console=Console(stderr=True)):
        made = play_day(strategy, session, "backfill", "backfill", here)
        if ending(made.outcome).state == "FAILED":
            break
    return made
