"""Processes that run beside us: each in a session of its own with a log file, watched, started again where it dies, and ended
with all that it started. On Linux they end with us, too, when we are killed."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
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
FIRST_PAUSE_S = 1.0
"""Before a service that died is started again; doubled at each further death."""
DEATHS = 5
DEATHS_WITHIN_S = 600.0
"""A service that dies so often within this time is not started again."""
PR_SET_PDEATHSIG = 1

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


@dataclass
class _Service:
    """How a service was started, and when it died."""

    command: list[str]
    folder: Path
    more: dict[str, str]
    keeps_running: bool
    deaths: list[float] = field(default_factory=list)
    due: float = 0.0


class Services:
    """The processes of a block: none of them outlives it.

    A signal does not interrupt what is being started: it is noted, and the next wait raises `KeyboardInterrupt`.
    """

    def __init__(self, logs: Path, environment: dict[str, str]) -> None:
        self._logs = logs
        self._environment = environment
        self._processes: dict[str, subprocess.Popen[bytes]] = {}
        self._services: dict[str, _Service] = {}
        self._left: list[subprocess.Popen[bytes]] = []
        self._asked_to_stop = False
        self._before: dict[int, signal.Handlers | int | Callable[[int, FrameType | None], object] | None] = {}

    def __enter__(self) -> "Services":
        self._logs.mkdir(parents=True, exist_ok=True)
        for number in SIGNALS:
            self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for process in [*reversed(self._processes.values()), *self._left]:
            _end_with_its_group(process)
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def start(
        self, name: str, command: list[str], folder: Path, more: dict[str, str] | None = None, keeps_running: bool = False
    ) -> None:
        """Start a service in `folder`, with `more` in its environment; what it prints is appended to its log. Where it dies, what
        it had started ends before it is started again, unless that `keeps_running`."""
        self._services[name] = _Service(command, folder, more or {}, keeps_running)
        self._begin(name)

    def _begin(self, name: str) -> None:
        service = self._services[name]
        with self._log(name).open("ab") as log:
            self._processes[name] = subprocess.Popen(
                service.command,
                cwd=service.folder,
                env=self._environment | service.more,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_the_parent if _libc else None,
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

    def watch(self, say: Callable[[str], None]) -> None:
        """Wait for ever, and start again what ends by itself. A signal raises `KeyboardInterrupt`, a service that ends again and
        again `NightdeskError`."""
        while True:
            for name in list(self._processes):
                self._keep_alive(name, say)
            self._wait()

    def _keep_alive(self, name: str, say: Callable[[str], None]) -> None:
        process, service, now = self._processes[name], self._services[name], time.monotonic()
        if process.poll() is None:
            return
        if not service.due:
            service.deaths = [at for at in service.deaths if now - at < DEATHS_WITHIN_S] + [now]
            ended = f"{name} ended by itself with exit code {process.returncode}"
            if len(service.deaths) >= DEATHS:
                raise NightdeskError(f"{ended}, {DEATHS} times within minutes: {self._log(name)} says why.", service=name)
            pause_s = FIRST_PAUSE_S * 2 ** (len(service.deaths) - 1)
            say(f"{ended}: it is started again in {pause_s:.0f} s; {self._log(name)} says why.")
            service.due = now + pause_s
        elif now >= service.due:
            service.due = 0.0
            if service.keeps_running:
                self._left.append(process)
            else:
                _end_with_its_group(process)
            self._begin(name)

    def _look(self, may_end: str = "") -> None:
        for name, process in self._processes.items():
            if process.poll() is not None and name != may_end:
                raise NightdeskError(
                    f"{name} ended by itself with exit code {process.returncode}: {self._log(name)} says why.", service=name
                )
        self._wait()

    def _wait(self) -> None:
        if self._asked_to_stop:
            raise KeyboardInterrupt
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


def _end_with_the_parent() -> None:
    """In a new process: have the kernel end it when the process that started it is gone, however that ended."""
    if _libc:
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def end_leftovers(mark: str) -> list[int]:
    """End the processes of this user with `mark` in their environment, but for ours. Returns their numbers; none but on Linux."""
    found = _marked(mark)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in _marked(mark):
            try:
                os.kill(process, number)
            except ProcessLookupError:
                continue
        if _ended(lambda: not _marked(mark), DIES_WITHIN_S):
            break
    return found


def _marked(mark: str) -> list[int]:
    found = []
    for environment in Path("/proc").glob("[0-9]*/environ"):
        try:
            said = environment.read_bytes().split(b"\0")
        except OSError:  # another user's, or gone
            continue
        if mark.encode() in said and int(environment.parent.name) != os.getpid():
            found.append(int(environment.parent.name))
    return sorted(found)


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
