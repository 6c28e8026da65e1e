"""The same session in two empty homes at two paths gives the same bytes, and nothing is written outside the home."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from nightdesk.settings import CHECKOUT
from tests.desks import SEED

PLAIN_DAY = Path(__file__).with_name("plain_day.py")
SURROUNDINGS = {
    "here": {"PYTHONHASHSEED": "1", "TZ": "America/New_York", "OMP_NUM_THREADS": "1", "LC_ALL": "C"},
    "far": {"PYTHONHASHSEED": "4711", "TZ": "Pacific/Kiritimati", "OMP_NUM_THREADS": "2", "LC_ALL": "C.UTF-8"},
}


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder for each surrounding: `home` is the desk's, `user` an empty HOME, `cwd` where the day was started."""
    made = {}
    for name, environment in SURROUNDINGS.items():
        world = tmp_path_factory.mktemp(name) / ("deeper" if name == "far" else "") / "world"
        for folder in ("user", "cwd", "tmp"):
            (world / folder).mkdir(parents=True)
        inherited = {key: os.environ[key] for key in ("PATH", "PYTHONDONTWRITEBYTECODE") if key in os.environ}
        places = {"HOME": str(world / "user"), "NIGHTDESK_HOME": str(world / "home"), "TMPDIR": str(world / "tmp")}
        subprocess.run(
            [sys.executable, str(PLAIN_DAY), str(SEED), "2018-12-31"],
            cwd=world / "cwd",
            env={**inherited, **environment, **places, "PYTHONPATH": str(CHECKOUT)},
            check=True,
            capture_output=True,
            timeout=110,
        )
        made[name] = world
    return made


def _decision(world: Path) -> bytes:
    (file,) = (world / "home" / "decisions").rglob("2018-12-31.json")
    return file.read_bytes()


def test_two_homes_give_the_same_decision_document_to_the_byte(worlds: dict[str, Path]) -> None:
    assert _decision(worlds["here"]) == _decision(worlds["far"])
    assert len(_decision(worlds["here"])) > 1000


def test_nothing_is_written_outside_the_home(worlds: dict[str, Path]) -> None:
    for world in worlds.values():
        outside = [path for folder in ("user", "cwd", "tmp") for path in (world / folder).rglob("*")]
        assert outside == []
        assert (world / "home" / "ledger" / "paper.sqlite").is_file()
