"""A year of whole days at Alpaca's stub with faults: broker and ledger equal every day, orders out equal to intents in."""

from datetime import date
from pathlib import Path

import pytest

from tests.alpaca_year import lived, next_sessions


def test_a_year_with_faults_ends_every_day_with_ledger_and_broker_equal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    sessions = next_sessions(date(2018, 1, 2), 251)
    splits = {sessions[60]: 4.0, sessions[170]: 3.0}
    deposits = [sessions[100], sessions[200]]
    made = lived(tmp_path, sessions, 2018, splits, sessions[20::63], deposits)
    tally = made.tally
    with capsys.disabled():
        print(f"\n{tally.days} days: {dict(tally.outcomes)}; orders: {dict(tally.orders)}")
        print(f"{made.struck.total()} requests went wrong: {dict(sorted(made.struck.items()))}")
        print(f"A person had to look at {len(tally.looked_orders)} orders and on {len(tally.looked_days)} days:")
        for session, reason in tally.looked_days.items():
            print(f"  {session}: {reason}")
    assert tally.days == len(sessions) == 251 and set(deposits) <= tally.looked_days.keys()
    assert tally.orders["filled"] > 50 and made.struck.total() > 100
