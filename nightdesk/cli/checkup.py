"""What `nightdesk doctor` looks at."""

import shutil
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from importlib.metadata import version
from urllib.parse import urlsplit

from nightdesk.brokers.alpaca_calendar import AlpacaCalendar, differences
from nightdesk.cli.orchestration import running_api_url
from nightdesk.clock import WallClock
from nightdesk.errors import NightdeskError
from nightdesk.ledger.file import ledgers_in
from nightdesk.ledger.store import Ledger
from nightdesk.notices import addresses_of
from nightdesk.sessions import exchange_sessions
from nightdesk.settings import Settings
from nightdesk.wiring.markets import store_at
from nightdesk.wiring.strategies import load_strategy

FREE_GB = 1.0
UNSCHEDULED_CLOSES = (date(2012, 10, 29), date(2012, 10, 30), date(2018, 12, 5), date(2025, 1, 9))
"""Days on which New York stayed closed at short notice: two for a hurricane, two for presidents' funerals (NYSE)."""

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
    """Whether the installed calendar knows the closes that no rule foretells, and reaches past next year."""
    sessions, now = exchange_sessions("XNYS"), WallClock().now()
    wrong = [f"{day} is a session in it, the exchange was closed" for day in UNSCHEDULED_CLOSES if sessions.is_session(day)]
    if sessions.last.year <= now.year + 1:
        wrong.append(f"it ends with {sessions.last}, needed: past {now.year + 1}")
    known = f"XNYS knows the unscheduled closes up to {max(UNSCHEDULED_CLOSES)}, reaches to {sessions.last}"
    newest = f"newest final session {sessions.latest_settled(now)}"
    return not wrong, "; ".join([*wrong, newest] if wrong else [known, newest])


def _broker_calendar(here: Settings) -> tuple[bool, str]:
    """The broker's own calendar against the installed one, where there is a broker with one."""
    if not here.alpaca_key_id:
        return True, "no broker with a calendar of its own is set up"
    now, sessions = WallClock().now(), exchange_sessions("XNYS")
    first, last = now.date() - timedelta(days=30), min(now.date() + timedelta(days=365), sessions.last)
    broker = AlpacaCalendar(here.alpaca_key_id, here.alpaca_secret_key, here.alpaca_url)
    wrong = differences(sessions, broker.fetch_sessions(first, last), first, last)
    return not wrong, "; ".join(wrong[:3]) or f"Alpaca has the same sessions, opens and closes from {first} to {last}"


def _strategies(here: Settings) -> tuple[bool, str]:
    files = sorted(here.strategies_dir.glob("*.toml"))
    names = [load_strategy(str(file), here).name for file in files]
    return bool(names), f"{here.strategies_dir}: {', '.join(names) or 'none'}"


def _ledgers(here: Settings) -> tuple[bool, str]:
    files = ledgers_in(here.ledgers)
    for file in files:
        ledger = Ledger(file)
        ledger.require_sound()
        for book in ledger.books():
            ledger.require_unbroken(book.book_id)
        ledger.close()
    return True, f"{', '.join(file.stem for file in files) or 'none yet'}: sound, every decision as it was committed"


def _outside(here: Settings) -> tuple[bool, str]:
    """What changed at a broker without the desk, and waits for a person."""
    waiting = []
    for file in ledgers_in(here.ledgers):
        ledger = Ledger(file)
        for book in ledger.books():
            waiting += [f"{book.book_id}: {row.sentence}" for row in ledger.outside_changes(book.book_id, waiting=True)]
        ledger.close()
    return not waiting, "; ".join(waiting) or "nothing that changed at a broker waits for `nightdesk adopt`"


def _bars(here: Settings) -> tuple[bool, str]:
    """Every file of every bar store against the hashes that the ledgers have."""
    checked = 0
    for file in ledgers_in(here.ledgers):
        ledger = Ledger(file)
        for source in ledger.bar_sources():
            recorded = ledger.bar_files(source)
            store_at(source, here).require_intact(recorded)
            checked += len(recorded)
        ledger.close()
    return True, f"{checked} files, each as it was written" if checked else "none stored yet"


def _mlflow(here: Settings) -> tuple[bool, str]:
    if not here.mlflow_uri.startswith("http"):
        return True, here.tracking_uri
    parts = urlsplit(here.mlflow_uri)
    with socket.create_connection((parts.hostname or "", parts.port or 80), timeout=2):
        return True, f"{here.mlflow_uri} answers"


def _notices(here: Settings) -> tuple[bool, str]:
    """Whether a person is told, never where."""
    count = len(addresses_of(here.notify))
    said = f"sent to {count} address{'es' if count > 1 else ''}; `nightdesk doctor --notify` sends one to try"
    return True, said if count else "none are sent: NIGHTDESK_NOTIFY is not set"


def _prefect(here: Settings) -> tuple[bool, str]:
    running = running_api_url(here.home)
    return True, f"server of `nightdesk up` at {running}" if running else "no server runs in this home: days use an embedded one"


CHECKS: dict[str, Callable[[Settings], tuple[bool, str]]] = {
    "python": _python,
    "versions": _versions,
    "home": _home,
    "calendar": _calendar,
    "broker": _broker_calendar,
    "strategies": _strategies,
    "ledgers": _ledgers,
    "outside": _outside,
    "bars": _bars,
    "mlflow": _mlflow,
    "prefect": _prefect,
    "notices": _notices,
}
