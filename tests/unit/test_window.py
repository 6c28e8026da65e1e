"""What test predictions would have earned, by hand."""

import pandas as pd
import pytest

from nightdesk.performance.window import window_equity


def test_a_prediction_earns_from_the_next_open_to_the_one_after_and_is_booked_a_row_later() -> None:
    sessions = pd.to_datetime(["2018-12-03", "2018-12-04", "2018-12-06", "2018-12-07", "2018-12-10"])
    bars = pd.DataFrame({"session": sessions, "symbol": "SPY", "open": [10.0, 20.0, 22.0, 11.0, 33.0]})
    said = pd.DataFrame({"session": sessions[:4], "symbol": "SPY", "predicted": [1, 0, 1, 1]})
    equity = window_equity(said, bars)
    assert equity["equity"].tolist() == pytest.approx([100.0, 110.0, 110.0, 330.0])
    assert equity["benchmark"].tolist() == pytest.approx([100.0, 110.0, 55.0, 165.0])
    assert equity["positions_value"].tolist() == pytest.approx([100.0, 0.0, 110.0, 330.0])
