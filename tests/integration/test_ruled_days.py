"""Strategies without a model, by the day and at once: rules, tables of weights, short positions, and what looks back on them."""

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nightdesk.backtest.report import as_document, conclusion, facts
from nightdesk.backtest.run import Backtest, run_backtest
from nightdesk.cli.print_trace import print_trace
from nightdesk.day.flatten import flatten_book
from nightdesk.day.lineage import broken_parts, traced_session
from nightdesk.day.play import play_day
from nightdesk.day.replay import replays
from nightdesk.errors import BadData, Misconfigured
from nightdesk.ledger.book import book_id
from nightdesk.market.sample import SampleSource
from nightdesk.performance import report as reports
from nightdesk.sessions import exchange_sessions
from nightdesk.settings import Settings
from schemas.bars import Bars
from schemas.records import Decision
from schemas.reports import DayReport
from tests.desks import settings_in
from tests.homes import ledger_in
from tests.integration.test_history_parity import play_to_order
from tests.strategy_documents import NO_MLFLOW, Document, saved, seed, two_instruments, with_key

MODEL = ("features", "target", "model", "gate")


def without_model(**tables: object) -> Document:
    document = two_instruments(seed())
    for table in MODEL:
        del document[table]
    return with_key(with_key(document | tables, "sizing.increment", 0.001), "market.source", "csvdir")


def desk(folder: Path) -> Settings:
    """A home whose market is the sample's from September 2018 on: days on a short history are quick."""
    if not (folder / "data").is_dir():
        bars = SampleSource().fetch_bars(["^GSPC", "^IXIC"], date(2018, 9, 4), date(2018, 12, 31))
        (folder / "data").mkdir(parents=True)
        for symbol, rows in bars.groupby(Bars.symbol):
            rows.drop(columns=Bars.symbol).to_csv(folder / "data" / f"{symbol}.csv", index=False)
    return settings_in(folder / "home", mlflow_uri=NO_MLFLOW, data=folder / "data")


def played(path: str, session: date, here: Settings) -> DayReport:
    made = play_day(path, session, "paper", "manual", here)
    assert isinstance(made, DayReport)
    return made


def unheard(done: int, of: int) -> None:
    """Progress that nobody follows."""


def decisions(here: Settings, mode: Any, days: list[date]) -> list[Decision]:
    ledger = ledger_in(here.home, mode)
    found = [ledger.decision(book_id(mode, "cheap", "cheap"), day) for day in days]
    ledger.close()
    return [one for one in found if one is not None]


def replayed(path: str, mode: Any, session: date, here: Settings) -> list[str]:
    return [row.difference for row in replays(path, mode, session, here)]


def require_parity(path: str, sessions: pd.DatetimeIndex, here: Settings) -> Backtest:
    days = [stamp.date() for stamp in sessions]
    for day in days:
        play_to_order(path, day, here)
    made = run_backtest(path, days[0], days[-1], None, here, unheard)
    ledger, book = ledger_in(here.home, "backfill"), book_id("backfill", "cheap", "cheap")
    orders, marks, fills = ledger.orders(book), ledger.marks(book), ledger.fills(book)
    ledger.close()
    names = [row.instrument for row in made.strategy.market.instruments]
    bodies: list[Any] = [one.body for one in decisions(here, "backfill", days)]
    told = np.array([[row["weight"] for row in body["signals"]] for body in bodies], dtype=float)
    np.testing.assert_array_equal(made.walk.weights, told)
    history = made.history
    ordered = [
        (days[at], names[symbol], Decimal(str(round(quantity, 9))).normalize())
        for at, symbol, quantity in zip(history.decided, history.symbol, history.ordered, strict=True)
    ]
    assert sorted(ordered) == sorted((row.decided_session, row.instrument, row.quantity.normalize()) for row in orders)
    assert len(made.fills) == len(fills) > 0
    np.testing.assert_allclose(made.equity["equity"], [float(mark.equity) for mark in marks], rtol=0, atol=0.005)
    np.testing.assert_allclose(made.equity["cash"], [float(mark.cash) for mark in marks], rtol=0, atol=0.005)
    return made


REVERSION = {"name": "mean_reversion", "params": {"lookback_sessions": 4, "enter_z": 1.0, "exit_z": 0.2, "side": "long_short"}}


@pytest.mark.timeout(200)  # twenty-five real days, each with its own ledger and broker
def test_a_rule_that_goes_long_and_short_is_by_the_day_what_it_is_at_once(tmp_path: Path) -> None:
    here = desk(tmp_path)
    path = saved(with_key(without_model(rule=REVERSION), "limits.allow_short", True), tmp_path)
    sessions = exchange_sessions("XNYS").between(date(2018, 10, 22), date(2018, 11, 26))
    made = require_parity(path, sessions, here)
    assert len(sessions) == 25
    held = made.history.holdings
    assert (held < 0).any() and (held > 0).any()
    wanted, before = np.sign(np.nan_to_num(made.walk.weights[1:])), np.sign(held[1:])
    assert ((wanted * before) < 0).any()  # a flip: the position is closed first
    assert made.walk.fits == () and [gate.name for gate in made.evidence] == ["excess return"]
    assert "accuracy" not in conclusion(made) and "more than buying and holding" in conclusion(made)
    assert dict(facts(made))["Fits"] == "none: a rule is not fitted"
    assert as_document(made)["fits"] == []


TABLE = """session,symbol,weight
2018-11-01,SPXSIM,0.5
2018-11-01,IXSIM,0.25
2018-11-05,IXSIM,0
2018-11-08,IXSIM,0.4
2018-12-31,SPXSIM,1.0
2018-12-31,UNHEARD,1.0
"""


def test_a_table_of_weights_is_by_the_day_what_it_is_at_once_and_its_future_is_not_read(tmp_path: Path) -> None:
    here = desk(tmp_path)
    path = saved(without_model(weights={"file": "weights.csv"}), tmp_path)
    (tmp_path / "weights.csv").write_text(TABLE, encoding="utf-8")
    sessions = exchange_sessions("XNYS").between(date(2018, 10, 31), date(2018, 11, 7))
    made = require_parity(path, sessions, here)
    bodies: list[Any] = [one.body for one in decisions(here, "backfill", [stamp.date() for stamp in sessions])]
    quiet, busy = "no change", "traded"
    assert [body["outcome"] for body in bodies] == [quiet, busy, quiet, busy, quiet, quiet]
    assert bodies[0]["reason"] == "the table of weights has no row for 2018-10-31, and none before: what is held stays"
    assert bodies[2]["reason"] == "the table of weights has no row for 2018-11-02, its last are of 2018-11-01: what is held stays"
    assert bodies[1]["features"]["columns"] == ["weight"] and bodies[1]["model"] == {}
    assert bodies[1]["gate"] == {"passed": None, "reason": "a table of weights is not fitted"}
    assert made.walk.weights[3].tolist()[1] == 0.0 and np.isnan(made.walk.weights[3][0])
    assert replayed(path, "backfill", date(2018, 11, 1), here) == [""]
    (tmp_path / "weights.csv").write_text(TABLE.replace("IXSIM,0.25", "IXSIM,0.3"), encoding="utf-8")
    assert replayed(path, "backfill", date(2018, 10, 31), here) == [""]
    assert replayed(path, "backfill", date(2018, 11, 1), here)[0].startswith("features.sha256 was ")


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("2018-11-01,ELSE,0.5", "allowed is a symbol of the strategy (SPXSIM, IXSIM)"),
        ("2018-11-03,SPXSIM,0.5", "allowed is a session from 2018-09-04 to 2018-11-30"),
        ("2018-11-01,SPXSIM,0.7\n2018-11-02,IXSIM,0.7", "The weights that stand on 2018-11-02 sum to 1.4"),
        ("2018-12-03,SPXSIM,0.5", "The table of weights of cheap wants nothing in the 63 sessions"),
    ],
)
def test_a_table_that_can_not_be_meant_is_refused_in_a_sentence(rows: str, said: str, tmp_path: Path) -> None:
    path = saved(without_model(weights={"file": "weights.csv"}), tmp_path)
    (tmp_path / "weights.csv").write_text(f"session,symbol,weight\n{rows}\n", encoding="utf-8")
    with pytest.raises((BadData, Misconfigured)) as refused:
        run_backtest(path, None, date(2018, 11, 30), None, desk(tmp_path), unheard)
    assert said in refused.value.message


def test_a_table_is_found_beside_the_strategy_that_names_it(tmp_path: Path) -> None:
    path = saved(without_model(weights={"file": "tables/weights.csv"}), tmp_path / "mine")
    here = desk(tmp_path)
    made = played(path, date(2018, 11, 1), here)
    assert made.outcome == "no trade: data" and "weights.csv cannot be read" in made.reason
    (tmp_path / "mine" / "tables").mkdir()
    (tmp_path / "mine" / "tables" / "weights.csv").write_text(TABLE, encoding="utf-8")
    assert played(path, date(2018, 11, 1), here).outcome == "traded"


def test_a_day_of_a_rule_is_reported_traced_missed_and_flattened(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    here = desk(tmp_path)
    path = saved(without_model(rule={"name": "buy_and_hold"}), tmp_path)
    made = played(path, date(2018, 11, 1), here)
    shown = dict(reports.facts(made))
    assert made.outcome == "traded" and shown["Model"] == "none: a rule is not fitted"
    assert not {"Gate", "Accuracy"} & set(shown)
    assert not list((here.home / "mlflow" / "spool").rglob("*.json"))
    trace = traced_session(path, date(2018, 11, 1), "paper", here)
    assert broken_parts(trace) == []
    print_trace(trace)
    assert "none: a rule is not fitted" in capsys.readouterr().out
    played(path, date(2018, 11, 5), here)
    missed = decisions(here, "paper", [date(2018, 11, 2)])
    assert [one.body["outcome"] for one in missed] == ["missed"]
    assert flatten_book(path, "paper", "a person", "enough", here).outcome == "traded"
    assert replayed(path, "paper", date(2018, 11, 2), here) == [""]
    assert replayed(path, "paper", date(2018, 11, 5), here) == ["", ""]  # the day's attempt and the person's
