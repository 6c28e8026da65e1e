"""Strategy files and days for tests: the seed strategy with a cheaper model, in a home of the test's own."""

import re
from datetime import date
from pathlib import Path

from nightdesk.day.opening import Closed
from nightdesk.day.play import play_day
from nightdesk.settings import CHECKOUT, Settings
from schemas.records import Mode
from schemas.reports import DayReport
from tests.homes import ledgers_of

SEED = CHECKOUT / "strategies" / "sp500_svc.toml"
CHEAP = {"estimator": '"sklearn.neighbors.NearestCentroid"'}


def strategy_file(folder: Path, **changes: str) -> str:
    """The path of a copy of the seed strategy with some keys changed to TOML values, by the key's own name."""
    text = SEED.read_text().replace('name = "sp500_svc"', 'name = "cheap"')
    for key, value in (CHEAP | changes).items():
        text, count = re.subn(rf"^{key} = [^#\n]*", f"{key} = {value} ", text, flags=re.MULTILINE)
        assert count == 1, f"{key} stands {count} times in the seed strategy"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "cheap.toml"
    path.write_text(text)
    return str(path)


def settings_in(home: Path, **changes: str) -> Settings:
    """The settings of a desk in a home of its own."""
    place = ledgers_of(home)
    own = {} if isinstance(place, Path) else {"ledger": place}
    return Settings(**{"home": home, **own, **changes})


def played(strategy: str, session: str, home: Path, mode: Mode = "paper", **changes: str) -> DayReport:
    """The report of one plain day."""
    made = play_day(strategy, date.fromisoformat(session), mode, "manual", settings_in(home, **changes))
    assert not isinstance(made, Closed), made
    return made
