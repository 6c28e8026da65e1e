"""Bars that must not reach the model or the broker: one sentence that names the bar, exit code 3, nothing stored."""

from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from nightdesk.ledger.status import book_statuses
from nightdesk.market.sample import SampleSource
from nightdesk.wiring import markets
from schemas.bars import Bars
from tests.desks import played, strategy_file
from tests.homes import ledgers_of
from tests.strategy_documents import NO_MLFLOW

SESSION = "2018-12-27"
BAD = pd.Timestamp("2018-12-21")


def _set(column: str, value: float) -> Callable[[pd.DataFrame], pd.DataFrame]:
    def corrupt(bars: pd.DataFrame) -> pd.DataFrame:
        bars.loc[bars[Bars.session] == BAD, column] = value
        return bars

    return corrupt


CORRUPTIONS: dict[str, tuple[Callable[[pd.DataFrame], pd.DataFrame], str]] = {
    "a NaN": (_set(Bars.close, np.nan), "2018-12-21"),
    "infinity": (_set(Bars.high, np.inf), "2018-12-21"),
    "a negative price": (_set(Bars.low, -1.0), "2018-12-21"),
    "high below low": (_set(Bars.high, 2000.0), "2018-12-21"),
    "a duplicate": (lambda bars: pd.concat([bars, bars[bars[Bars.session] == BAD]]), "2018-12-21"),
    "a missing session": (lambda bars: bars[bars[Bars.session] != BAD], "2018-12-21"),
    "an extra session": (lambda bars: pd.concat([bars, bars.tail(1).assign(session=pd.Timestamp("2018-12-25"))]), "2018-12-25"),
    "no last bar": (lambda bars: bars[bars[Bars.session] != pd.Timestamp(SESSION)], SESSION),
}


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_a_bad_bar_ends_the_day_before_anything_is_stored(
    corruption: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    corrupt, named = CORRUPTIONS[corruption]

    class Corrupted(SampleSource):
        def fetch_bars(self, symbols: list[str], first: date, last: date) -> pd.DataFrame:  # type: ignore[override]  # as narrow as it is used
            return corrupt(super().fetch_bars(symbols, first, last).copy()).reset_index(drop=True)

    monkeypatch.setattr(markets, "SampleSource", Corrupted)
    report = played(strategy_file(tmp_path), SESSION, tmp_path, mlflow_uri=NO_MLFLOW)
    assert (report.outcome, report.exit_code) == ("no trade: data", 3)
    assert named in report.reason and "^GSPC" in report.reason and "Traceback" not in report.reason
    assert not (tmp_path / "store").exists() and not (tmp_path / "models").exists() and not (tmp_path / "decisions").exists()
    (row,) = book_statuses(ledgers_of(tmp_path))
    assert (row["outcome"], row["opened"], row["sessions"]) == ("no trade: data", None, 0)


def test_the_day_after_bad_bars_were_mended_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    strategy = strategy_file(tmp_path)
    first = played(strategy, "2018-12-26", tmp_path, mlflow_uri=NO_MLFLOW)
    with monkeypatch.context() as patch:
        patch.setattr(SampleSource, "fetch_bars", _without_the_last(SampleSource.fetch_bars))
        bad = played(strategy, SESSION, tmp_path, mlflow_uri=NO_MLFLOW)
    mended = played(strategy, SESSION, tmp_path, mlflow_uri=NO_MLFLOW)
    assert (bad.outcome, bad.equity) == ("no trade: data", first.equity)
    assert mended.outcome in ("traded", "no change") and not mended.resumed and mended.sessions == 2


def _without_the_last(honest: Callable[..., pd.DataFrame]) -> Callable[..., pd.DataFrame]:
    def fetch(self: SampleSource, symbols: list[str], first: date, last: date) -> pd.DataFrame:
        return honest(self, symbols, first, last).iloc[:-1]

    return fetch
