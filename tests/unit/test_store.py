"""The bar store keeps every version, says what changed, and answers as of any instant. On a folder; S3 is in integration."""

import json
import os
from datetime import date, datetime, timedelta
from pathlib import Path

import deltalake
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightdesk.errors import BadData, Misconfigured
from nightdesk.market.store import BarStore
from schemas.bars import Bars
from tests.bars import clean_bars
from tests.contracts.store_contract import (
    BARS,
    MONDAY,
    NYSE,
    SESSIONS,
    SYMBOLS,
    WEDNESDAY,
    StoreContract,
    changed,
    grown,
    instant,
    rows_at,
    versions,
)


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    return BarStore(tmp_path / "bars of the desk, ü")


class TestStoreInAFolder(StoreContract):
    many = 45

    @pytest.fixture
    def store(self, tmp_path: Path) -> BarStore:
        return BarStore(tmp_path / "bars of the desk, ü")

    def write_file(self, store: BarStore, path: str, content: bytes | None) -> None:
        file = Path(store.folder) / path
        if content is None:
            file.unlink()
        else:
            file.write_bytes(content)


def test_an_instant_without_a_time_zone_is_refused(store: BarStore) -> None:
    with pytest.raises(TypeError, match="naive"):
        store.load_bars(SYMBOLS, datetime(2019, 1, 7))
    with pytest.raises(TypeError, match="Invalid comparison"):
        store.append_bars(BARS, NYSE, datetime(2019, 1, 7))


def test_a_bar_of_a_closed_day_is_never_stored(store: BarStore) -> None:
    closed = BARS.assign(session=BARS[Bars.session].replace(pd.Timestamp("2018-12-31"), pd.Timestamp("2018-12-30")))
    with pytest.raises(BadData, match="2018-12-30 is of no session of XNYS"):
        store.append_bars(closed, NYSE, MONDAY)


def test_a_bar_that_comes_twice_in_one_append_is_refused(store: BarStore) -> None:
    with pytest.raises(BadData, match="2018-12-17 came twice"):
        store.append_bars(pd.concat([BARS, BARS.iloc[:1]]), NYSE, MONDAY)


@pytest.mark.parametrize("symbol", ["A' or 'a'='a", "^GSPC\n", "", "aapl", "A;B", "../X", "ÄÖ", "TOOLONGNAME"])
def test_a_symbol_that_is_none_never_reaches_the_query(store: BarStore, symbol: str) -> None:
    store.append_bars(BARS, NYSE, MONDAY)
    with pytest.raises(Misconfigured, match="symbol was"):
        store.load_bars([symbol], MONDAY)
    with pytest.raises(Misconfigured, match="symbol was"):
        store.append_bars(BARS.assign(symbol=symbol).drop_duplicates(Bars.session), NYSE, MONDAY)


@pytest.mark.parametrize("name", ["a%20b", "a[1]", "a^b", "a|b", "a\\b"])
def test_a_folder_that_the_library_cannot_open_is_refused_at_once(tmp_path: Path, name: str) -> None:
    with pytest.raises(Misconfigured, match="folder"):
        BarStore(tmp_path / name)


@pytest.mark.parametrize(
    "place", ["", "bars", "s3://", "s3://bucket", "s3://bucket/", "s3://B/x", "s3://bucket/../x", "file:///x", "s3://b b/x"]
)
def test_a_text_that_is_no_place_on_s3_is_refused_at_once(place: str) -> None:
    with pytest.raises(Misconfigured, match="the bar store was"):
        BarStore(place)


def test_reading_an_absent_store_makes_no_folder(store: BarStore) -> None:
    store.load_bars(SYMBOLS, MONDAY)
    store.file_sha256s()
    store.compact_bars()
    assert not Path(store.folder).exists()


def test_of_two_writers_at_one_instant_the_larger_values_count_whoever_came_last(tmp_path: Path) -> None:
    low, high = changed(5, Bars.close, 0.9), changed(5, Bars.close, 1.1)
    for number, (mine, theirs) in enumerate(((low, high), (high, low))):
        ours, others = BarStore(tmp_path / f"{number} ours"), BarStore(tmp_path / f"{number} others")
        ours.append_bars(mine, NYSE, MONDAY)
        others.append_bars(theirs, NYSE, MONDAY)
        table = deltalake.DeltaTable(str(others.folder))
        rows = deltalake.QueryBuilder().register("bars", table).execute("select * from bars")
        deltalake.write_deltalake(str(ours.folder), rows, mode="append")
        pd.testing.assert_frame_equal(ours.load_bars(SYMBOLS, MONDAY), high)
        ours.compact_bars()
        pd.testing.assert_frame_equal(ours.load_bars(SYMBOLS, MONDAY), high)


def age(folder: Path, days: int) -> None:
    """Make a table look as if its last commit were that many days old: in the commits and in the files' own times."""
    shift_ms = days * 86_400_000
    for file in sorted((folder / "_delta_log").glob("*.json")):
        actions = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        for action in actions:
            for kind, field in (("commitInfo", "timestamp"), ("add", "modificationTime"), ("remove", "deletionTimestamp")):
                if kind in action:
                    action[kind][field] -= shift_ms
        file.write_text("\n".join(map(json.dumps, actions)) + "\n", encoding="utf-8")
    for file in folder.rglob("*"):
        seconds = file.stat().st_mtime - shift_ms / 1000
        os.utime(file, (seconds, seconds))


def test_a_year_of_daily_appends_compacted_monthly_outlives_its_age_and_its_checkpoints(store: BarStore) -> None:
    folder, late = Path(store.folder), instant(9999)
    truths, rows = grown(store, 252)
    for days in (40, 4000):
        for file in [*(folder / "_delta_log").glob("*.checkpoint.parquet"), folder / "_delta_log" / "_last_checkpoint"]:
            file.unlink()
        age(folder, days)
        deltalake.DeltaTable(str(folder)).create_checkpoint()
        deltalake.DeltaTable(str(folder)).cleanup_metadata()
        sessions = clean_bars(NYSE.between(date(2019, 1, 2), date(2019, 1, 3)), SYMBOLS, seed=days)
        store.append_bars(sessions, NYSE, late + timedelta(days=days))
        for day in range(0, 252, 21):
            known = store.load_bars(SYMBOLS, late, known_until=instant(day))
            pd.testing.assert_frame_equal(known, truths[day], obj=f"what was known on day {day}")
        assert [rows_at(store, version) for version in range(0, len(rows), 21)] == [
            rows[version] for version in range(0, len(rows), 21)
        ]
    assert len(list((folder / "_delta_log").glob("*.json"))) == versions(store) == len(rows) + 2


Batch = dict[tuple[int, str], float]
cells = st.dictionaries(st.tuples(st.integers(0, 3), st.sampled_from(SYMBOLS)), st.sampled_from([1.0, 2.0, 3.0]), min_size=1)


def frame(batch: Batch) -> pd.DataFrame:
    keys = pd.DataFrame([(SESSIONS[day], symbol, close) for (day, symbol), close in batch.items()])
    keys.columns = [Bars.session, Bars.symbol, Bars.close]
    return BARS.drop(columns=Bars.close).merge(keys, on=[Bars.session, Bars.symbol])[list(BARS.columns)]


@settings(max_examples=8, deadline=None, database=None)
@given(st.lists(cells, min_size=1, max_size=5), st.integers(0, 5))
def test_any_history_of_appends_reads_as_the_last_word_known_at_each_instant(
    tmp_path_factory: pytest.TempPathFactory, batches: list[Batch], cut: int
) -> None:
    store = BarStore(tmp_path_factory.mktemp("bars"))
    truth: Batch = {}
    for hour, batch in enumerate(batches):
        added = store.append_bars(frame(batch), NYSE, MONDAY + timedelta(hours=hour))
        assert added.new == len(batch.keys() - truth.keys())
        restated = {key for key in batch.keys() & truth.keys() if batch[key] != truth[key]}
        assert added.restated == len(restated)
        truth |= batch
    known: Batch = {key: close for batch in batches[:cut] for key, close in batch.items()}
    loaded = store.load_bars(SYMBOLS, WEDNESDAY, known_until=MONDAY + timedelta(hours=cut - 1))
    expected = frame(known) if known else BARS.iloc[:0]
    pd.testing.assert_frame_equal(loaded, expected.sort_values([Bars.session, Bars.symbol], ignore_index=True))
