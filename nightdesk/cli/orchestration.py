"""Which Prefect a command talks to: the server that is named, that of `nightdesk up`, or an embedded one."""

import json
import os
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from nightdesk.cli.services import answers
from nightdesk.settings import Settings, prepare_environment, use_prefect_api

UP_FILE = "up.json"
"""In the home while `nightdesk up` runs: its process and the address of its Prefect server."""


def start_prefect(here: Settings) -> bool:
    """Prepare the environment and reach Prefect, before anything imports it. False where it cannot be reached."""
    prepare_environment(here)
    url = here.prefect_api_url or running_api_url(here.home)
    use_prefect_api(url)
    if url:
        return answers(f"{url}/health")
    return _embedded_starts()


def running_api_url(home: Path) -> str:
    """The API of the `nightdesk up` that runs in this home, "" where none does."""
    try:
        up: Any = json.loads((home / UP_FILE).read_text())
        os.kill(int(up["pid"]), 0)
    except (OSError, ValueError, KeyError):
        return ""
    url = str(up["prefect_api_url"])
    return url if answers(f"{url}/health") else ""


def _embedded_starts() -> bool:
    say("Starting Prefect's embedded server; the first start takes about 20 seconds.")
    from httpx import HTTPError
    from prefect import get_client

    try:
        with get_client(sync_client=True) as client:
            return client.api_healthcheck() is None
    except (RuntimeError, HTTPError, OSError) as error:
        say(f"Prefect's embedded server did not start: {error}")
        return False


def without_heartbeat() -> AbstractContextManager[object]:
    """For flows that a person runs and watches: a synchronous flow waits up to a second for its heartbeat's thread to end."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

    return temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None})


def say(text: str) -> None:
    """A line for the person, on standard error: standard output is the report's."""
    print(text, file=sys.stderr)
