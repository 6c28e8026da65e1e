"""Writers that are killed with SIGKILL, and writers that write at once: the store reads, and nothing is lost."""

import random
import shutil
import signal
import time
from datetime import timedelta
from pathlib import Path

import pandas as pd

from nightdesk.market.store import BarStore
from tests.faults.store_writers import (
    BARS,
    KNOWN_AT,
    NYSE,
    SYMBOLS,
    append_by_month_at_the_barrier,
    append_session_by_session,
    compact_again_and_again,
    compact_once,
)
from tests.forks import FORKS

LATER = KNOWN_AT + timedelta(hours=1)


def kill_a_writer(folder: Path, bars: pd.DataFrame, after_s: float) -> None:
    """Start a writer, and kill it that long after it began: long before it can be done."""
    ready = FORKS.Event()
    child = FORKS.Process(target=append_session_by_session, args=(folder, bars, ready))
    child.start()
    assert ready.wait(timeout=60)
    time.sleep(after_s)
    child.kill()
    child.join()
    assert child.exitcode == -signal.SIGKILL


def stored_part(folder: Path) -> pd.DataFrame:
    """What the store holds, having checked that it is whole sessions of the true bars from the first one on."""
    loaded = BarStore(folder).load_bars(SYMBOLS, KNOWN_AT)
    pd.testing.assert_frame_equal(loaded, BARS.iloc[: len(loaded)])
    assert len(loaded) % len(SYMBOLS) == 0
    return loaded


def test_a_writer_killed_at_any_moment_leaves_a_store_that_reads_and_completes(tmp_path: Path) -> None:
    moments, kept = random.Random(0), 0
    for _ in range(7):
        kill_a_writer(tmp_path / "bars", BARS.iloc[kept:], after_s=moments.uniform(0, 0.15))
        before, kept = kept, len(stored_part(tmp_path / "bars"))
        assert kept >= before
    assert 0 < kept < len(BARS)
    added = BarStore(tmp_path / "bars").append_bars(BARS, NYSE, LATER)
    assert (added.new, added.restated) == (len(BARS) - kept, 0)
    pd.testing.assert_frame_equal(BarStore(tmp_path / "bars").load_bars(SYMBOLS, LATER), BARS)


def test_a_writer_killed_while_it_creates_the_store_leaves_one_that_the_next_can_use(tmp_path: Path) -> None:
    moments = random.Random(1)
    for number in range(5):
        folder = tmp_path / str(number)
        kill_a_writer(folder, BARS, after_s=moments.uniform(0, 0.03))
        kept = len(stored_part(folder))
        assert BarStore(folder).append_bars(BARS.iloc[:20], NYSE, KNOWN_AT).new == max(0, 20 - kept)
        assert len(stored_part(folder)) == max(20, kept)


def append_at_once(folder: Path, parts: list[pd.DataFrame]) -> None:
    start = FORKS.Barrier(len(parts))
    writers = [FORKS.Process(target=append_by_month_at_the_barrier, args=(folder, part, start)) for part in parts]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=60)
    assert [writer.exitcode for writer in writers] == [0] * len(parts)


def test_writers_at_once_lose_nothing(tmp_path: Path) -> None:
    append_at_once(tmp_path / "bars", [BARS.iloc[:1200], BARS.iloc[800:], BARS.iloc[600:1400]])
    pd.testing.assert_frame_equal(BarStore(tmp_path / "bars").load_bars(SYMBOLS, KNOWN_AT), BARS)
    assert BarStore(tmp_path / "bars").append_bars(BARS, NYSE, LATER).new == 0


def test_writers_who_create_the_store_at_once_lose_nothing(tmp_path: Path) -> None:
    month = BARS.iloc[:40]
    for number in range(3):
        append_at_once(tmp_path / str(number), [month.iloc[:10], month.iloc[10:20], month.iloc[20:30], month.iloc[30:]])
        pd.testing.assert_frame_equal(BarStore(tmp_path / str(number)).load_bars(SYMBOLS, KNOWN_AT), month)


def test_a_compaction_killed_at_any_moment_leaves_a_store_that_reads_and_compacts(tmp_path: Path) -> None:
    moments, pristine, bars = random.Random(2), tmp_path / "pristine", BARS.iloc[:80]
    for _, session in bars.groupby("session"):
        BarStore(pristine).append_bars(session, NYSE, KNOWN_AT)
    recorded = BarStore(pristine).file_sha256s()
    for number in range(6):
        folder = tmp_path / str(number)
        shutil.copytree(pristine, folder)
        ready = FORKS.Event()
        child = FORKS.Process(target=compact_once, args=(folder, ready))
        child.start()
        assert ready.wait(timeout=60)
        time.sleep(moments.uniform(0, 0.05))
        child.kill()
        child.join()
        store = BarStore(folder)
        store.require_intact(recorded)
        pd.testing.assert_frame_equal(store.load_bars(SYMBOLS, KNOWN_AT), bars)
        assert store.compact_bars() in (0, 40)
        pd.testing.assert_frame_equal(store.load_bars(SYMBOLS, KNOWN_AT), bars)


def test_appends_and_compactions_at_once_lose_nothing(tmp_path: Path) -> None:
    bars, folder = BARS.iloc[:1200], tmp_path / "bars"
    parts = [bars.iloc[:500], bars.iloc[300:900], bars.iloc[700:]]
    start, ended = FORKS.Barrier(len(parts) + 2), FORKS.Event()
    writers = [FORKS.Process(target=append_by_month_at_the_barrier, args=(folder, part, start)) for part in parts]
    compacting = [FORKS.Process(target=compact_again_and_again, args=(folder, start, ended)) for _ in range(2)]
    for process in (*writers, *compacting):
        process.start()
    for writer in writers:
        writer.join(timeout=60)
    ended.set()
    for process in compacting:
        process.join(timeout=60)
    assert [process.exitcode for process in writers] == [0] * len(parts)
    assert 0 in [process.exitcode for process in compacting]
    pd.testing.assert_frame_equal(BarStore(folder).load_bars(SYMBOLS, KNOWN_AT), bars)
    assert BarStore(folder).append_bars(bars, NYSE, LATER).new == 0
