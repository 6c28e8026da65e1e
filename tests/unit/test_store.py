"""The bar store keeps every version, says what changed, and answers as of any instant."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import deltalake
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightdesk.errors import BadData, Misconfigured
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


@pytest.fixture
def store(tmp_path: Path) -> BarStore:
    return BarStore(tmp_path / "bars of the desk, ü")


def versions(store: BarStore) -> int:
    return deltalake.DeltaTable(str(store.folder)).version() + 1


def changed(row: int, column: str, factor: float) -> pd.DataFrame:
    bars = BARS.copy()
    bars.loc[row, column] = bars.loc[row, column] * factor
    return bars


def test_stored_bars_come_back_exactly_and_in_order(store: BarStore) -> None:
    shuffled = BARS.sample(frac=1, random_state=0)
    assert store.append_bars(shuffled, NYSE, MONDAY) == Appended(len(BARS), 0, ())
    pd.testing.assert_frame_equal(store.load_bars(SYMBOLS, MONDAY), BARS)


def test_an_absent_store_gives_an_empty_typed_frame_and_writes_nothing(store: BarStore) -> None:
    pd.testing.assert_frame_equal(store.load_bars(SYMBOLS, MONDAY), BARS.iloc[:0])
    assert store.append_bars(BARS.iloc[:0], NYSE, MONDAY) == Appended(0, 0, ())
    assert not store.folder.exists()


def test_no_matching_rows_give_an_empty_typed_frame(store: BarStore) -> None:
    store.append_bars(BARS, NYSE, MONDAY)
    for symbols in (["ZM"], []):
        pd.testing.assert_frame_equal(store.load_bars(symbols, MONDAY), BARS.iloc[:0])


def test_the_same_bars_again_append_nothing_and_make_no_version(store: BarStore) -> None:
    store.append_bars(BARS, NYSE, MONDAY)
    assert store.append_bars(BARS, NYSE, TUESDAY) == Appended(0, 0, ())
    assert versions(store) == 1


def test_only_the_new_bars_of_a_longer_history_are_appended(store: BarStore) -> None:
    store.append_bars(BARS.iloc[:12], NYSE, MONDAY)
    assert store.append_bars(BARS, NYSE, TUESDAY) == Appended(len(BARS) - 12, 0, ())
    pd.testing.assert_frame_equal(store.load_bars(SYMBOLS, TUESDAY), BARS)


@pytest.mark.parametrize("column", [Bars.open, Bars.high, Bars.low, Bars.close, Bars.volume, Bars.split])
def test_a_value_that_moved_by_more_than_a_millionth_is_a_restatement(store: BarStore, column: str) -> None:
    store.append_bars(BARS, NYSE, MONDAY)
    assert store.append_bars(changed(5, column, 1 + 5e-7), NYSE, TUESDAY) == Appended(0, 0, ())
    named = (BARS.at[5, Bars.session].date(), BARS.at[5, Bars.symbol])
    assert store.append_bars(changed(5, column, 1 + 2e-6), NYSE, TUESDAY) == Appended(0, 1, (named,))
    pd.testing.assert_frame_equal(store.load_bars(SYMBOLS, TUESDAY), changed(5, column, 1 + 2e-6))


def test_a_dividend_that_comes_later_is_a_restatement(store: BarStore) -> None:
    store.append_bars(BARS, NYSE, MONDAY)
    paid = BARS.copy()
    paid.loc[3, Bars.dividend] = 0.01
    assert store.append_bars(paid, NYSE, TUESDAY).restated == 1


def test_a_value_that_is_not_there_is_kept_as_it_came_and_is_not_restated_by_itself(store: BarStore) -> None:
    holed = BARS.copy()
    holed.loc[4, Bars.high] = np.nan
    store.append_bars(holed, NYSE, MONDAY)
    assert store.append_bars(holed, NYSE, TUESDAY) == Appended(0, 0, ())
    assert store.append_bars(BARS, NYSE, TUESDAY).restated == 1


def test_reading_as_known_then_gives_what_was_known_then(store: BarStore) -> None:
    later = changed(7, Bars.close, 0.99)
    store.append_bars(BARS.iloc[:-2], NYSE, MONDAY)
    store.append_bars(later, NYSE, TUESDAY)
    just_before = MONDAY - timedelta(microseconds=1)
    assert store.load_bars(SYMBOLS, WEDNESDAY, known_until=just_before).empty
    pd.testing.assert_frame_equal(store.load_bars(SYMBOLS, WEDNESDAY, known_until=MONDAY), BARS.iloc[:-2])
    pd.testing.assert_frame_equal(store.load_bars(SYMBOLS, WEDNESDAY, known_until=TUESDAY), later)


def test_a_bar_is_available_from_a_quarter_of_an_hour_after_its_close(store: BarStore) -> None:
    store.append_bars(BARS, NYSE, MONDAY)
    settled = datetime(2018, 12, 24, 18, 15, tzinfo=UTC)  # a half day
    before = store.load_bars(SYMBOLS, settled - timedelta(microseconds=1))
    at = store.load_bars(SYMBOLS, settled)
    assert before[Bars.session].max() == pd.Timestamp("2018-12-21")
    assert at[Bars.session].max() == pd.Timestamp("2018-12-24")


def test_instants_of_another_time_zone_mean_the_same_instant(store: BarStore) -> None:
    store.append_bars(BARS, NYSE, MONDAY.astimezone(ZoneInfo("Asia/Tokyo")))
    assert len(store.load_bars(SYMBOLS, MONDAY, known_until=MONDAY)) == len(BARS)
    assert store.load_bars(SYMBOLS, MONDAY, known_until=MONDAY - timedelta(microseconds=1)).empty


def test_an_instant_without_a_time_zone_is_refused(store: BarStore) -> None:
    with pytest.raises(TypeError, match="naive"):
        store.load_bars(SYMBOLS, datetime(2019, 1, 7))
    with pytest.raises(TypeError, match="Invalid comparison"):
        store.append_bars(BARS, NYSE, datetime(2019, 1, 7))


def test_a_bar_that_is_not_final_yet_is_never_stored(store: BarStore) -> None:
    with pytest.raises(BadData, match=r"AAPL on 2018-12-31 was not final yet at 2018-12-31 21:14:59.*and 1 more"):
        store.append_bars(BARS, NYSE, datetime(2018, 12, 31, 21, 14, 59, tzinfo=UTC))
    assert not store.folder.exists()


def test_a_bar_of_a_closed_day_is_never_stored(store: BarStore) -> None:
    closed = BARS.assign(session=BARS[Bars.session].replace(pd.Timestamp("2018-12-31"), pd.Timestamp("2018-12-30")))
    with pytest.raises(BadData, match="2018-12-30 is of no session of XNYS"):
        store.append_bars(closed, NYSE, MONDAY)


def test_a_bar_that_comes_twice_in_one_append_is_refused(store: BarStore) -> None:
    with pytest.raises(BadData, match="2018-12-17 came twice"):
        store.append_bars(pd.concat([BARS, BARS.iloc[:1]]), NYSE, MONDAY)


def test_a_clock_that_went_back_behind_a_stored_version_is_refused(store: BarStore) -> None:
    store.append_bars(BARS, NYSE, TUESDAY)
    for instant in (MONDAY, TUESDAY):
        with pytest.raises(Misconfigured, match=r"known_at was .* after 2019-01-08"):
            store.append_bars(changed(0, Bars.close, 1.01), NYSE, instant)
    assert versions(store) == 1


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


def test_old_versions_outlive_their_age_and_a_checkpoint(store: BarStore) -> None:
    for row in range(4):
        store.append_bars(BARS.iloc[[row]], NYSE, MONDAY + timedelta(hours=row))
    long_ago = (MONDAY - timedelta(days=3000)).timestamp()
    for file in store.folder.rglob("*"):
        os.utime(file, (long_ago, long_ago))
    table = deltalake.DeltaTable(str(store.folder))
    table.create_checkpoint()
    table.cleanup_metadata()
    store.append_bars(BARS, NYSE, TUESDAY)
    assert len(list((store.folder / "_delta_log").glob("*.json"))) == versions(store) == 5
    assert deltalake.DeltaTable(str(store.folder), version=0).version() == 0
    pd.testing.assert_frame_equal(store.load_bars(SYMBOLS, TUESDAY), BARS)


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
        assert set(added.restated_bars) == {(SESSIONS[day].date(), symbol) for day, symbol in restated}
        truth |= batch
    known: Batch = {key: close for batch in batches[:cut] for key, close in batch.items()}
    loaded = store.load_bars(SYMBOLS, WEDNESDAY, known_until=MONDAY + timedelta(hours=cut - 1))
    expected = frame(known) if known else BARS.iloc[:0]
    pd.testing.assert_frame_equal(loaded, expected.sort_values([Bars.session, Bars.symbol], ignore_index=True))
