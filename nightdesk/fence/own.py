"""Functions of the strategy's own file: features and weights, computed behind the fence."""

import ast
import json
import re
import signal
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
import pandas as pd

from nightdesk.errors import BadData, Misconfigured
from nightdesk.features.panels import Panels
from nightdesk.fence.server import TOO_LONG, Server

TIMEOUT_S = 60
START_S = 15
"""So long may the process need to start; then it counts its time itself, and says in which line it was."""
MEMORY_BYTES = 4 * 2**30
LONGEST_WORDS = 300
SERVER = Server()
PASSED_ON = ("open", "high", "low", "close", "volume")
WEIGHTS = "target_weights"
"""The function of an own rule."""


@dataclass(frozen=True, slots=True)
class OwnCode:
    """A user's file: its name for sentences, and its text, which is what runs."""

    file: str
    text: str


def require_functions(code: OwnCode, functions: Sequence[str]) -> None:
    """Raise `Misconfigured` where the file is no Python or does not define a function. Nothing of it is run."""
    try:
        tree = ast.parse(code.text)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        line = f", line {error.lineno}" if isinstance(error, SyntaxError) and error.lineno else ""
        said = error.msg if isinstance(error, SyntaxError) else str(error)
        raise Misconfigured(f"{code.file}{line}: it is not Python: {said}.", file=code.file) from None
    defined = [part.name for part in tree.body if isinstance(part, ast.FunctionDef)]
    for name in functions:
        if name not in defined:
            there = ", ".join(one for one in defined if not one.startswith("_")) or "none"
            raise Misconfigured(f"{code.file} has no function {name}; those that it has: {there}.", file=code.file, function=name)


def own_features(code: OwnCode, functions: Sequence[str], prices: Panels) -> dict[str, pd.DataFrame]:
    """The panel (sessions x symbols) that each function of a user's file makes of adjusted prices; NaN is no value yet.

    Raises
    ------
    Misconfigured
        The file or a function fails, takes too long or too much, or gives something else than a panel of numbers.
    BadData
        A value is infinite.
    """
    return _made(code, functions, prices, {})


def own_weights(code: OwnCode, prices: Panels, params: Mapping[str, object]) -> pd.DataFrame:
    """The target weights (sessions x symbols) that `target_weights(prices, **params)` of a user's file gives; NaN holds.

    Raises as `own_features`.
    """
    return _made(code, [WEIGHTS], prices, params)[WEIGHTS]


def _made(code: OwnCode, functions: Sequence[str], prices: Panels, params: Mapping[str, object]) -> dict[str, pd.DataFrame]:
    """Every function in one process of its own, in a folder that is gone afterwards."""
    require_functions(code, functions)
    with tempfile.TemporaryDirectory(prefix="nightdesk-own-") as name:
        folder = Path(name)
        _save_request(folder, code, functions, prices, params)
        exit_code = SERVER.run(folder, TIMEOUT_S + START_S)
        tables = _answer(folder, code, functions, exit_code)
    made = {}
    for function in functions:
        table = tables[function]
        if table.shape != prices.close.shape or table.dtype != np.float64:
            raise Misconfigured(f"{code.file}, in {function}: its answer is not the one that was written.", file=code.file)
        made[function] = pd.DataFrame(table, prices.close.index, prices.close.columns)
        _require_finite(code, function, made[function])
    return made


def _save_request(folder: Path, code: OwnCode, functions: Sequence[str], prices: Panels, params: Mapping[str, object]) -> None:
    (folder / code.file).write_text(code.text, encoding="utf-8")
    limits = {"timeout_s": TIMEOUT_S, "memory_bytes": MEMORY_BYTES}
    request = {"file": code.file, "functions": list(functions), "params": dict(params), **limits}
    (folder / "request.json").write_text(json.dumps(request), encoding="utf-8")
    np.savez(
        folder / "prices.npz",
        sessions=prices.close.index.to_numpy().astype("datetime64[ns]").astype("int64"),
        symbols=np.array(list(prices.close.columns), dtype="U"),
        **{name: getattr(prices, name).to_numpy(dtype="float64") for name in PASSED_ON},
    )


def _answer(folder: Path, code: OwnCode, functions: Sequence[str], exit_code: int) -> dict[str, np.ndarray]:
    failure, answer = folder / "failure.json", folder / "answer.npz"
    try:
        if failure.exists():
            told = json.loads(failure.read_text(encoding="utf-8"))
            raise _failed(code, str(told["function"]), int(told["line"]), str(told["what"]))
        if not answer.exists():
            raise _crashed(folder, code, exit_code)
        with np.load(answer, allow_pickle=False) as tables:
            return {function: tables[function] for function in functions}
    except (ValueError, KeyError, TypeError, OSError, EOFError, BadZipFile):
        raise Misconfigured(f"{code.file}: its answer cannot be read.", file=code.file) from None


def _crashed(folder: Path, code: OwnCode, exit_code: int) -> Misconfigured:
    """The process ended without an answer: where it was, as far as it could still be written down."""
    crash = folder / "crash.txt"
    said = crash.read_text(encoding="utf-8", errors="replace") if crash.exists() else ""
    place = re.search(rf'File "{re.escape(code.file)}", line (\d+) in ', said)
    line, running = int(place[1]) if place else 0, folder / "running"
    function = running.read_text(encoding="utf-8", errors="replace") if running.exists() else ""
    if exit_code == TOO_LONG or said.startswith("Timeout"):
        return _failed(code, function, line, f"it took more than {TIMEOUT_S} seconds")
    if exit_code < 0:
        return _failed(code, function, line, f"its process was ended by {signal.Signals(-exit_code).name}")
    return _failed(code, function, line, f"it ended its process, with exit code {exit_code}")


def _failed(code: OwnCode, function: str, line: int, what: str) -> Misconfigured:
    words, line = " ".join(what.split()), line or _line_of(code, function)
    short = words if len(words) <= LONGEST_WORDS else f"{words[:LONGEST_WORDS]}..."
    where = f"{code.file}{f', line {line}' if line else ''}{f', in {function}' if function else ''}"
    return Misconfigured(f"{where}: {short.rstrip('.')}.", file=code.file, function=function, line=line)


def _line_of(code: OwnCode, function: str) -> int:
    """Where the function begins, 0 where there is none of the name."""
    return next(
        (part.lineno for part in ast.parse(code.text).body if isinstance(part, ast.FunctionDef) and part.name == function), 0
    )


def _require_finite(code: OwnCode, function: str, made: pd.DataFrame) -> None:
    infinite = np.argwhere(np.isinf(made.to_numpy()))
    if len(infinite):
        row, column = infinite[0]
        place = f"{made.columns[column]} on {made.index[row].date()}"
        where = f"{code.file}, line {_line_of(code, function)}, in {function}"
        raise BadData(f"{where}: it gave infinity for {place}, allowed: a number or NaN.", file=code.file, function=function)
