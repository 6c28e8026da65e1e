"""From predictions to weights."""

import numpy as np
import pandas as pd
import pytest

from nightdesk.signals.long_flat import flat, long_flat, sides
from schemas.signals import Signals
from schemas.strategy import Instrument, Signal

TWO = [
    Instrument(signal="^GSPC", instrument="SPY", instrument_id="spy", prices="SPY"),
    Instrument(signal="^IXIC", instrument="QQQ", instrument_id="qqq", prices="QQQ"),
]
NOTHING = pd.Series(dtype=float)


def weights(predicted: dict[str, float]) -> tuple[list[str], list[float]]:
    frame = Signals.validate(long_flat(TWO, pd.Series(predicted, dtype=float), NOTHING, "margin"))
    return frame[Signals.action].tolist(), frame[Signals.weight].tolist()


def test_up_gets_an_equal_share_and_down_gets_zero() -> None:
    assert weights({"^GSPC": 1.0, "^IXIC": 1.0}) == (["target", "target"], [0.5, 0.5])
    assert weights({"^GSPC": 1.0, "^IXIC": 0.0}) == (["target", "target"], [0.5, 0.0])
    assert weights({"^GSPC": 0.0, "^IXIC": 0.0}) == (["target", "target"], [0.0, 0.0])


@pytest.mark.parametrize("predicted", [{"^IXIC": 1.0}, {"^GSPC": np.nan, "^IXIC": 1.0}])
def test_what_was_not_predicted_holds_and_its_weight_is_not_zero(predicted: dict[str, float]) -> None:
    actions, shares = weights(predicted)
    assert actions == ["hold", "target"]
    np.testing.assert_array_equal(shares, [np.nan, 0.5])


def test_rows_are_the_instruments_whatever_the_order_of_the_predictions() -> None:
    predicted = pd.Series({"^IXIC": 1, "ELSE": 1, "^GSPC": 0})
    scores = pd.Series({"^IXIC": 0.25, "ELSE": 9.0, "^GSPC": -1.5})
    frame = Signals.validate(long_flat(TWO, predicted, scores, "margin"))
    assert frame[Signals.symbol].tolist() == ["^GSPC", "^IXIC"]
    assert frame[Signals.instrument].tolist() == ["SPY", "QQQ"]
    assert frame[Signals.score].tolist() == [-1.5, 0.25]
    assert frame[Signals.score_kind].tolist() == ["margin", "margin"]


def test_one_instrument_that_is_up_gets_all() -> None:
    frame = Signals.validate(long_flat(TWO[:1], pd.Series({"^GSPC": 1}), pd.Series({"^GSPC": 0.1}), "probability"))
    assert frame[Signals.weight].tolist() == [1.0]


def test_flat_wants_nothing_held_and_says_that_no_model_spoke() -> None:
    frame = Signals.validate(flat(TWO))
    assert frame[Signals.action].tolist() == ["target", "target"]
    assert frame[Signals.weight].tolist() == [0.0, 0.0]
    assert frame[Signals.score].isna().all()
    assert frame[Signals.score_kind].tolist() == ["none", "none"]


SCORES = np.array([0.9, 0.55, 0.45, 0.1, np.nan])
UP = np.array([1.0, 1.0, 0.0, 0.0, np.nan])


@pytest.mark.parametrize(
    ("signal", "score_kind", "scores", "wanted"),
    [
        ({}, "probability", SCORES, [1, 1, 0, 0]),
        ({"kind": "long_short"}, "probability", SCORES, [1, 1, -1, -1]),
        ({"threshold": 0.6}, "probability", SCORES, [1, 0, 0, 0]),
        ({"kind": "long_short", "threshold": 0.6}, "probability", SCORES, [1, 0, 0, -1]),  # short below 1 - 0.6
        ({"kind": "long_short", "threshold": 0.0}, "margin", SCORES - 0.5, [1, 1, -1, -1]),
        ({"kind": "long_short", "threshold": 0.1}, "margin", SCORES - 0.5, [1, 0, 0, -1]),
        ({"threshold": 0.1}, "margin", SCORES - 0.5, [1, 0, 0, 0]),
    ],
)
def test_a_threshold_and_a_kind_say_which_side_a_score_is_on(
    signal: dict[str, object], score_kind: str, scores: np.ndarray, wanted: list[float]
) -> None:
    found = sides(UP, scores, score_kind, Signal.model_validate(signal))
    np.testing.assert_array_equal(found, [*wanted, np.nan])


def test_what_is_to_be_short_gets_a_share_below_zero() -> None:
    predicted, scores = pd.Series({"^GSPC": 1, "^IXIC": 0}), pd.Series({"^GSPC": 0.7, "^IXIC": 0.2})
    frame = Signals.validate(long_flat(TWO, predicted, scores, "probability", Signal(kind="long_short", threshold=0.6)))
    assert frame[Signals.weight].tolist() == [0.5, -0.5]
