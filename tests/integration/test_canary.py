"""Secrets go through a good day and bad ones at DEBUG, under a real Prefect and MLflow, and are found nowhere afterwards."""

import os
import re
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from nightdesk.settings import CHECKOUT
from tests.canaries import CANARIES, HOOK, SECRET_KEY, hits, written

SCRIPT = Path(__file__).with_name("canary_days.py")
FAULTS = ("401", "400", "500", "page of HTML", "no JSON", "another form", "dropped")
CALLERS = ("day", "doctor", "bars", "account", "order")

pytestmark = pytest.mark.timeout(300)


@dataclass(frozen=True)
class Played:
    home: Path
    printed: str
    logged: str

    def texts(self) -> dict[str, bytes]:
        return {"standard output": self.printed.encode(), "standard error": self.logged.encode()}


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Played:
    """What a success and seven failures have left."""
    folder: Path = tmp_path_factory.mktemp("canary")
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(folder)],
        env={**os.environ, "PYTHONPATH": str(CHECKOUT)},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return Played(folder / "home", done.stdout, done.stderr)


def test_no_secret_is_found_after_a_success_and_seven_kinds_of_failure(played: Played) -> None:
    assert hits(played.texts(), played.home) == []


def test_the_days_went_as_far_as_they_were_meant_to(played: Played) -> None:
    """Else the search would find nothing because nothing happened."""
    assert re.search(r"^day, all well: COMPLETED Traded: buy ", played.printed, flags=re.MULTILINE)
    assert re.search(r"^orders: \['nd-paper-cheap-", played.printed, flags=re.MULTILINE), "sent by the process that orders"
    assert re.search(r"^bars, all well: .*session symbol", played.printed, flags=re.MULTILINE)
    for fault in FAULTS:
        assert re.search(rf"^day, {fault}: FAILED Failed: ingest: Alpaca", played.printed, flags=re.MULTILINE)
        for caller in CALLERS[2:]:
            said = r"Answer\(outcome='(unknown|rejected)'" if caller == "order" else r"\w+\(.*Alpaca"
            assert re.search(rf"^{caller}, {fault}: {said}", played.printed, flags=re.MULTILINE)
    assert re.search(r"^notices: 2, requests: \d{2,3}$", played.printed, flags=re.MULTILINE)  # exit codes 2 and 7
    assert "self = <nightdesk.market.alpaca.AlpacaSource object" in played.printed  # variables of frames are shown


def test_all_loggers_spoke_at_debug_and_what_they_said_of_secrets_was_hidden(played: Played) -> None:
    for logger in ("urllib3.connectionpool", "httpcore", "prefect.task_runs", "prefect.flow_runs"):
        assert re.search(rf" {logger}[\w.]* DEBUG ", played.logged), logger
    assert "(hidden)" in played.logged and "(hidden)" in played.printed
    assert (played.home / "logs" / "debug.log").read_text().count("DEBUG") > 1000


@pytest.mark.parametrize(
    ("file", "table"), [("prefect/prefect.db", "log"), ("ledger/paper.sqlite", "runs"), ("mlflow/mlflow.db", "runs")]
)
def test_the_databases_that_are_searched_hold_the_days(played: Played, file: str, table: str) -> None:
    with sqlite3.connect(played.home / file) as database:
        assert database.execute(f"select count(*) from {table}").fetchone()[0] > 0


@pytest.mark.parametrize("canary", CANARIES)
def test_the_search_finds_what_is_planted_however_it_is_written(canary: str, tmp_path: Path) -> None:
    for number, form in enumerate(written(canary)):
        folder = tmp_path / str(number)
        folder.mkdir()
        (folder / "file.bin").write_bytes(b"\0before" + form.encode() + b"after\xff")
        assert hits({}, folder)
        assert hits({"text": form.upper().encode()}, tmp_path / "nowhere")


def test_the_search_finds_what_lies_in_a_table_or_in_a_name(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "some.db") as database:
        database.execute("create table rows (value text)")
        database.execute("insert into rows values (?)", ["x" * 4070 + SECRET_KEY * 3 + "x" * 9000])
    assert any("(rows)" in found for found in hits({}, tmp_path))
    (tmp_path / "some.db").unlink()
    (tmp_path / f"{HOOK}.json").touch()
    assert len(hits({}, tmp_path)) == 1
