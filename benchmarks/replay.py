"""`replay`: past decisions of the seed strategy computed again.

`python -m benchmarks.replay SESSION` replays one session in a process of its own; it prints its seconds after imports as JSON.
"""

import json
import sys
from datetime import date
from pathlib import Path
from time import perf_counter

from benchmarks.homes import environment, run_plain
from benchmarks.measure import Measured, measured
from benchmarks.plain_day import STRATEGY
from benchmarks.result import Result, Row

PLAYED = ("2018-12-03", "2018-12-04", "2018-12-06")
WITH_FIT, WITHOUT = PLAYED[0], PLAYED[-1]
REPLAY_S = 3


def measured_replay(runs: int, work: Path) -> Result:
    """Each sample is a fresh process; what it imports is imported before the clock starts."""
    home = work / "home"
    run_plain(home, "backfill", PLAYED)
    rows = [
        Row(f"a session {what}, after imports", [_seconds(home, session) for _ in range(runs + 1)][1:], "s", REPLAY_S)
        for what, session in (("whose model is fitted again", WITH_FIT), ("without a fit", WITHOUT))
    ]
    return Result("replay", "one decision of the seed strategy, 5,031 sessions of bars", rows)


def _seconds(home: Path, session: str) -> float:
    one: Measured = measured([sys.executable, "-m", "benchmarks.replay", session], environment(home), home.parent)
    return float(json.loads(one.stdout))


def main(session: str) -> None:
    from nightdesk.settings import prepare_environment, settings

    here = settings()
    prepare_environment(here)
    import deltalake  # noqa: F401 - replay imports it late
    import sklearn.svm  # noqa: F401 - as late

    from nightdesk.day.replay import replays

    started = perf_counter()
    (row,) = replays(STRATEGY, "backfill", date.fromisoformat(session), here)
    spent = perf_counter() - started
    if not row.identical:
        raise SystemExit(row.difference)
    json.dump(spent, sys.stdout)


if __name__ == "__main__":
    main(sys.argv[1])
