"""The sample's last 250 sessions, day by day with the ledger and as a backtest, with a model that is fitted monthly."""

from datetime import date
from pathlib import Path

import pytest

from nightdesk.sessions import exchange_sessions
from tests.integration.test_backtest_parity import require_parity
from tests.strategy_documents import seed, two_instruments, with_key


@pytest.mark.parametrize("increment", [1.0, 0.001])
def test_250_days_give_the_fits_signals_orders_and_marks_of_the_backtest(increment: float, tmp_path: Path) -> None:
    sessions = exchange_sessions("XNYS").between(date(2017, 1, 3), date(2018, 12, 31))[-250:]
    made = require_parity(with_key(two_instruments(seed()), "sizing.increment", increment), sessions, tmp_path)
    assert len(made.walk.fits) == 12
