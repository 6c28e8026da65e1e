"""Bars that were set aside wait until a person releases them; nothing that waits is lost."""

import math
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from nightdesk.errors import Misconfigured
from nightdesk.market.quarantine import Quarantine
from schemas.findings import QuarantinedBar
from tests.forks import FORKS

DAY = date(2018, 12, 31)
SEEN = datetime(2019, 1, 7, 22, tzinfo=UTC)
LATER = SEEN + timedelta(days=1)
VALUES = {"open": 1.0, "high": 2.0, "low": 0.1 + 0.2, "close": None, "volume": 1e9, "dividend": 0.0, "split": 1.0}
BAR = QuarantinedBar(DAY, "AAPL", VALUES, "times_ten", "AAPL is ten times what it was.", SEEN)
RIGHT = replace(BAR, values=VALUES | {"close": 1.5}, seen_at=LATER)


@pytest.fixture
def quarantine(tmp_path: Path) -> Quarantine:
    return Quarantine(tmp_path / "store" / "yahoo.quarantine.sqlite")


def test_a_bar_that_was_set_aside_waits_as_it_came(quarantine: Quarantine, tmp_path: Path) -> None:
    quarantine.append_bars([BAR])
    assert quarantine.bars() == [BAR]
    assert Quarantine(tmp_path / "store" / "yahoo.quarantine.sqlite").bars() == [BAR]
    assert quarantine.released() == frozenset()


def test_the_same_bar_with_the_same_values_and_code_is_one_row(quarantine: Quarantine) -> None:
    quarantine.append_bars([BAR, BAR])
    quarantine.append_bars([replace(BAR, values=dict(reversed(VALUES.items())), seen_at=LATER)])
    assert quarantine.bars() == [BAR]
    others = [replace(BAR, code="jump"), replace(BAR, symbol="MSFT"), replace(BAR, session=date(2018, 12, 28)), RIGHT]
    quarantine.append_bars(others)
    assert len(quarantine.bars()) == 5


def test_no_bars_set_aside_change_nothing(quarantine: Quarantine) -> None:
    quarantine.append_bars([])
    assert quarantine.bars() == []


def test_a_value_that_is_no_number_is_kept_as_none(quarantine: Quarantine) -> None:
    quarantine.append_bars([replace(BAR, values=VALUES | {"close": math.nan}), BAR])
    assert quarantine.bars() == [BAR]


def test_a_released_bar_waits_no_longer_and_says_who_when_and_why(quarantine: Quarantine) -> None:
    other = replace(BAR, code="jump", message="AAPL jumped.")
    quarantine.append_bars([BAR, other, replace(BAR, symbol="MSFT")])
    released = quarantine.release(DAY, "AAPL", "ann", "checked against the exchange", LATER)
    word = {"released_at": LATER, "released_by": "ann", "reason": "checked against the exchange"}
    assert released == [replace(BAR, **word), replace(other, **word)]
    assert [row.symbol for row in quarantine.bars()] == ["MSFT"]
    assert quarantine.bars(waiting_only=False)[:2] == released
    assert quarantine.released() == {(DAY, "AAPL")}


def test_releasing_lets_the_newest_version_through_and_closes_the_older(quarantine: Quarantine) -> None:
    quarantine.append_bars([RIGHT, BAR])
    closed, released = quarantine.release(DAY, "AAPL", "ann", "the split was real", LATER)
    assert (closed.values, closed.released_at, closed.released_by) == (BAR.values, None, "ann")
    assert closed.reason == "closed, as a newer version was released: the split was real"
    assert (released.values, released.released_at) == (RIGHT.values, LATER)
    assert (quarantine.bars(), quarantine.released()) == ([], {(DAY, "AAPL")})


def test_a_version_that_was_closed_waits_again_when_it_comes_back(quarantine: Quarantine) -> None:
    quarantine.append_bars([BAR, RIGHT])
    quarantine.release(DAY, "AAPL", "ann", "the split was real", LATER)
    quarantine.append_bars([RIGHT])
    assert quarantine.bars() == []
    again = replace(BAR, seen_at=LATER + timedelta(days=1))
    quarantine.append_bars([again])
    assert quarantine.bars() == [again]
    assert quarantine.released() == frozenset()
    assert len(quarantine.bars(waiting_only=False)) == 3


@pytest.mark.parametrize("text", ["", "  \n"])
def test_nobody_and_no_reason_release_nothing(quarantine: Quarantine, text: str) -> None:
    quarantine.append_bars([BAR])
    with pytest.raises(Misconfigured, match="reason was"):
        quarantine.release(DAY, "AAPL", "ann", text, LATER)
    with pytest.raises(Misconfigured, match="by was"):
        quarantine.release(DAY, "AAPL", text, "checked", LATER)
    assert quarantine.bars() == [BAR]


def test_what_does_not_wait_cannot_be_released(quarantine: Quarantine) -> None:
    quarantine.append_bars([BAR])
    quarantine.release(DAY, "AAPL", "ann", "checked", LATER)
    for session, symbol in ((DAY, "AAPL"), (DAY, "MSFT"), (date(2018, 12, 28), "AAPL")):
        with pytest.raises(Misconfigured, match=f"bar was '{symbol} on {session}'"):
            quarantine.release(session, symbol, "ann", "checked", LATER)
    with pytest.raises(Misconfigured, match="symbol was"):
        quarantine.release(DAY, "AAPL' or 1=1", "ann", "checked", LATER)


def append_at_the_barrier(path: Path, numbers: range, start: Barrier) -> None:
    start.wait(timeout=60)
    quarantine = Quarantine(path)
    for number in numbers:
        quarantine.append_bars([replace(BAR, code=f"code {number}")])


def test_two_processes_that_set_bars_aside_at_once_lose_nothing(tmp_path: Path) -> None:
    path, start = tmp_path / "q.sqlite", FORKS.Barrier(2)
    writers = [FORKS.Process(target=append_at_the_barrier, args=(path, part, start)) for part in (range(30), range(20, 50))]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=60)
    assert [writer.exitcode for writer in writers] == [0, 0]
    assert sorted(row.code for row in Quarantine(path).bars()) == sorted(f"code {number}" for number in range(50))
