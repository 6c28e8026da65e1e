"""The README's commands, tree, links and sample report are true."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from nightdesk.settings import CHECKOUT

README = (CHECKOUT / "README.md").read_text()
BIN = Path(sys.executable).parent


def _recipe(target: str) -> list[str]:
    """What `make TARGET` runs once it is set up."""
    alone = {key: value for key, value in os.environ.items() if not key.startswith(("MAKE", "MFLAGS"))}
    shown = subprocess.run(["make", "-n", target], cwd=CHECKOUT, env=alone, capture_output=True, text=True, check=True)
    return shown.stdout.splitlines()[-1].split()


def _nightdesk(words: list[str], cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("NIGHTDESK_", "PREFECT_"))}
    command = [str(BIN / "nightdesk"), *words]
    return subprocess.run(command, cwd=cwd, env=kept | environment, capture_output=True, text=True, timeout=280, check=False)


@pytest.fixture(scope="module")
def empty_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("newcomer")


@pytest.fixture(scope="module")
def first_day(empty_folder: Path) -> subprocess.CompletedProcess[str]:
    program, *words = _recipe("day")
    assert program == ".venv/bin/nightdesk"
    return _nightdesk(words, empty_folder)


def _shown(text: str) -> list[str]:
    return [line.rstrip() for line in text.splitlines() if line.strip() and not line.startswith(("MLflow ", "Prefect "))]


@pytest.mark.timeout(300)
def test_make_day_prints_the_report_that_the_readme_shows(first_day: subprocess.CompletedProcess[str]) -> None:
    assert first_day.returncode == 0, first_day.stderr
    (sample,) = re.findall(r"```text\n(─.*?)```", README, flags=re.DOTALL)
    assert _shown(first_day.stdout) == _shown(sample)
    assert "Traceback" not in first_day.stderr


@pytest.mark.timeout(300)
def test_a_second_make_day_plays_nothing_and_says_so(first_day: subprocess.CompletedProcess[str], empty_folder: Path) -> None:
    again = _nightdesk([*_recipe("day")[1:], "--json"], empty_folder)
    document = json.loads(again.stdout)
    assert again.returncode == 0 and document["resumed"] and "nothing is played twice" in again.stderr
    assert f"{document['equity']:,.2f}" in first_day.stdout
    documented = re.findall(r"^\| (`.*?) \|", (CHECKOUT / "docs" / "json.md").read_text(), flags=re.MULTILINE)
    assert set(document) == set(re.findall(r"`(\w+)`", " ".join(documented)))


def test_make_test_runs_pytest() -> None:
    assert _recipe("test") == [".venv/bin/python", "-m", "pytest", "-n", "2", "--dist", "loadfile"]


def test_the_console_blocks_show_the_two_commands() -> None:
    assert re.findall(r"^\$ (.*)$", README, flags=re.MULTILINE) == ["make day", "make test"]


def test_every_command_of_the_table_exists(empty_folder: Path) -> None:
    named = set(re.findall(r"\.venv/bin/nightdesk (\w+)", README))
    helped = _nightdesk(["--help"], empty_folder).stdout
    promoting = {"models", "promote", "rollback", "optimise", "heartbeat"}
    shown = {"day", "backtest", "replay", "status", "doctor", "check", "audit", "quarantine", "trace", "halt", "resume", "adopt"}
    beside = {
        "consent",
        "approve",
        "reject",
        "console",
        "live",
        "submit",
        "stop",
        "flatten",
        "tearsheet",
        "optimise",
        "heartbeat",
    }
    assert named == shown | beside | promoting
    assert all(re.search(rf"│ {name} ", helped) for name in named)


def test_every_link_leads_to_a_file() -> None:
    links = re.findall(r"\]\(((?!http)[^)#]+)", README)
    assert len(links) > 8
    assert [link for link in links if not (CHECKOUT / link).exists()] == []


def test_the_tree_names_the_folders_that_there_are() -> None:
    (tree,) = re.findall(r"## The house\n\n```text\n(.*?)```", README, flags=re.DOTALL)
    named = {line.split("/")[0] for line in tree.splitlines()}
    there = {path.name for path in CHECKOUT.iterdir() if path.is_dir() and not path.name.startswith((".", "var", "build"))}
    assert named == {name for name in there if not name.endswith(".egg-info")}


def test_the_disclaimer_stands_before_the_features() -> None:
    assert README.index("Not investment advice") < README.index("## Two commands") < README.index("## What it is")
