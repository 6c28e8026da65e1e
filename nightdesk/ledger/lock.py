"""One writer an account: a lock that is released when its process dies, however it dies: by the kernel, or by the database's
server where the ledger is on one."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import SecretStr


@contextmanager
def only_writer(place: Path | SecretStr, name: str, inherited: int | None = None) -> Iterator[int | None]:
    """Hold the lock `name` for the length of the block: a file of a folder, or a lock of the database at an address. Gives its
    file descriptor; None, at once, where another process has it.

    A child to which that descriptor was passed on holds the same lock: it names it as `inherited`.
    """
    if isinstance(place, Path):
        held = _file_lock(place, name, inherited)
    else:
        from nightdesk.postgres import session_lock

        held = session_lock(place, name, inherited)
    with held as descriptor:
        yield descriptor


@contextmanager
def _file_lock(folder: Path, name: str, inherited: int | None) -> Iterator[int | None]:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name.replace('/', '-')}.lock"
    with path.open("a") as own:
        held = inherited if inherited is not None and _is_open_on(inherited, path) else own.fileno()
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield None
            return
        yield held


def _is_open_on(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False
