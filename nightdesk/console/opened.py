"""The ledgers of a home, kept open between requests: a new connection and new SQL would cost more than what is asked."""

from pathlib import Path
from threading import Lock

from nightdesk.ledger.store import Ledger

Place = tuple[int, int]


class OpenLedgers:
    """Every ledger file that the home has now. A file that was put in another's place is opened anew."""

    def __init__(self, home: Path) -> None:
        self._home = home
        self._lock = Lock()
        self._open: dict[Path, tuple[Place, Ledger]] = {}

    def all(self) -> list[Ledger]:
        """The ledgers, by the names of their files: backfill, live, paper."""
        with self._lock:
            return [self._ledger(path) for path in sorted((self._home / "ledger").glob("*.sqlite"))]

    def _ledger(self, path: Path) -> Ledger:
        status = path.stat()
        place = status.st_dev, status.st_ino
        known = self._open.get(path)
        if known is None or known[0] != place:
            if known is not None:
                known[1].close()
            known = self._open[path] = place, Ledger(path)
        return known[1]
