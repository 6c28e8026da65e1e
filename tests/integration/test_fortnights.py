"""A week around Thanksgiving 2026, with processes killed. The fortnights in full: tests/soak/fortnights.py."""

from datetime import date
from pathlib import Path

from tests.fortnights import lived, sessions_of, ticks, wrongs

SEED = "short 27"


def test_a_closed_thursday_and_a_short_friday_with_processes_killed_are_decided_once_each(tmp_path: Path) -> None:
    first, last = date(2026, 11, 24), date(2026, 11, 30)
    assert [str(day)[5:] for day in sessions_of(first, last)] == ["11-24", "11-25", "11-27", "11-30"]
    assert len(ticks(first, last)) == 20, "the schedule asks on the closed Thursday, too"
    made = lived(tmp_path, first, last, SEED, trouble=0.6)
    assert made.happened.total() > 3
    assert list(wrongs(made)) == []
