"""Processes that run beside us: each in a session of its own with a log file, watched, and ended with all that it started."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from pathlib import Path
from types import FrameType, TracebackType
from urllib.parse import urlsplit

from nightdesk.errors import NightdeskError

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
HEALTHY_WITHIN_S = 180
FINISHES_WITHIN_S = 20
DIES_WITHIN_S = 10
LOOK_EVERY_S = 0.25


class Services:
    """The processes of a block: none of them outlives it.

    A signal does not interrupt what is being started: it is noted, and the next wait raises `KeyboardInterrupt`.
    """

    def __init__(self, logs: Path, environment: dict[str, str]) -> None:
        self._logs = logs
        self._environment = environment
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._asked_to_stop = False
        self._before: dict[int, signal.Handlers | int | Callable[[int, FrameType | None], object] | None] = {}

    def __enter__(self) -> "Services":
        self._logs.mkdir(parents=True, exist_ok=True)
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in reversed(self._processes.values()):
            _end_with_its_group(process)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def start(self, name: str, command: list[str], folder: Path) -> None:
        """Start a service in `folder`; what it prints is appended to its log."""
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                command,
                cwd=folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def run(self, name: str, command: list[str], folder: Path) -> None:
        """Start a process that finishes by itself, and wait for it.

        Raises
        ------
        NightdeskError
            It failed, or a service ended meanwhile.
        """
        self.start(name, command, folder)
        while self._processes[name].poll() is None:
            self._look(may_end=name)
        if self._processes.pop(name).returncode != 0:
            raise NightdeskError(f"{name} failed: {self._log(name)} says why.", service=name)

    def wait_until_healthy(self, name: str, url: str) -> float:
        """Wait until `url` answers 200. Returns the seconds that it took.

        Raises
        ------
        NightdeskError
            It took too long, or a service ended meanwhile.
        """
        began = time.monotonic()
        while not answers(url):
            self._look()
            if time.monotonic() - began > HEALTHY_WITHIN_S:
                raise NightdeskError(
                    f"{name} was not ready within {HEALTHY_WITHIN_S} s: {self._log(name)} says why.", service=name
                )
        return time.monotonic() - began

    def watch(self) -> None:
        """Wait for ever: a signal raises `KeyboardInterrupt`, a service that ends by itself `NightdeskError`."""
        while True:
            self._look()

    def _look(self, may_end: str = "") -> None:
        if self._asked_to_stop:
            raise KeyboardInterrupt
        for name, process in self._processes.items():
            if process.poll() is not None and name != may_end:
                raise NightdeskError(
                    f"{name} ended by itself with exit code {process.returncode}: {self._log(name)} says why.", service=name
                )
        time.sleep(LOOK_EVERY_S)

    def _note(self, _number: int, _frame: FrameType | None) -> None:
        self._asked_to_stop = True

    def _log(self, name: str) -> Path:
        return self._logs / f"{name}.log"


def answers(url: str) -> bool:
    """Whether a page answers 200 within seconds, asked without any proxy."""
    address = urlsplit(url)
    kind = HTTPSConnection if address.scheme == "https" else HTTPConnection
    connection = kind(address.hostname or "", address.port, timeout=2)
    try:
        connection.request("GET", address.path)
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def _end_with_its_group(process: subprocess.Popen[bytes]) -> None:
    """Ask the process, then its whole group, then kill what is left of the group; each wait is bounded."""
    process.terminate()
    _ended(lambda: process.poll() is not None, FINISHES_WITHIN_S)
    for number in (signal.SIGTERM, signal.SIGKILL):
        _signal_group(process.pid, number)
        if _ended(lambda: process.poll() is not None and not _signal_group(process.pid, 0), DIES_WITHIN_S):
            return


def _ended(has_ended: Callable[[], bool], within_s: float) -> bool:
    until = time.monotonic() + within_s
    while not has_ended() and time.monotonic() < until:
        time.sleep(LOOK_EVERY_S / 5)
    return has_ended()


def _signal_group(group: int, number: int) -> bool:
    """Whether there was still a process in the group."""
    try:
        os.killpg(group, number)
    except ProcessLookupError:
        return False
    return True
