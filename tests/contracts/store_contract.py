"""What the bar store must do, wherever its table lies. Subclass it, and give `store`, `write_file` and `many`."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import deltalake
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from deltalake.fs import DeltaStorageHandler
from pyarrow.fs import PyFileSystem

from nightdesk.errors import BadData, Misconfigured, OutOfSync
from nightdesk.market.store import Appended, BarStore
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars
from tests.bars import clean_bars

NYSE = exchange_sessions("XNYS")
SESSIONS = NYSE.between(date(2018, 12, 17), date(2018, 12, 31))
SYMBOLS = ["AAPL", "^GSPC"]
BARS = clean_bars(SESSIONS, SYMBOLS, seed=0)
MONDAY = datetime(2019, 1, 7, 22, tzinfo=UTC)
TUESDAY = MONDAY + timedelta(days=1)
WEDNESDAY = MONDAY + timedelta(days=2)
KEY = [Bars.session, Bars.symbol]


def versions(store: BarStore) -> int:
    return deltalake.DeltaTable(str(store.folder)).version() + 1


def changed(row: int, column: str, factor: float) -> pd.DataFrame:
    bars = BARS.copy()
    bars.loc[row, column] = bars.loc[row, column] * factor
    return bars


def rows_at(store: BarStore, version: int) -> int:
    """How many rows a version of the table has, as the reader counts them."""
    table = deltalake.DeltaTable(str(store.folder), version=version)
    counted: Any = deltalake.QueryBuilder().register("bars", table).execute("select count(close) as n from bars")
    return int(pa.table(counted)["n"][0].as_py())


def instant(day: int) -> datetime:
    return MONDAY + timedelta(days=day)


class StoreContract:
    """The specification of `BarStore`."""

    many: int
    """So many sessions are appended one by one in the test of a store that has grown for long."""

    @pytest.fixture
    def store(self) -> BarStore:
        raise NotImplementedError

    def write_file(self, store: BarStore, path: str, content: bytes | None) -> None:
        """Replace a file of the table; None deletes it."""
        raise NotImplementedError

    def test_stored_bars_come_back_exactly_and_in_order(self, store: BarStore) -> None:
        shuffled = BARS.sample(frac=1, random_state=0)
        assert store.append_bars(shuffled, NYSE, MONDAY) == Appended(len(BARS), 0)
        pd.testing.assert_frame_equal(store.load_bars(SYMBOLS, MONDAY), BARS)

    def test_an_absent_store_gives_an_empty_typed_frame_and_writes_nothing(self, store: BarStore) -> None:
        pd.testing.assert_frame_equal(store.load_bars(SYMBOLS, MONDAY), BARS.iloc[:0])
        pd.testing.assert_frame_equal(store.load_latest(BARS), BARS.iloc[:0])
        assert store.append_bars(BARS.iloc[:0], NYSE, MONDAY) == Appended(0, 0)
        assert (store.compact_bars(), store.last_session(SYMBOLS), store.file_sha256s()) == (0, None, {})
        store.require_intact({})

    def test_no_matching_rows_give_an_empty_typed_frame(self, store: BarStore) -> None:
        store.append_bars(BARS, NYSE, MONDAY)
        for symbols in (["ZM"], []):
            pd.testing.assert_frame_equal(store.load_bars(symbols, MONDAY), BARS.iloc[:0])

    def test_the_same_bars_again_append_nothing_and_make_no_version(self, store: BarStore) -> None:
        store.append_bars(BARS, NYSE, MONDAY)
        assert store.append_bars(BARS, NYSE, TUESDAY) == Appended(0, 0)
        assert versions(store) == 1

    def test_only_the_new_bars_of_a_longer_history_are_appended(self, store: BarStore) -> None:
        store.append_bars(BARS.iloc[:12], NYSE, MONDAY)
        assert store.append_bars(BARS, NYSE, TUESDAY) == Appended(len(BARS) - 12, 0)
        pd.testing.assert_frame_equal(store.load_bars(SYMBOLS, TUESDAY), BARS)

    def test_the_last_session_is_one_that_all_symbols_have(self, store: BarStore) -> None:
        store.append_bars(BARS.iloc[:-1], NYSE, MONDAY)  # ^GSPC lacks its last bar
        assert store.last_session(["AAPL"]) == SESSIONS[-1].date()
        assert store.last_session(SYMBOLS) == SESSIONS[-2].date()
        assert store.last_session([*SYMBOLS, "ZM"]) is None

    @pytest.mark.parametrize("column", [Bars.open, Bars.high, Bars.low, Bars.close, Bars.volume, Bars.split])
    def test_a_value_that_moved_by_more_than_a_millionth_is_a_restatement(self, store: BarStore, column: str) -> None:
        store.append_bars(BARS, NYSE, MONDAY)
        assert store.append_bars(changed(5, column, 1 + 5e-7), NYSE, TUESDAY) == Appended(0, 0)
        assert store.append_bars(changed(5, column, 1 + 2e-6), NYSE, TUESDAY) == Appended(0, 1)
        pd.testing.assert_frame_equal(store.load_bars(SYMBOLS, TUESDAY), changed(5, column, 1 + 2e-6))

    def test_a_dividend_that_comes_later_is_a_restatement(self, store: BarStore) -> None:
        store.append_bars(BARS, NYSE, MONDAY)
        paid = BARS.copy()
        paid.loc[3, Bars.dividend] = 0.01
        assert store.append_bars(paid, NYSE, TUESDAY).restated == 1

    def test_a_value_that_is_not_there_is_kept_as_it_came_and_is_not_restated_by_itself(self, store: BarStore) -> None:
        holed = BARS.copy()
        holed.loc[4, Bars.high] = np.nan
        store.append_bars(holed, NYSE, MONDAY)
        assert store.append_bars(holed, NYSE, TUESDAY) == Appended(0, 0)
        assert store.append_bars(BARS, NYSE, TUESDAY).restated == 1

    def test_reading_as_known_then_gives_what_was_known_then(self, store: BarStore) -> None:
        later = changed(7, Bars.close, 0.99)
        store.append_bars(BARS.iloc[:-2], NYSE, MONDAY)
        store.append_bars(later, NYSE, TUESDAY)
        just_before = MONDAY - timedelta(microseconds=1)
        assert store.load_bars(SYMBOLS, WEDNESDAY, known_until=just_before).empty
        pd.testing.assert_frame_equal(store.load_bars(SYMBOLS, WEDNESDAY, known_until=MONDAY), BARS.iloc[:-2])
        pd.testing.assert_frame_equal(store.load_bars(SYMBOLS, WEDNESDAY, known_until=TUESDAY), later)

    def test_the_latest_versions_of_a_batch_are_those_of_its_symbols_and_sessions(self, store: BarStore) -> None:
        later = changed(7, Bars.close, 0.99)
        store.append_bars(BARS, NYSE, MONDAY)
        store.append_bars(later, NYSE, TUESDAY)
        batch = BARS[(BARS[Bars.symbol] == BARS.at[7, Bars.symbol]) & BARS[Bars.session].between(SESSIONS[2], SESSIONS[5])]
        pd.testing.assert_frame_equal(store.load_latest(batch), later.loc[batch.index].reset_index(drop=True))
        pd.testing.assert_frame_equal(store.load_latest(BARS.iloc[:0]), BARS.iloc[:0])

    def test_a_bar_is_available_from_a_quarter_of_an_hour_after_its_close(self, store: BarStore) -> None:
        store.append_bars(BARS, NYSE, MONDAY)
        settled = datetime(2018, 12, 24, 18, 15, tzinfo=UTC)  # a half day
        before = store.load_bars(SYMBOLS, settled - timedelta(microseconds=1))
        at = store.load_bars(SYMBOLS, settled)
        assert before[Bars.session].max() == pd.Timestamp("2018-12-21")
        assert at[Bars.session].max() == pd.Timestamp("2018-12-24")

    def test_instants_of_another_time_zone_mean_the_same_instant(self, store: BarStore) -> None:
        store.append_bars(BARS, NYSE, MONDAY.astimezone(ZoneInfo("Asia/Tokyo")))
        assert len(store.load_bars(SYMBOLS, MONDAY, known_until=MONDAY)) == len(BARS)
        assert store.load_bars(SYMBOLS, MONDAY, known_until=MONDAY - timedelta(microseconds=1)).empty

    def test_a_clock_that_went_back_behind_a_stored_version_is_refused(self, store: BarStore) -> None:
        store.append_bars(BARS, NYSE, TUESDAY)
        for moment in (MONDAY, TUESDAY):
            with pytest.raises(Misconfigured, match=r"known_at was .* after 2019-01-08"):
                store.append_bars(changed(0, Bars.close, 1.01), NYSE, moment)
        assert versions(store) == 1

    def test_what_is_refused_leaves_no_file(self, store: BarStore) -> None:
        with pytest.raises(BadData, match=r"AAPL on 2018-12-31 was not final yet at 2018-12-31 21:14:59.*and 1 more"):
            store.append_bars(BARS, NYSE, datetime(2018, 12, 31, 21, 14, 59, tzinfo=UTC))
        assert store.file_sha256s() == {}

    def test_a_store_that_grew_for_long_and_was_compacted_reads_every_past_cut_and_version(self, store: BarStore) -> None:
        truths, rows = grown(store, self.many)
        for day in range(0, self.many, max(1, self.many // 40)):
            known = store.load_bars(SYMBOLS, instant(day + 9999), known_until=instant(day))
            pd.testing.assert_frame_equal(known, truths[day], obj=f"what was known on day {day}")
        assert [rows_at(store, version) for version in sorted(rows)] == [rows[version] for version in sorted(rows)]
        assert versions(store) == max(rows) + 1

    def test_compacting_again_does_nothing(self, store: BarStore) -> None:
        for day in range(3):
            store.append_bars(BARS.iloc[4 * day : 4 * day + 4], NYSE, instant(day))
        assert (store.compact_bars(), store.compact_bars()) == (3, 0)

    def test_hashes_are_those_of_the_files_and_come_once(self, store: BarStore) -> None:
        store.append_bars(BARS.iloc[:8], NYSE, MONDAY)
        first = store.file_sha256s()
        assert sorted(path.partition("-")[0] for path in first) == ["_delta_log/00000000000000000000.json", "part"]
        store.append_bars(BARS, NYSE, TUESDAY)
        assert len(store.file_sha256s(known=first)) == 2
        store.compact_bars()
        both = store.file_sha256s()
        assert both.items() >= first.items()
        store.require_intact(both)

    @pytest.mark.parametrize("ending", [".parquet", ".json"])
    def test_a_flipped_bit_in_any_recorded_file_is_named_with_both_hashes(self, store: BarStore, ending: str) -> None:
        store.append_bars(BARS, NYSE, MONDAY)
        recorded = store.file_sha256s()
        path = next(name for name in recorded if name.endswith(ending))
        files = PyFileSystem(DeltaStorageHandler(str(store.folder)))
        content = bytearray(files.open_input_file(path).read())
        n_bytes = len(content)
        content[len(content) // 2] ^= 1
        self.write_file(store, path, bytes(content))
        with pytest.raises(OutOfSync, match=path) as raised:
            store.require_intact(recorded)
        assert files.get_file_info(path).size == n_bytes
        present = store.file_sha256s()[path]
        assert present != recorded[path]
        assert recorded[path] in raised.value.message and present in raised.value.message

    def test_a_file_that_is_gone_or_empty_is_named(self, store: BarStore) -> None:
        store.append_bars(BARS, NYSE, MONDAY)
        recorded = store.file_sha256s()
        log, data = sorted(recorded)
        self.write_file(store, log, b"")
        with pytest.raises(OutOfSync, match=f"{log} of the bar store .* has the SHA-256 e3b0c44298fc"):  # of nothing
            store.require_intact(recorded)
        self.write_file(store, data, None)
        with pytest.raises(OutOfSync, match=r"1 more files differ") as raised:
            store.require_intact(recorded)
        assert raised.value.values["files"] == (log, data)
        self.write_file(store, log, None)
        with pytest.raises(OutOfSync, match=f"{log} of the bar store .* is gone"):
            store.require_intact(recorded)

    @pytest.mark.parametrize(("which", "content"), [(0, b'{"commitInfo'), (1, b"?" * 5000), (1, b""), (1, None)])
    def test_a_table_that_cannot_be_read_is_out_of_sync(self, store: BarStore, which: int, content: bytes | None) -> None:
        store.append_bars(BARS, NYSE, MONDAY)
        self.write_file(store, sorted(store.file_sha256s())[which], content)  # the commit, then the data
        with pytest.raises(OutOfSync, match="could not be read"):
            store.load_bars(SYMBOLS, MONDAY)


def grown(store: BarStore, days: int) -> tuple[list[pd.DataFrame], dict[int, int]]:
    """Append session by session, now and then with a changed bar of the five days before, and compact each 21 days.

    Gives what was known after each day, and how many rows each version of the table has.
    """
    bars = clean_bars(NYSE.between(date(2017, 1, 3), date(2018, 12, 31))[:days], SYMBOLS, seed=1)
    truths: list[pd.DataFrame] = []
    rows: dict[int, int] = {}
    n = 0
    for day in range(days):
        if day % 7 == 5:
            bars.loc[2 * (day - 4), Bars.close] *= 1 + 1e-5
        batch = bars.iloc[2 * max(0, day - 5) : 2 * day + 2]
        added = store.append_bars(batch, NYSE, instant(day))
        assert (added.new, added.restated) == (2, day % 7 == 5)
        n += added.new + added.restated
        rows[len(rows)] = n
        truths.append(bars.iloc[: 2 * day + 2].copy())
        if day % 21 == 20:
            assert store.compact_bars() > 1
            rows[len(rows)] = n
    return truths, rows
