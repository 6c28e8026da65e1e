"""Processes beside us: none outlives its block, and one that ends by itself is named."""

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import psutil
import pytest

from nightdesk.cli import services as services_module
from nightdesk.cli.services import Services, end_leftovers
from nightdesk.errors import NightdeskError


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """A service that dies three times is given up, after short pauses."""
    monkeypatch.setattr(services_module, "DEATHS", 3)
    monkeypatch.setattr(services_module, "FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr(services_module, "LOOK_EVERY_S", 0.05)


SLEEPS = [sys.executable, "-c", "import time; time.sleep(60)"]


def test_child_of_a_service_does_not_outlive_the_block(tmp_path: Path) -> None:
    starts_a_child = [sys.executable, "-c", f"import subprocess, time; subprocess.Popen({SLEEPS!r}); time.sleep(60)"]
    others = set(psutil.Process().children(recursive=True))
    with Services(tmp_path, {}) as services:
        services.start("parent", starts_a_child, tmp_path)
        while len(started := set(psutil.Process().children(recursive=True)) - others) < 2:
            time.sleep(0.02)
    assert [process for process in started if process.is_running()] == []


@pytest.mark.parametrize("code", [0, 3])
def test_service_that_ends_during_the_start_is_named_with_its_code_and_log(tmp_path: Path, code: int) -> None:
    with (
        pytest.raises(NightdeskError, match=rf"short ended by itself with exit code {code}: .*short\.log"),
        Services(tmp_path, {}) as services,
    ):
        services.start("long", SLEEPS, tmp_path)
        services.start("short", [sys.executable, "-c", f"raise SystemExit({code})"], tmp_path)
        services.wait_until_healthy("long", "http://127.0.0.1:9/")


def test_service_that_ends_again_and_again_is_given_up_with_a_sentence(tmp_path: Path, quick: None) -> None:
    said: list[str] = []
    with (
        pytest.raises(NightdeskError, match=r"short ended by itself with exit code 3, 3 times within minutes: .*short\.log"),
        Services(tmp_path, {}) as services,
    ):
        services.start("long", SLEEPS, tmp_path)
        services.start("short", [sys.executable, "-S", "-c", "print('began', flush=True); raise SystemExit(3)"], tmp_path)
        services.watch(said.append)
    assert (tmp_path / "short.log").read_text() == "began\n" * 3
    assert [text[:42] for text in said] == ["short ended by itself with exit code 3: it"] * 2


@pytest.mark.parametrize("keeps_running", [True, False])
def test_service_that_was_killed_is_started_again_with_or_without_what_it_had_started(
    tmp_path: Path, quick: None, keeps_running: bool
) -> None:
    starts_a_child = [sys.executable, "-S", "-c", f"import subprocess, time; subprocess.Popen({SLEEPS!r}); time.sleep(60)"]
    others = set(psutil.Process().children(recursive=True))
    seen: list[set[psutil.Process]] = []
    survived: list[bool] = []

    def ours() -> set[psutil.Process]:
        return {row for row in psutil.Process().children(recursive=True) if row.status() != psutil.STATUS_ZOMBIE} - others

    with pytest.raises(KeyboardInterrupt), Services(tmp_path, {}) as services:
        services.start("parent", starts_a_child, tmp_path, keeps_running=keeps_running)
        while len(ours()) < 2:
            time.sleep(0.02)
        child = next(row for row in ours() if row.ppid() != psutil.Process().pid)
        psutil.Process(child.ppid()).kill()

        def look() -> None:
            until = time.monotonic() + 20
            while len(ours()) < 2 and time.monotonic() < until:
                time.sleep(0.05)
            seen.append(ours())
            survived.append(child.is_running() and child.status() != psutil.STATUS_ZOMBIE)
            os.kill(os.getpid(), signal.SIGTERM)

        watcher = threading.Timer(1.0, look)
        watcher.start()
        services.watch(lambda _: None)
    watcher.join()
    assert (len(seen[0]), survived) == (2, [keeps_running])
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE, "nothing is left at the end"


def test_a_service_ends_with_the_process_that_started_it_however_that_ends(tmp_path: Path) -> None:
    starts = f"""
import os, signal
from pathlib import Path
from nightdesk.cli import services as services_module
from nightdesk.cli.services import Services, end_leftovers
with Services(Path({str(tmp_path)!r}), {{}}) as services:
    services.start("long", {SLEEPS!r}, Path({str(tmp_path)!r}))
    print(next(iter(services._processes.values())).pid, flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""
    ended = subprocess.run([sys.executable, "-c", starts], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == -signal.SIGKILL
    until = time.monotonic() + 20
    while psutil.pid_exists(int(ended.stdout)) and psutil.Process(int(ended.stdout)).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < until
        time.sleep(0.05)


def test_what_an_earlier_start_left_is_found_by_its_mark_and_ended(tmp_path: Path) -> None:
    def start(mark: str) -> "subprocess.Popen[bytes]":
        return subprocess.Popen(SLEEPS, env={"NIGHTDESK_UP": mark})

    with start(f"{tmp_path}") as ours, start(f"{tmp_path}2") as others:
        try:
            assert end_leftovers(f"NIGHTDESK_UP={tmp_path}") == [ours.pid]
            assert ours.wait(10) == -signal.SIGTERM
            assert others.poll() is None
        finally:
            others.kill()


def test_process_that_fails_is_named_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(NightdeskError, match=r"task failed: .*task\.log"), Services(tmp_path, {}) as services:
        services.run("task", [sys.executable, "-c", "raise SystemExit('no')"], tmp_path)
    assert (tmp_path / "task.log").read_text() == "no\n"


def test_process_that_finishes_well_lets_the_block_go_on(tmp_path: Path) -> None:
    with Services(tmp_path, {}) as services:
        services.run("task", [sys.executable, "-c", "print('done')"], tmp_path)
    assert (tmp_path / "task.log").read_text() == "done\n"
