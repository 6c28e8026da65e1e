"""A fortnight at Alpaca's stub with faults. The whole year: tests/soak/year_at_alpaca.py."""

from datetime import date
from pathlib import Path

from tests.alpaca_year import lived, next_sessions


def test_a_fortnight_with_faults_ends_with_ledger_and_broker_equal(tmp_path: Path) -> None:
    sessions = next_sessions(date(2018, 3, 1), 10)
    made = lived(tmp_path, sessions, 5, {sessions[5]: 2.0}, [sessions[3], sessions[7]], [sessions[6]])
    assert made.tally.days == 10 and sessions[6] in made.tally.looked_days
    assert made.struck.total() > 5 and made.tally.orders["filled"] > 1
