"""A symbol that is none is refused at every door that has no vendor behind it: strategy file, store, quarantine."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from nightdesk.errors import Misconfigured
from nightdesk.market.quarantine import Quarantine
from nightdesk.market.store import BarStore
from nightdesk.settings import Settings
from nightdesk.wiring.strategies import load_strategy
from tests.strategy_documents import saved, seed, with_key

WRONG = ["../../x", "", "AAPL?qty=1", "AAPL\0", "A" * 10_000, "AAPL\n", "aapl", "AAPL' or '1'='1", "A/B", "\u202eAAPL"]
NOW = datetime(2024, 1, 31, 22, tzinfo=UTC)


@pytest.mark.parametrize("symbol", WRONG, ids=range(len(WRONG)))
@pytest.mark.parametrize("key", ["signal", "instrument", "prices"])
def test_a_strategy_file_with_it_is_refused(symbol: str, key: str, tmp_path: Path) -> None:
    path = saved(with_key(seed(), f"market.instruments.{key}", symbol), tmp_path)
    with pytest.raises(Misconfigured, match=rf"{key}|TOML"):
        load_strategy(path, Settings(home=tmp_path))


@pytest.mark.parametrize("symbol", WRONG, ids=range(len(WRONG)))
def test_the_store_and_the_quarantine_refuse_it(symbol: str, tmp_path: Path) -> None:
    store, quarantine = BarStore(tmp_path / "bars"), Quarantine(tmp_path / "bars.sqlite")
    with pytest.raises(Misconfigured, match="symbol"):
        store.load_bars([symbol], NOW)
    with pytest.raises(Misconfigured, match="symbol"):
        store.last_session([symbol])
    with pytest.raises(Misconfigured, match="symbol"):
        quarantine.release(date(2024, 1, 31), symbol, "ana", "trust me", NOW)
    quarantine.close()
    assert not (tmp_path / "bars").exists()
