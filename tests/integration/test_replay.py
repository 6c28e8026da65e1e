"""Past decisions computed again: the same bytes, also after the vendor rewrote the past; a changed one is named."""

import sqlite3
from datetime import date
from pathlib import Path

import pytest

from nightdesk.clock import WallClock
from nightdesk.day.replay import first_difference, replays
from nightdesk.errors import Misconfigured, OutOfSync
from nightdesk.market.store import BarStore
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars
from tests.desks import played, settings_in, strategy_file

WEEK = ["2018-12-20", "2018-12-21", "2018-12-24", "2018-12-26", "2018-12-27"]


@pytest.fixture
def desk(tmp_path: Path) -> tuple[str, Path]:
    strategy = strategy_file(tmp_path)
    for session in WEEK:
        played(strategy, session, tmp_path)
    return strategy, tmp_path


def _differences(desk: tuple[str, Path]) -> dict[str, str]:
    strategy, home = desk
    return {str(row.session): row.difference for row in replays(strategy, "paper", None, settings_in(home))}


def test_every_day_replays_to_the_same_bytes_also_after_the_strategy_and_the_past_changed(desk: tuple[str, Path]) -> None:
    _, home = desk
    store = BarStore(home / "store" / "sample")
    bars = store.load_bars(["^GSPC"], available_until=WallClock().now())
    rewritten = bars[bars[Bars.session] >= "2018-11-20"].copy()
    rewritten[[Bars.open, Bars.high, Bars.low, Bars.close]] *= 1.01
    assert store.append_bars(rewritten, exchange_sessions("XNYS"), WallClock().now()).restated == len(rewritten)
    strategy_file(home, buffer="0.2", min_test_accuracy="0.6")
    assert _differences(desk) == dict.fromkeys(WEEK, "")


def test_a_changed_number_in_a_stored_decision_is_named(desk: tuple[str, Path]) -> None:
    _, home = desk
    with sqlite3.connect(home / "ledger" / "paper.sqlite") as ledger:
        ledger.execute(
            "update decisions set body = replace(body, ?, ?) where session = ?",
            ('"equity":"100000"', '"equity":"100001"', "2018-12-20"),
        )
    found = _differences(desk)
    assert found["2018-12-20"] == 'equity was "100001", is now "100000"'
    assert {difference for session, difference in found.items() if session != "2018-12-20"} == {""}


def test_a_changed_fill_changes_the_days_after_it(desk: tuple[str, Path]) -> None:
    _, home = desk
    with sqlite3.connect(home / "ledger" / "paper.sqlite") as ledger:
        ledger.execute("update position_events set quantity = quantity || '0' where kind = 'fill'")
    assert any(difference.startswith(("holdings", "targets", "intents")) for difference in _differences(desk).values())


def test_a_flipped_byte_in_a_model_file_stops_the_replay(desk: tuple[str, Path]) -> None:
    strategy, home = desk
    (file,) = (home / "models").glob("*.skops")
    whole = file.read_bytes()
    file.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    with pytest.raises(OutOfSync, match=file.name):
        list(replays(strategy, "paper", date(2018, 12, 20), settings_in(home)))


def test_a_session_that_was_never_decided_is_refused(desk: tuple[str, Path]) -> None:
    strategy, home = desk
    with pytest.raises(Misconfigured, match="2018-12-31"):
        list(replays(strategy, "paper", date(2018, 12, 31), settings_in(home)))


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}, ""),
        ({"a": {"b": 1.0}}, {"a": {"b": 2.0}}, "a.b was 1.0, is now 2.0"),
        ({"a": [1, 2]}, {"a": [1, 3]}, "a[1] was 2, is now 3"),
        ({"a": 1}, {"a": 1, "b": 2}, "b was null, is now 2"),
    ],
)
def test_the_first_difference_names_its_place_and_both_values(was: object, now: object, said: str) -> None:
    assert first_difference(was, now) == said
