"""What is decided at t does not change when every bar after t is replaced by noise."""

from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from nightdesk.audit.perturbed import noisy_after
from nightdesk.day import decision, retrain
from nightdesk.day.decide import generate_signal
from nightdesk.day.desk import Day
from nightdesk.day.engineer import engineer_features
from nightdesk.day.opening import open_day
from nightdesk.features import matrix
from nightdesk.learning.digest import model_sha256
from nightdesk.market.sample import SampleSource
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars
from schemas.labels import Labels
from schemas.records import BookState, ModelRef
from tests.desks import settings_in, strategy_file

XNYS = exchange_sessions("XNYS")
MONTH_ENDS = pd.date_range("2017-01-31", "2018-12-01", freq="ME").date
MONTH_EDGES = [edge for end in MONTH_ENDS for edge in (XNYS.before(XNYS.after(end)), XNYS.after(end))]
SESSIONS = sorted({*MONTH_EDGES, date(2018, 11, 21), date(2018, 11, 23), date(2018, 12, 24), date(2018, 12, 4)})
BARS = SampleSource().fetch_bars(["^GSPC"], date(1999, 1, 4), date(2018, 12, 31))
EMPTY_BOOK = BookState("none", date(2018, 1, 2), Decimal(100_000), Decimal(100_000), {})


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Day]:
    home: Path = tmp_path_factory.mktemp("look-ahead")
    with open_day(strategy_file(home), date(2018, 1, 2), "paper", "manual", False, settings_in(home)) as day:
        assert isinstance(day, Day)
        yield day


def decided_at(session: date, bars: pd.DataFrame, opened: Day) -> dict[str, Any]:
    """The steps from features to intents at a session, given bars that may reach beyond it."""
    day = Day(opened.desk, session, XNYS.after(session), opened.run)
    day.detail["known_until"] = opened.run.started_at.isoformat()
    features = engineer_features(day, bars)
    made, dataset = retrain.fitted(day, features, bars)
    sha256 = model_sha256(made.estimator)
    fit = (made.train_first, made.train_last, made.test_first, made.test_last)
    model = ModelRef("m", "b", "e", session, *fit, "", "", sha256, "", "", made.status, made.reason, made.metrics)
    trained = retrain.Trained(model, made.estimator, model, made.reason, made, dataset)
    signals = generate_signal(day, features, trained)
    made_decision, orders = decision.decided(day, signals, trained, EMPTY_BOOK, bars)
    return {"body": made_decision.body, "orders": orders, "last label": dataset[Labels.label_end].max()}


def sees_the_future(session: date, opened: Day) -> bool:
    return decided_at(session, BARS, opened) != decided_at(session, noisy_after(BARS, session), opened)


@pytest.fixture(scope="module")
def decided(opened: Day) -> dict[date, dict[str, Any]]:
    """What is decided at each session, given all bars."""
    return {at: decided_at(at, BARS, opened) for at in SESSIONS}


def test_fifty_sessions_with_month_edges_decide_the_same_whatever_comes_after(
    opened: Day, decided: dict[date, dict[str, Any]]
) -> None:
    assert len(SESSIONS) >= 50
    assert [at for at in SESSIONS if decided[at] != decided_at(at, noisy_after(BARS, at), opened)] == []


def test_a_decision_is_more_than_a_constant_over_the_sessions(decided: dict[date, dict[str, Any]]) -> None:
    bodies = [decided[at]["body"] for at in SESSIONS[:12]]
    assert len({body["model"]["sha256"] for body in bodies}) > 6
    assert len({str(body["signals"]) for body in bodies}) == 12


def test_a_feature_that_peeks_one_session_ahead_is_caught(opened: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(matrix.FEATURES, "high_minus_low", lambda prices: (prices.high - prices.low).shift(-1))
    assert all(sees_the_future(session, opened) for session in SESSIONS[:5])


def test_a_fit_on_labels_that_end_one_session_later_is_caught(opened: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = retrain.labels

    def shifted(bars: pd.DataFrame, target: Any) -> pd.DataFrame:
        made = honest(bars, target)
        return made.assign(**{Labels.label: made[Labels.label].shift(-1, fill_value=0)})

    monkeypatch.setattr(retrain, "labels", shifted)
    assert any(sees_the_future(session, opened) for session in SESSIONS)


def test_a_size_from_the_next_close_is_caught(opened: Day, monkeypatch: pytest.MonkeyPatch) -> None:
    honest = decision._closes
    monkeypatch.setattr(
        decision, "_closes", lambda day, bars: honest(day, bars.assign(**{Bars.close: bars[Bars.close].shift(-1)}))
    )
    assert any(sees_the_future(session, opened) for session in SESSIONS)
