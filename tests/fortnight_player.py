"""A day or a submission at an instant, in a process that may be killed. Imported by the fork server, which opens no table."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import alembic.command  # noqa: F401 - as the next three: once, in the fork server, not in each process
import deltalake  # noqa: F401 - see above
import matplotlib.pyplot  # noqa: F401 - see above
import pandera.pandas  # noqa: F401 - see above
import yfinance  # noqa: F401 - see above

import nightdesk.performance.plots  # noqa: F401 - see above
import schemas.features  # noqa: F401 - see above
from nightdesk.clock import WallClock
from nightdesk.day.play import play_day
from nightdesk.sessions import exchange_sessions
from nightdesk.submission import submit_newest
from tests.desks import settings_in
from tests.faults.day_player import BOUNDARIES
from tests.faults.dying import die_at
from tests.strategy_documents import NO_MLFLOW

exchange_sessions("XNYS")  # once, in the fork server


@dataclass(frozen=True)
class Desk:
    strategy: str
    home: Path
    yahoo: str


def play(desk: Desk, at: datetime, what: str, boundary: str = "") -> None:
    """What the schedule starts at an instant; dies at a boundary of the day, where one is named."""
    WallClock.now = lambda self: at  # type: ignore[method-assign]  # this process has no other clock
    if boundary:
        die_at(BOUNDARIES[boundary])
    here = settings_in(desk.home, mlflow_uri=NO_MLFLOW, yahoo_url=desk.yahoo)
    if what == "daily":
        play_day(desk.strategy, None, "paper", "scheduled", here)
    else:
        submit_newest(desk.strategy, "paper", here)
