"""The sample's last 250 sessions, day by day with the ledger and at once."""

from datetime import date
from pathlib import Path

import pytest

from nightdesk.sessions import exchange_sessions
from tests.integration.test_history_parity import require_parity


@pytest.mark.parametrize("increment", [1.0, 0.001])
def test_250_days_give_the_orders_fills_and_marks_of_history_at_once(increment: float, tmp_path: Path) -> None:
    sessions = exchange_sessions("XNYS").between(date(2017, 1, 3), date(2018, 12, 31))[-250:]
    require_parity(sessions, increment, tmp_path)
