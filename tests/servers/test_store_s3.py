"""The bar store at s3://, against a server that speaks S3: the same scenarios as on a folder, and writers at once."""

import re
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
import pytest

from nightdesk.day.replay import replays
from nightdesk.errors import TryAgain
from nightdesk.market.store import BarStore
from tests.contracts.store_contract import BARS, MONDAY, NYSE, SYMBOLS, StoreContract
from tests.desks import played, settings_in, strategy_file
from tests.faults import store_writers
from tests.faults.store_writers import append_by_month_at_the_barrier, compact_again_and_again
from tests.forks import FORKS
from tests.s3_server import BUCKET, put_object, s3_server
from tests.strategy_documents import NO_MLFLOW


@pytest.fixture(scope="module")
def s3() -> Iterator[dict[str, str]]:
    with s3_server() as environment, pytest.MonkeyPatch.context() as patch:
        for name, value in environment.items():
            patch.setenv(name, value)
        yield environment


def place(request: pytest.FixtureRequest) -> str:
    """One of its own for each test."""
    return f"s3://{BUCKET}/desk/{re.sub('[^a-z0-9]+', '_', request.node.name)}"


class TestStoreOnS3(StoreContract):
    many = 12

    @pytest.fixture
    def store(self, s3: dict[str, str], request: pytest.FixtureRequest) -> BarStore:
        self.url = s3["AWS_ENDPOINT_URL"]
        return BarStore(place(request))

    def write_file(self, store: BarStore, path: str, content: bytes | None) -> None:
        put_object(f"{self.url}/{str(store.folder).removeprefix('s3://')}/{path}", content)


def test_three_writers_at_once_and_one_that_compacts_lose_nothing(s3: dict[str, str], request: pytest.FixtureRequest) -> None:
    store = BarStore(place(request))
    bars, known_at = store_writers.BARS.iloc[:600], store_writers.KNOWN_AT
    parts = [bars.iloc[:300], bars.iloc[200:500], bars.iloc[400:]]
    start, ended = FORKS.Barrier(4), FORKS.Event()
    writers = [FORKS.Process(target=append_by_month_at_the_barrier, args=(store.folder, part, start, s3)) for part in parts]
    compacting = FORKS.Process(target=compact_again_and_again, args=(store.folder, start, ended, s3))
    for process in (*writers, compacting):
        process.start()
    for writer in writers:
        writer.join(timeout=90)
    ended.set()
    compacting.join(timeout=90)
    assert [process.exitcode for process in (*writers, compacting)] == [0, 0, 0, 0]
    pd.testing.assert_frame_equal(store.load_bars(SYMBOLS, known_at), bars)
    assert store.append_bars(bars, store_writers.NYSE, known_at).new == 0


def test_a_bucket_that_is_not_there_is_said_and_never_an_empty_store(s3: dict[str, str]) -> None:
    store = BarStore("s3://nosuchbucket/desk")
    for ask in (lambda: store.load_bars(SYMBOLS, MONDAY), lambda: store.append_bars(BARS, NYSE, MONDAY), store.file_sha256s):
        with pytest.raises(TryAgain, match=r"s3://nosuchbucket/desk could not be reached: .*NoSuchBucket"):
            ask()


def test_days_and_their_replays_run_on_a_store_in_a_bucket(s3: dict[str, str], tmp_path: Path) -> None:
    strategy = strategy_file(tmp_path)
    here = settings_in(tmp_path, store=f"s3://{BUCKET}/days", mlflow_uri=NO_MLFLOW)
    for session in ("2018-12-20", "2018-12-21"):
        assert played(strategy, session, tmp_path, store=here.store, mlflow_uri=NO_MLFLOW).exit_code == 0
    rows = list(replays(strategy, "paper", None, here))
    assert [(str(row.session), row.difference) for row in rows] == [("2018-12-20", ""), ("2018-12-21", "")]
    assert not (tmp_path / "store").exists()
