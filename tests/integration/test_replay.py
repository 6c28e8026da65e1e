"""Past decisions computed again: the same bytes, also after the vendor rewrote the past; a changed one is named."""

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
from tests.homes import edited_rows
from tests.strategy_documents import NO_MLFLOW

WEEK = ["2018-12-20", "2018-12-21", "2018-12-24", "2018-12-26", "2018-12-27"]


@pytest.fixture
def desk(tmp_path: Path) -> tuple[str, Path]:
    strategy = strategy_file(tmp_path)
    for session in WEEK:
        played(strategy, session, tmp_path, mlflow_uri=NO_MLFLOW)
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


def _edit(home: Path, was: str, now: str, session: str) -> None:
    body = "update decisions set body = replace(body, :was, :now) where session = :session"
    assert edited_rows(home, body, was=was, now=now, session=date.fromisoformat(session))


def test_a_changed_number_in_a_stored_decision_is_named(desk: tuple[str, Path]) -> None:
    _edit(desk[1], '"equity":"100000"', '"equity":"100001"', "2018-12-20")
    found = _differences(desk)
    said = found.pop("2018-12-20")
    assert "The decision of 2018-12-20" in said and "was changed" in said
    assert said.endswith('equity was "100001", is now "100000"')
    assert set(found.values()) == {""}


def test_a_stored_decision_that_is_no_document_any_more_is_named(desk: tuple[str, Path]) -> None:
    _edit(desk[1], '"equity"', '"equity', "2018-12-21")
    found = _differences(desk)
    assert "The decision of 2018-12-21" in found["2018-12-21"] and "no document" in found["2018-12-21"]


def test_a_desk_whose_decisions_were_edited_does_not_go_on(desk: tuple[str, Path]) -> None:
    strategy, home = desk
    _edit(home, '"equity":"100000"', '"equity":"100001"', "2018-12-20")
    with pytest.raises(OutOfSync, match="The decision of 2018-12-20"):
        played(strategy, "2018-12-28", home, mlflow_uri=NO_MLFLOW)


def test_a_flipped_byte_in_a_bar_file_is_named_by_replay_and_stops_the_next_day(desk: tuple[str, Path]) -> None:
    strategy, home = desk
    file = max((home / "store" / "sample").glob("*.parquet"), key=lambda path: path.stat().st_size)
    whole = file.read_bytes()
    for place in (0, len(whole) // 3, len(whole) - 20):
        file.write_bytes(whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :])
        with pytest.raises(OutOfSync, match=file.name):
            list(replays(strategy, "paper", date(2018, 12, 20), settings_in(home)))
        report = played(strategy, "2018-12-28", home, mlflow_uri=NO_MLFLOW)
        assert report.outcome == "failed: ingest" and report.exit_code == 6 and file.name in report.reason
    file.write_bytes(whole)
    assert set(_differences(desk).values()) == {""}


def test_a_changed_fill_changes_the_days_after_it(desk: tuple[str, Path]) -> None:
    _, home = desk
    assert edited_rows(home, "update position_events set quantity = quantity || '0' where kind = 'fill'")
    assert any(difference.startswith(("holdings", "targets", "intents")) for difference in _differences(desk).values())


def test_a_flipped_byte_in_a_model_file_is_named(desk: tuple[str, Path]) -> None:
    strategy, home = desk
    (file,) = (home / "models").glob("*.skops")
    whole = file.read_bytes()
    file.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    (row,) = replays(strategy, "paper", date(2018, 12, 20), settings_in(home))
    assert file.name in row.difference and "SHA-256" in row.difference


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
