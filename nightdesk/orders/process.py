"""Asking the process that orders, which is `nightdesk submit`, and reading what it says."""

import json
import subprocess
import sys
from collections.abc import Sequence

from nightdesk.orders.submit import Ended
from nightdesk.settings import Settings, order_environment
from schemas.records import Mode

ORDERING = [sys.executable, "-m", "nightdesk.cli", "submit"]
"""The process that orders."""
ORDERING_TIMEOUT_S = 3600


def submitted_by(command: Sequence[str], strategy: str, mode: Mode, here: Settings, lock: int | None = None) -> Ended:
    """What came of a book's newest decision once `command` has sent it. `lock` is the account's lock, passed on to it."""
    words = [*command, "--strategy", strategy, "--mode", mode, "--json"]
    done = subprocess.run(
        words if lock is None else [*words, "--lock", str(lock)],
        env=order_environment(here),
        pass_fds=() if lock is None else (lock,),
        stdout=subprocess.PIPE,
        text=True,
        timeout=ORDERING_TIMEOUT_S,
        check=False,
    )
    try:
        told = json.loads(done.stdout)
        return Ended(str(told["outcome"]), str(told["reason"]), int(told["exit_code"]))
    except (ValueError, KeyError):
        said = f"the process that orders ended with {done.returncode}: run `nightdesk submit` to see why"
        return Ended("failed: order", said, done.returncode or 1)
