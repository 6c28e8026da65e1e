"""The sample's last year with the seed strategy: 250 decisions, each computed again to the same bytes."""

from datetime import date
from pathlib import Path

from nightdesk.day.opening import sessions_to_play
from nightdesk.day.play import play_day
from nightdesk.day.replay import replays
from tests.desks import SEED, settings_in
from tests.strategy_documents import NO_MLFLOW


def test_250_decisions_of_the_seed_strategy_replay_to_the_same_bytes(tmp_path: Path) -> None:
    here = settings_in(tmp_path, mlflow_uri=NO_MLFLOW)
    sessions = sessions_to_play(str(SEED), 250, "backfill", here)
    assert (len(sessions), sessions[-1]) == (250, date(2018, 12, 31))
    for session in sessions:
        play_day(str(SEED), session, "backfill", "backfill", here)
    rows = list(replays(str(SEED), "backfill", None, here))
    assert [row.session for row in rows] == sessions
    assert {row.difference for row in rows} == {""}
