"""What the doctor finds: calendars that disagree, files and decisions that were changed."""

import sqlite3
import subprocess
from datetime import date
from pathlib import Path

import exchange_calendars
import pandas as pd
import pytest
from pydantic import SecretStr

from nightdesk.cli import checkup
from nightdesk.cli.checkup import Examined, examined
from nightdesk.clock import WallClock
from nightdesk.sessions import Sessions, exchange_sessions
from nightdesk.settings import Settings
from tests.alpaca_data_server import KEY_ID, SECRET_KEY, AlpacaServer, at_close, calendar_rows, running
from tests.bars import clean_bars
from tests.desks import played, strategy_file
from tests.notice_server import NoticeServer, taking
from tests.running import NIGHTDESK, environment
from tests.strategy_documents import NO_MLFLOW

XNYS, FRIDAY = exchange_sessions("XNYS"), date(2024, 11, 1)


def _row(name: str, here: Settings) -> Examined:
    return next(row for row in examined(here) if row.name == name)


def test_a_brokers_close_that_our_calendar_does_not_know_is_named(tmp_path: Path) -> None:
    reach = exchange_calendars.ExchangeCalendar.default_end() + pd.Timedelta(days=30)
    schedule = exchange_calendars.get_calendar("XNYS", end=reach).schedule
    server = AlpacaServer(
        at_close(date(2024, 11, 1)), clean_bars(XNYS.between(FRIDAY, FRIDAY), ["SPY"], 1), calendar=calendar_rows(schedule)
    )
    soon = XNYS.after(WallClock().now().date(), 3)
    with running(server):
        keys = {"alpaca_url": server.url, "alpaca_key_id": KEY_ID, "alpaca_secret_key": SecretStr(SECRET_KEY)}
        agreed = _row("broker", Settings(home=tmp_path, **keys))
        server.calendar = [row for row in server.calendar if row["date"] != soon.isoformat()]
        differing = _row("broker", Settings(home=tmp_path, **keys))
    assert agreed.ok and "same sessions" in agreed.found
    assert not differing.ok and differing.found.startswith(f"{soon} is a session of XNYS here")


def test_a_calendar_that_does_not_know_a_close_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert _row("calendar", Settings(home=tmp_path)).ok
    monkeypatch.setattr(checkup, "UNSCHEDULED_CLOSES", (date(2025, 1, 8),))  # the exchange was open
    row = _row("calendar", Settings(home=tmp_path))
    assert not row.ok and "2025-01-08 is a session in it" in row.found


def test_notices_are_counted_and_never_shown(tmp_path: Path) -> None:
    none, two = Settings(home=tmp_path), Settings(home=tmp_path, notify="json://127.0.0.1/tokenToken json://127.0.0.1/other")
    assert _row("notices", none) == Examined("notices", True, "none are sent: NIGHTDESK_NOTIFY is not set")
    assert _row("notices", two).found.startswith("sent to 2 addresses;")
    assert "127.0.0.1" not in _row("notices", two).found


def test_doctor_sends_a_notice_to_try_and_says_whether_it_was_taken(tmp_path: Path) -> None:
    with taking(NoticeServer()) as server:
        sent = _doctor(tmp_path, "--notify", notify=server.address("tokenToken7"))
        plain = _doctor(tmp_path, notify=server.address("tokenToken7"))
        server.status = 500
        failed = _doctor(tmp_path, "--notify", notify=server.address("tokenToken7"))
    assert [body["title"] for _, body in server.posted] == ["Nightdesk: a test"] * 2
    assert "ok   notify       sent: see whether it arrived" in sent.stdout and "notify  " not in plain.stdout
    assert failed.returncode == 2 and "BAD  notify       nothing was sent" in failed.stdout
    assert "tokenToken7" not in sent.stdout + sent.stderr + failed.stdout + failed.stderr


def _doctor(home: Path, *words: str, notify: str) -> subprocess.CompletedProcess[str]:
    told = environment(home, NIGHTDESK_NOTIFY=notify)
    return subprocess.run(
        [*NIGHTDESK, "doctor", *words], env=told, cwd=home, capture_output=True, text=True, timeout=60, check=False
    )


def test_a_calendar_that_ends_with_next_year_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    next_year = WallClock().now().year + 1
    short = Sessions("XNYS", exchange_calendars.get_calendar("XNYS", start="1990-01-01", end=f"{next_year}-12-31").schedule)
    monkeypatch.setattr(checkup, "exchange_sessions", lambda _: short)
    row = _row("calendar", Settings(home=tmp_path))
    assert not row.ok and f"needed: past {next_year}" in row.found


def test_a_changed_file_of_bars_and_a_changed_decision_are_named(tmp_path: Path) -> None:
    here = Settings(home=tmp_path)
    played(strategy_file(tmp_path), "2018-12-20", tmp_path, mlflow_uri=NO_MLFLOW)
    assert _row("bars", here).ok and _row("ledgers", here).ok
    file = next((tmp_path / "store" / "sample").glob("*.parquet"))
    content = file.read_bytes()
    file.write_bytes(content[:500] + bytes([content[500] ^ 1]) + content[501:])
    with sqlite3.connect(tmp_path / "ledger" / "paper.sqlite") as ledger:
        assert ledger.execute("update decisions set body = replace(body, '100000', '900000')").rowcount
    assert not _row("bars", here).ok and file.name in _row("bars", here).found
    assert not _row("ledgers", here).ok and "2018-12-20" in _row("ledgers", here).found
