"""The process behind the fence: it runs functions of a user's file on prices and leaves what they gave in a file.

It is given a folder a line, and for each makes a process that reads `request.json` and `prices.npz` there and writes
`answer.npz`, or `failure.json` with one sentence about what went wrong; it says the process's id and then its exit code. No
process knows what another has done, and none needs to import pandas again. Nothing of Nightdesk is imported, so that nothing
of it can be broken here.
"""

import contextlib
import faulthandler
import json
import os
import resource
import select
import signal
import sys
import traceback
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

MODULE = "own_code"
IDLE_S = 20
FIELDS = ("open", "high", "low", "close", "volume")


class RefusedError(Exception):
    """What a function gave is not what is asked of it: a sentence."""


def serve() -> None:
    """A process for each folder, one after the other, until nothing is asked for or nobody is there to ask."""
    while select.select([sys.stdin], [], [], IDLE_S)[0] and (line := sys.stdin.readline()):
        child = os.fork()
        if child == 0:
            _leave_terminal(Path(line.rstrip("\n")))
            main(Path(line.rstrip("\n")))
        os.write(1, f"{child}\n".encode())
        _, status = os.waitpid(child, 0)
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(child, signal.SIGKILL)  # what it has started
        os.write(1, f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _leave_terminal(folder: Path) -> None:
    os.setsid()
    nowhere = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(nowhere, stream)
    os.chdir(folder)


def main(folder: Path) -> None:
    """Write the answer or the failure, whole or not at all, and end at once, whatever threads the file has left."""
    request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
    _limit(request, folder)
    told: dict[str, object] = {"function": "", "line": 0, "what": ""}
    arrays: dict[str, np.ndarray] = {}
    try:
        module = _loaded(folder / request["file"])
        for function in request["functions"]:
            told["function"] = function
            (folder / "running").write_text(function, encoding="utf-8")
            result = getattr(module, function)(_prices(folder), **request["params"])
            arrays[function] = _checked(result, _prices(folder).close)
    except BaseException as error:  # the one fence around a user's own code, sys.exit() included
        told |= {"line": _line(error, request["file"]), "what": _words(error)}
        _write(folder, "failure.json", json.dumps(told).encode())
    else:
        with (folder / "answer.unfinished").open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]  # numpy's own hint takes the names for flags
        (folder / "answer.unfinished").replace(folder / "answer.npz")
    os._exit(0)


def _limit(request: dict[str, Any], folder: Path) -> None:
    """Memory, file size and time; where the time is up or the process crashes, the line is left in `crash.txt`."""
    resource.setrlimit(resource.RLIMIT_AS, (request["memory_bytes"], request["memory_bytes"]))
    resource.setrlimit(resource.RLIMIT_FSIZE, (request["memory_bytes"], request["memory_bytes"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    crash = (folder / "crash.txt").open("w", encoding="utf-8")
    faulthandler.enable(crash, all_threads=False)
    faulthandler.dump_traceback_later(request["timeout_s"], exit=True, file=crash)
    np.random.seed(0)


def _loaded(path: Path) -> ModuleType:
    module = ModuleType(MODULE)
    module.__file__ = path.name
    sys.modules[MODULE] = module
    exec(compile(path.read_text(encoding="utf-8"), path.name, "exec"), module.__dict__)
    return module


def _prices(folder: Path) -> SimpleNamespace:
    """Read anew for each function: what one of them changes is not seen by the next."""
    with np.load(folder / "prices.npz", allow_pickle=False) as tables:
        sessions = pd.DatetimeIndex(tables["sessions"].astype("datetime64[ns]"), name="session")
        symbols = pd.Index(tables["symbols"].tolist(), name="symbol", dtype="str")
        return SimpleNamespace(**{name: pd.DataFrame(tables[name], sessions, symbols) for name in FIELDS})


def _checked(result: Any, like: pd.DataFrame) -> np.ndarray:
    """The values of a frame that is shaped as the prices are. Raises `RefusedError`."""
    if not isinstance(result, pd.DataFrame):
        raise RefusedError(f"it gave {_article(type(result).__name__)}, allowed: a DataFrame shaped as prices.close")
    if result.shape != like.shape:
        given, wanted = result.shape, like.shape
        raise RefusedError(f"it gave {given[0]} rows x {given[1]} columns, allowed: {wanted[0]} sessions x {wanted[1]} symbols")
    if not result.index.equals(like.index):
        raise RefusedError("it gave another index, allowed: the sessions of prices.close, in their order")
    if not result.columns.equals(like.columns):
        raise RefusedError(f"it gave the columns {list(result.columns)[:5]}, allowed: {list(like.columns)[:5]}, in their order")
    for symbol, kind in result.dtypes.items():
        if not (pd.api.types.is_numeric_dtype(kind) and kind.kind in "fiub"):
            raise RefusedError(f"it gave values of the type {kind} for {symbol}, allowed: numbers")
    values: np.ndarray = result.to_numpy(dtype="float64", na_value=np.nan)
    return values


def _article(name: str) -> str:
    return "nothing" if name == "NoneType" else f"{'an' if name[0].lower() in 'aeiou' else 'a'} {name}"


def _line(error: BaseException, file: str) -> int:
    """The deepest line of the user's file that the error passed through."""
    if isinstance(error, SyntaxError) and error.filename == file:
        return error.lineno or 0
    lines = [frame.lineno or 0 for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return lines[-1] if lines else 0


def _words(error: BaseException) -> str:
    if isinstance(error, RefusedError):
        return str(error)
    if isinstance(error, SystemExit):
        return f"it called sys.exit({error.code!r})"
    if isinstance(error, MemoryError):
        return "it needs more memory than it may have"
    try:
        said = str(error)
    except BaseException:  # an error of the user's own may not even tell itself
        said = ""
    return f"{type(error).__name__}: {said}" if said else type(error).__name__


def _write(folder: Path, name: str, content: bytes) -> None:
    (folder / "unfinished").write_bytes(content)
    (folder / "unfinished").replace(folder / name)


if __name__ == "__main__":
    serve()
