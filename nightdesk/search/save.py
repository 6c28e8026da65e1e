"""Where a search goes once it is judged: its page in the home, its trials to MLflow."""

from collections.abc import Callable
from pathlib import Path

from nightdesk.search.report import page, search_log
from nightdesk.search.run import SEARCHES, Searched, run_search
from nightdesk.settings import Settings
from nightdesk.wiring.desk import new_tracker


def searched(
    strategy: str, trials: int | None, open_holdout: bool, here: Settings, tell: Callable[[int, int], None]
) -> tuple[Searched, Path, str]:
    """`run_search`, its page saved and its trials logged: the search, the page's file, and why MLflow lacks it ("" where it does
    not; what MLflow cannot take now is sent later)."""
    made = run_search(strategy, trials, open_holdout, here, tell)
    target = save_page(made, here)
    tracker = new_tracker(here)
    tracker.log_search(search_log(made), key=f"search-{made.begun.search_id}")
    return made, target, tracker.reason


def save_page(made: Searched, here: Settings) -> Path:
    """Write the page whole, or not at all."""
    target = here.home / SEARCHES / made.begun.search_id / "search.html"
    unfinished = target.with_suffix(".part")
    unfinished.write_text(page(made), encoding="utf-8")
    unfinished.replace(target)
    return target
