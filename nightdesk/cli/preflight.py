"""The checklist of a strategy that is to trade live, gone through. It looks, at the broker too, and changes nothing."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from nightdesk.cli.live_checks import CHECKS, WAIVABLE, Candidate
from nightdesk.errors import NightdeskError
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.settings import Settings
from schemas.strategy import Strategy

if TYPE_CHECKING:
    from nightdesk.postgres import Schema


@dataclass(frozen=True, slots=True)
class Line:
    """One check. What is not `ok` keeps the strategy from going live, unless a person gives a reason in one of the options that
    waive it."""

    name: str
    ok: bool
    found: str
    waived_by: tuple[str, ...] = ()


def preflight(strategy: Strategy, here: Settings) -> list[Line]:
    """Every check, in order. One that rests on another that failed is not made."""
    lines: dict[str, Line] = {}
    with _ledger_copy(here) as ledger:
        candidate = Candidate(strategy, here, ledger)
        for name, (check, needed) in CHECKS.items():
            missing = [other for other in needed if not lines[other].ok]
            lines[name] = _line(name, check, candidate, missing)
        if "broker" in vars(candidate):
            candidate.broker.close()
    return list(lines.values())


def _line(name: str, check: Callable[[Candidate], str], candidate: Candidate, missing: Sequence[str]) -> Line:
    if missing:
        return Line(name, False, f"not looked at before this is right: {missing[0]}")
    try:
        return Line(name, True, check(candidate))
    except NightdeskError as error:
        return Line(name, False, error.message, WAIVABLE.get(name, ()))


@contextmanager
def _ledger_copy(here: Settings) -> Iterator[Ledger]:
    """The live ledger to try things on: a copy that is thrown away."""
    with TemporaryDirectory(prefix="nightdesk-preflight-") as folder:
        path = Path(folder) / "live.sqlite"
        if (real := ledger_file(here.ledgers, "live")).exists():
            _copy(real, path)
        with closing(Ledger(path)) as ledger:
            ledger.require_mode("live")
            yield ledger


def _copy(real: "Path | Schema", path: Path) -> None:
    import sqlite3

    if not isinstance(real, Path):
        with closing(Ledger(real)) as ledger, closing(Ledger(path)) as copy:
            copy.append_all_of(ledger)
        return
    with closing(sqlite3.connect(f"file:{real}?mode=ro", uri=True)) as source, closing(sqlite3.connect(path)) as copy:
        source.backup(copy)
