"""The ledgers of a home, kept open between requests: a new connection and new SQL would cost more than what is asked."""

from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

from pydantic import SecretStr

from nightdesk.ledger.file import ledgers_in
from nightdesk.ledger.store import Ledger

if TYPE_CHECKING:
    from nightdesk.postgres import Schema

Place = tuple[int, int]


class OpenLedgers:
    """Every ledger that there is now. A file that was put in another's place is opened anew."""

    def __init__(self, home: Path | SecretStr) -> None:
        self._home = home
        self._lock = Lock()
        self._open: dict[Path | Schema, tuple[Place, Ledger]] = {}

    def all(self) -> list[Ledger]:
        """The ledgers, by the names of their modes: backfill, live, paper."""
        with self._lock:
            return [self._ledger(path) for path in ledgers_in(self._home)]

    def _ledger(self, path: "Path | Schema") -> Ledger:
        place = _place(path)
        known = self._open.get(path)
        if known is None or known[0] != place:
            if known is not None:
                known[1].close()
            known = self._open[path] = place, Ledger(path)
        return known[1]


def _place(path: "Path | Schema") -> Place:
    """Where a file lies on its disk; a schema stays where it is."""
    if not isinstance(path, Path):
        return 0, 0
    status = path.stat()
    return status.st_dev, status.st_ino
