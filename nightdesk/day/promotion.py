"""A challenger takes the champion's place, or gives it back: the ledger's row first, then the file, then the row is finished."""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path

from nightdesk.clock import WallClock
from nightdesk.day.compared import Comparison
from nightdesk.errors import Misconfigured, OutOfSync, TryAgain
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.lock import only_writer
from nightdesk.ledger.store import Ledger
from nightdesk.settings import Settings
from nightdesk.wiring.orders import account_lock, open_ledger
from nightdesk.wiring.promoted import promoted_text
from nightdesk.wiring.strategies import load_strategy, strategy_of, strategy_path
from schemas.evidence import Replacement
from schemas.records import Mode
from schemas.strategy import Strategy

LOCKED: tuple[Mode, ...] = ("paper", "live")


def require_enough(found: Comparison, sessions: int) -> None:
    """Raise `Misconfigured` where the evidence does not suffice, with what is missing."""
    names = f"{found.challenger.name} can not be shown to be better than {found.champion.name}"
    n = len(found.sessions)
    if found.gate is None:
        raise Misconfigured(f"{names}: they have no session in common on paper. Play both, as `nightdesk day` does.")
    if n < sessions:
        raise Misconfigured(f"{names}: {n} sessions that neither has seen were played by both, wanted: {sessions}.")
    if not found.gate.passed:
        raise Misconfigured(f"{names}. {found.gate.needed}")


def submit_promotion(
    found: Comparison, champion: str, challenger: str, who: str, reason: str, ledger: Ledger, here: Settings
) -> Replacement:
    """Write what the challenger learns with into the champion's file. Raises `Misconfigured` where the result is no strategy, or
    the same one."""
    path, other = strategy_path(champion, here), strategy_path(challenger, here)
    if found.challenger.own_code is not None:
        raise Misconfigured(
            f"{challenger} has code of its own, {found.challenger.own_file}: a promotion takes over the file alone."
        )
    former = path.read_text(encoding="utf-8")
    new = promoted_text(former, other.read_text(encoding="utf-8"))
    if new == former:
        raise Misconfigured(f"{challenger} learns with the same keys as {champion}: there is nothing to promote.")
    row = _row(found.champion, "promotion", path, challenger, former, new, found.document(), who, reason)
    return _submit(row, found.champion, ledger, here)


def submit_rollback(name: str, who: str, ledger: Ledger, here: Settings) -> Replacement:
    """Put the file back that the last promotion replaced. Raises `Misconfigured` where there is none, or where the file was
    edited since."""
    path, strategy = strategy_path(name, here), load_strategy(name, here)
    standing: list[Replacement] = []
    for row in ledger.replacements(str(path.resolve())):
        standing = [*standing, row] if row.kind == "promotion" else standing[:-1]
    if not standing:
        raise Misconfigured(f"Nothing to roll back: no promotion changed {path}.", strategy=name)
    last, now = standing[-1], path.read_text(encoding="utf-8")
    if sha256_of(now) != last.new_sha256:
        kept = _kept(last.former_sha256, here)
        raise Misconfigured(f"{path} was edited since the promotion of {last.challenger}: compare it with {kept} by hand.")
    row = _row(strategy, "rollback", path, last.challenger, now, last.former, {"promotion": last.number}, who, "")
    return _submit(row, strategy, ledger, here)


def finish_replacement(name: str, here: Settings) -> str:
    """Finish a replacement of a strategy's file that was interrupted. Returns what was done, "" where there was none.

    Raises `OutOfSync` where the file is neither what it was before nor what it was to become.
    """
    path = strategy_path(name, here)
    if not ledger_file(here.ledgers, "paper").exists():
        return ""
    ledger = open_ledger("paper", here)
    try:
        open_rows = [row for row in ledger.replacements(str(path.resolve())) if row.finished_at is None]
        for row in open_rows:
            _save(row, path, ledger)
    finally:
        ledger.close()
    return " ".join(f"The {row.kind} of {row.at:%Y-%m-%d} to {path} was interrupted and is finished now." for row in open_rows)


def sha256_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _row(
    strategy: Strategy,
    kind: str,
    path: Path,
    challenger: str,
    former: str,
    new: str,
    told: Mapping[str, object],
    who: str,
    why: str,
) -> Replacement:
    return Replacement(
        number=0,
        strategy=strategy.name,
        kind=kind,  # type: ignore[arg-type]  # one of the two words
        path=str(path.resolve()),
        challenger=challenger,
        former_sha256=sha256_of(former),
        new_sha256=sha256_of(new),
        former=former,
        new=new,
        evidence=told,
        who=who,
        at=WallClock().now(),
        reason=why,
    )


def _submit(row: Replacement, strategy: Strategy, ledger: Ledger, here: Settings) -> Replacement:
    with _alone(strategy, here):
        for text in (row.former, row.new):
            _write(_kept(sha256_of(text), here), text)
        strategy_of(row.new, Path(row.path))  # it must be a strategy before it is anybody's file
        kept = ledger.append_replacement(row)
        _save(kept, Path(kept.path), ledger)
    return kept


def _save(row: Replacement, path: Path, ledger: Ledger) -> None:
    """The file as the row says, then the row finished."""
    now = sha256_of(path.read_text(encoding="utf-8"))
    if now not in (row.former_sha256, row.new_sha256):
        raise OutOfSync(
            f"{path} was edited after a {row.kind} that was interrupted: put back the text with the SHA-256 "
            f"{row.former_sha256[:12]} or {row.new_sha256[:12]}, as it lies in the home in strategies/.",
            path=str(path),
        )
    if now != row.new_sha256:
        _write(path, row.new)
    ledger.finish_replacement(row.number, WallClock().now())


def _kept(sha256: str, here: Settings) -> Path:
    return here.home / "strategies" / f"{sha256}.toml"


def _write(path: Path, text: str) -> None:
    """Whole or not at all, and on the disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    with unfinished.open("w", encoding="utf-8", newline="") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    unfinished.replace(path)


@contextmanager
def _alone(strategy: Strategy, here: Settings) -> Iterator[None]:
    """While no day of the strategy runs."""
    with ExitStack() as held:
        for mode in LOCKED:
            if held.enter_context(only_writer(here.home / "locks", account_lock(strategy, mode))) is None:
                raise TryAgain(f"A day of the account {strategy.account!r} is running: try again when it has ended.")
        yield
