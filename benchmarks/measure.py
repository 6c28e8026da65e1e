"""One process from start to end, timed from outside, with its peak memory."""

import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import IO

import psutil

BIN = Path(sys.executable).parent
NIGHTDESK = str(BIN / "nightdesk")
SAMPLE_EVERY_S = 0.1


@dataclass(frozen=True, slots=True)
class Measured:
    """A process that ended well.

    `cpu_seconds` are its own and its children's, and depend less on the machine's load than `seconds`. `peak_mb` is its own
    resident memory, `tree_mb` (sampled) that of all it started as well.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    tree_mb: float
    stdout: str
    stderr: str


def measured(command: Sequence[str], env: dict[str, str], cwd: Path) -> Measured:
    """Run a command. Raises `RuntimeError` with its last lines where it does not exit with 0."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        started = perf_counter()
        process = subprocess.Popen(command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=err)
        tree = _TreeMemory(process.pid)
        tree.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = perf_counter() - started
        tree.join()
        process.returncode = os.waitstatus_to_exitcode(status)
        texts = [_text(out), _text(err)]
    if process.returncode:
        raise RuntimeError(f"{' '.join(command)} exited with {process.returncode}:\n{texts[1][-3000:]}")
    return Measured(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, tree.peak_mb, texts[0], texts[1])


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode(errors="replace")


class _TreeMemory(threading.Thread):
    """The highest sum of resident memory that was seen over a process and its descendants. Ends with the process."""

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._root = psutil.Process(pid)
        self.peak_mb = 0.0

    def run(self) -> None:
        while self._sample():
            threading.Event().wait(SAMPLE_EVERY_S)

    def _sample(self) -> bool:
        try:
            processes = [self._root, *self._root.children(recursive=True)]
            ended = self._root.status() == psutil.STATUS_ZOMBIE
        except psutil.NoSuchProcess:
            return False
        self.peak_mb = max(self.peak_mb, sum(_resident_mb(one) for one in processes))
        return not ended


def _resident_mb(process: psutil.Process) -> float:
    try:
        return float(process.memory_info().rss) / 2**20
    except psutil.NoSuchProcess:
        return 0.0
