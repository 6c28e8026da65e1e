"""The process behind the fence, started when it is first needed and asked again while it is there."""

import atexit
import contextlib
import os
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

CHILD = Path(__file__).with_name("child.py")
TOO_LONG = 1000
"""Stands for the exit code of a process that had to be ended."""
SURROUNDINGS = {
    "PATH": os.defpath,
    "HOME": "/nonexistent",
    "LANG": "C.UTF-8",
    "TZ": "UTC",
    "PYTHONHASHSEED": "0",
    "OPENBLAS_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
}
"""The whole environment behind the fence: no setting and no secret."""


class Server:
    """`child.py` in a process of its own. One question at a time."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0

    def run(self, folder: Path, timeout_s: float) -> int:
        """The exit code of the process that worked on a folder, `TOO_LONG` where it had to be ended."""
        with self._lock:
            for _ in range(2):  # the server may have left a moment ago, with nothing to do
                code = self._asked(folder, timeout_s)
                if code is not None:
                    return code
                self.end()
            return -signal.SIGKILL

    def end(self) -> None:
        """End the server, and wait for it."""
        process, self._process = self._process, None
        if process is not None and self._owner == os.getpid():
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                if stream is not None:
                    with contextlib.suppress(BrokenPipeError):
                        stream.close()

    def _asked(self, folder: Path, timeout_s: float) -> int | None:
        process = self._started()
        if process.stdin is None or process.stdout is None:
            return None
        try:
            process.stdin.write(f"{folder}\n".encode())
        except BrokenPipeError:
            return None
        child = process.stdout.readline()
        if not child:
            return None
        late = not select.select([process.stdout], [], [], timeout_s)[0]
        if late:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(int(child), signal.SIGKILL)
        code = process.stdout.readline()
        return TOO_LONG if late else int(code) if code else None

    def _started(self) -> subprocess.Popen[bytes]:
        """The server of this very process: one that a parent has started is the parent's."""
        if self._process is None or self._owner != os.getpid():
            pipe = subprocess.PIPE
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-s", "-B", str(CHILD)],
                env=SURROUNDINGS,
                stdin=pipe,
                stdout=pipe,
                stderr=subprocess.DEVNULL,
                bufsize=0,
                start_new_session=True,
            )
            self._owner = os.getpid()
            atexit.register(self.end)
        return self._process
