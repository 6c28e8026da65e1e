"""`cli`: the commands that a person waits for."""

import json
from datetime import date
from pathlib import Path

from benchmarks.homes import environment, run_plain
from benchmarks.measure import NIGHTDESK, measured
from benchmarks.result import Result, Row
from nightdesk.sessions import exchange_sessions

SESSIONS = 21
HELP_S, STATUS_S = 0.4, 1.0


def measured_cli(runs: int, work: Path) -> Result:
    home = work / "home"
    played = exchange_sessions("XNYS").between(date(2018, 11, 1), date(2018, 12, 31))[-SESSIONS:]
    run_plain(home, "paper", [f"{session:%Y-%m-%d}" for session in played])
    shown = json.loads(measured([NIGHTDESK, "status", "--json"], environment(home), work).stdout)
    if [book["sessions"] for book in shown["books"]] != [SESSIONS]:
        raise RuntimeError(f"The home was to have one book with {SESSIONS} sessions, but status says {shown}")
    rows = [_row("nightdesk --help", HELP_S, runs, home), _row("nightdesk status", STATUS_S, runs, home)]
    return Result("cli", f"a home with {SESSIONS} sessions played", rows)


def _row(command: str, at_most: float, runs: int, home: Path) -> Row:
    words = [NIGHTDESK, *command.split()[1:]]
    samples = [measured(words, environment(home), home.parent).seconds for _ in range(runs + 1)]
    return Row(command, samples[1:], "s", at_most)
