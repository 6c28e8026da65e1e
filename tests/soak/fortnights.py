"""The fortnights around both changes of the clocks and around Thanksgiving 2026, processes killed, late, twice and queued up."""

from pathlib import Path

import pytest

from nightdesk.day.replay import replays
from tests.desks import settings_in
from tests.fortnights import FORTNIGHTS, lived, wrongs
from tests.strategy_documents import NO_MLFLOW

SEEDS = range(3)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", FORTNIGHTS)
def test_every_session_of_a_fortnight_is_decided_and_ordered_once(
    name: str, seed: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = lived(tmp_path, *FORTNIGHTS[name], f"{name} {seed}", trouble=0.6)
    with capsys.disabled():
        print(f"\n{name}, seed {seed}: {dict(made.happened)}")
    assert list(wrongs(made)) == []
    told = replays(str(tmp_path / "cheap.toml"), "paper", None, settings_in(made.home, mlflow_uri=NO_MLFLOW))
    assert {str(row.session): row.difference for row in told if row.difference} == {}
