"""One `nightdesk up` for all tests that need it: it plays one session by hand before, and one through Prefect."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.running import Up, play_session, running


@pytest.fixture(scope="session")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """Ready, over a home in which 2018-11-29 was played while no server ran."""
    folder: Path = tmp_path_factory.mktemp("up")
    play_session(folder, "2018-11-29")
    with running(folder) as ready:
        yield ready


@pytest.fixture(scope="session")
def day_run(up: Up) -> Any:
    """The finished flow run of 2018-12-31, started as the button of Prefect's page does."""
    run = up.create_run("daily/daily", {"session": "2018-12-31"})
    return up.state_reached(run, "COMPLETED", "FAILED", "CRASHED", "CANCELLED")
