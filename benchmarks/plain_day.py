"""The same days as plain functions, without Prefect, in a process of their own: `python -m benchmarks.plain_day MODE SESSION...`.

Prints the last report as `--json` does, and `spent`: the seconds of step 9 and of MLflow (in steps 6 and 9) over all the days.
"""

import functools
import gc
import json
import sys
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from time import perf_counter
from typing import Any

from nightdesk.settings import prepare_environment, settings

STRATEGY = "sp500_svc"
SPENT: defaultdict[str, float] = defaultdict(float)


def timed(owner: Any, name: str, what: str) -> None:
    """Add up in `SPENT` how long a function takes."""
    inner: Callable[..., Any] = getattr(owner, name)

    @functools.wraps(inner)
    def outer(*args: Any, **kwargs: Any) -> Any:
        started = perf_counter()
        try:
            return inner(*args, **kwargs)
        finally:
            SPENT[what] += perf_counter() - started

    setattr(owner, name, outer)


def main(mode: Any, sessions: list[str]) -> None:
    here = settings()
    prepare_environment(here)
    from nightdesk.day import play
    from nightdesk.performance.report import as_document
    from nightdesk.tracking.tracker import Tracker

    timed(play, "compute_performance", "step report")
    for name in ("flush", "log_fit", "log_day"):
        timed(Tracker, name, "MLflow in its steps")
    for text in sessions:
        made: Any = play.play_day(STRATEGY, date.fromisoformat(text), mode, "manual", here)
    json.dump({**as_document(made), "spent": SPENT}, sys.stdout)
    gc.freeze()  # leave as quickly as the command does


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
