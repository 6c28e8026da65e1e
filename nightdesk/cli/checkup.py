"""What `nightdesk doctor` looks at."""

import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from urllib.parse import urlsplit

from nightdesk.cli.orchestration import running_api_url
from nightdesk.clock import WallClock
from nightdesk.errors import NightdeskError
from nightdesk.ledger.store import Ledger
from nightdesk.sessions import exchange_sessions
from nightdesk.settings import Settings
from nightdesk.wiring import load_strategy

FREE_GB = 1.0
TOGETHER = ("prefect", "mlflow", "pandas", "scikit-learn", "fastapi", "sqlalchemy")


@dataclass(frozen=True, slots=True)
class Examined:
    """One check: what was found, and whether a day can run with it."""

    name: str
    ok: bool
    found: str


def examined(here: Settings) -> list[Examined]:
    """Every check, in the order in which a day would meet them."""
    return [_row(name, check, here) for name, check in CHECKS.items()]


def _row(name: str, check: Callable[[Settings], tuple[bool, str]], here: Settings) -> Examined:
    try:
        return Examined(name, *check(here))
    except (NightdeskError, OSError) as error:
        return Examined(name, False, str(error))


def _python(here: Settings) -> tuple[bool, str]:
    return sys.version_info >= (3, 11), f"{sys.version.split()[0]}, allowed: 3.11 or newer"


def _versions(here: Settings) -> tuple[bool, str]:
    return True, ", ".join(f"{name} {version(name)}" for name in TOGETHER)


def _home(here: Settings) -> tuple[bool, str]:
    here.home.mkdir(parents=True, exist_ok=True)
    trial = here.home / ".doctor"
    trial.write_text("")
    trial.unlink()
    free = shutil.disk_usage(here.home).free / 1e9
    return free >= FREE_GB, f"{here.home}: writable, {free:,.1f} GB free, needed: {FREE_GB:.0f} GB"


def _calendar(here: Settings) -> tuple[bool, str]:
    sessions, now = exchange_sessions("XNYS"), WallClock().now()
    ahead = (sessions.last - now.date()).days
    return (
        ahead >= 180,
        f"XNYS reaches to {sessions.last}, {ahead} days ahead; newest final session {sessions.latest_settled(now)}",
    )


def _strategies(here: Settings) -> tuple[bool, str]:
    files = sorted(here.strategies_dir.glob("*.toml"))
    names = [load_strategy(str(file), here).name for file in files]
    return bool(names), f"{here.strategies_dir}: {', '.join(names) or 'none'}"


def _ledgers(here: Settings) -> tuple[bool, str]:
    files = sorted((here.home / "ledger").glob("*.sqlite"))
    for file in files:
        ledger = Ledger(file)
        ledger.require_sound()
        ledger.close()
    return True, f"{', '.join(file.stem for file in files) or 'none yet'}: sound"


def _mlflow(here: Settings) -> tuple[bool, str]:
    if not here.mlflow_uri.startswith("http"):
        return True, here.tracking_uri
    parts = urlsplit(here.mlflow_uri)
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=2):
        return True, f"{here.mlflow_uri} answers"


def _prefect(here: Settings) -> tuple[bool, str]:
    running = running_api_url(here.home)
    return True, f"server of `nightdesk up` at {running}" if running else "no server runs in this home: days use an embedded one"


CHECKS: dict[str, Callable[[Settings], tuple[bool, str]]] = {
    "python": _python,
    "versions": _versions,
    "home": _home,
    "calendar": _calendar,
    "strategies": _strategies,
    "ledgers": _ledgers,
    "mlflow": _mlflow,
    "prefect": _prefect,
}
