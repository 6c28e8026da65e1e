"""Processes beside us: none outlives its block, and one that ends by itself is named."""

import sys
import time
from pathlib import Path

import psutil
import pytest

from nightdesk.cli.services import Services
from nightdesk.errors import NightdeskError

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
def test_service_that_ends_by_itself_is_named_with_its_code_and_log(tmp_path: Path, code: int) -> None:
    with (
        pytest.raises(NightdeskError, match=rf"short ended by itself with exit code {code}: .*short\.log"),
        Services(tmp_path, {}) as services,
    ):
        services.start("long", SLEEPS, tmp_path)
        services.start("short", [sys.executable, "-c", f"raise SystemExit({code})"], tmp_path)
        services.watch()


def test_process_that_fails_is_named_with_its_log(tmp_path: Path) -> None:
    with pytest.raises(NightdeskError, match=r"task failed: .*task\.log"), Services(tmp_path, {}) as services:
        services.run("task", [sys.executable, "-c", "raise SystemExit('no')"], tmp_path)
    assert (tmp_path / "task.log").read_text() == "no\n"


def test_process_that_finishes_well_lets_the_block_go_on(tmp_path: Path) -> None:
    with Services(tmp_path, {}) as services:
        services.run("task", [sys.executable, "-c", "print('done')"], tmp_path)
    assert (tmp_path / "task.log").read_text() == "done\n"
