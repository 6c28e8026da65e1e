"""`backfill`: 21 sessions with a Prefect server up. `first`: the same with none, as after the installation."""

from pathlib import Path

from benchmarks.homes import environment, prefect_server, prepare_empty
from benchmarks.measure import NIGHTDESK, Measured, measured
from benchmarks.result import Result, Row

SESSIONS = 21
SERVER_S, FIRST_S, PEAK_MB = 60, 180, 800


def measured_backfill(runs: int, work: Path) -> Result:
    with prefect_server(work / "server") as api_url:
        samples = [_sample(work, api_url) for _ in range(runs + 1)][1:]
    rows = [
        Row("process total", [one.seconds for one in samples], "s", SERVER_S),
        Row("a session", [one.seconds / SESSIONS for one in samples]),
        Row("peak memory, nightdesk", [one.peak_mb for one in samples], "MB", PEAK_MB),
    ]
    return Result("backfill", f"{SESSIONS} sessions in an empty home, Prefect server up", rows)


def measured_first(runs: int, work: Path) -> Result:
    samples = [_sample(work, "") for _ in range(runs + 1)][1:]
    rows = [
        Row("process total", [one.seconds for one in samples], "s", FIRST_S),
        Row("peak memory, nightdesk", [one.peak_mb for one in samples], "MB", PEAK_MB),
        Row("peak memory, with the embedded server", [one.tree_mb for one in samples], "MB"),
    ]
    return Result("first", f"{SESSIONS} sessions in an empty home, embedded server", rows)


def _sample(work: Path, api_url: str) -> Measured:
    home = work / "home"
    prepare_empty(home)
    command = [NIGHTDESK, "backfill", "--sessions", str(SESSIONS), "--json"]
    one = measured(command, environment(home, api_url), work)
    played = list((home / "reports").rglob("*.json"))
    if len(played) != SESSIONS or '"orchestrated": true' not in one.stdout:
        raise RuntimeError(f"{len(played)} of {SESSIONS} sessions were played under Prefect:\n{one.stderr[-3000:]}")
    return one
