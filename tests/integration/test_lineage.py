"""From an order back to its bars: each link is shown, and whether it still is what it was."""

import json
import sqlite3
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from nightdesk import settings as configuration
from nightdesk.cli import app
from nightdesk.day.lineage import broken_parts, traced_order, traced_session
from nightdesk.errors import Misconfigured
from nightdesk.market.sample import SampleSource
from nightdesk.settings import Settings
from schemas.bars import Bars
from schemas.reports import DayReport
from tests.desks import played, strategy_file
from tests.strategy_documents import NO_MLFLOW

SESSION, NEXT = "2018-12-04", "2018-12-06"


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, DayReport]:
    """Two days: an order on the first, its fill on the second. (5 December 2018 was no session.)"""
    home = tmp_path_factory.mktemp("traced")
    strategy = strategy_file(home)
    reports = [played(strategy, session, home, mlflow_uri=NO_MLFLOW) for session in (SESSION, NEXT)]
    assert len(reports[0].orders) == 1 and len(reports[1].fills) == 1
    return home, strategy, reports[0]


def _trace(desk: tuple[Path, str, DayReport]) -> dict[str, Any]:
    home, strategy, _ = desk
    found: dict[str, Any] = traced_session(strategy, date.fromisoformat(SESSION), "paper", Settings(home=home))
    return found


def test_every_link_from_the_order_to_the_bars_is_that_of_the_day(desk: tuple[Path, str, DayReport]) -> None:
    home, _, report = desk
    found: Any = traced_order(str(report.orders[0]["order_id"]), Settings(home=home))
    document = json.loads(Path(report.look["decision"]).read_text())
    (order,) = found["orders"]
    assert order["order_id"] == document["intents"][0]["order_id"] == report.orders[0]["order_id"]
    (fill,) = order["fills"]
    assert (fill["session"], fill["quantity"]) == (NEXT, order["quantity"])
    assert found["decision"]["sha256"] == report.decision_sha256 and found["decision"]["chain_sha256"] == report.chain_sha256
    assert found["model"]["sha256"] == document["model"]["sha256"] and Path(found["model"]["file"]).is_file()
    assert found["features"]["sha256"] == document["features"]["sha256"]
    assert found["data"]["sha256"] == document["data"]["sha256"] == report.bars["sha256"]
    for part in ("signals", "targets", "holdings", "cash", "equity", "gate", "limits"):
        assert found[part] == document[part], part
    assert broken_parts(found) == []


def test_the_bars_and_features_shown_are_those_of_the_session(desk: tuple[Path, str, DayReport]) -> None:
    found = _trace(desk)
    (bar,) = SampleSource().fetch_bars(["^GSPC"], date.fromisoformat(SESSION), date.fromisoformat(SESSION)).to_dict("records")
    shown = found["bars"][-1]
    assert (shown["session"], shown["close"], shown["volume"]) == (SESSION, bar[Bars.close], bar[Bars.volume])
    (features,) = found["features"]["values"]
    assert features["open_minus_close"] == pytest.approx(bar[Bars.open] - bar[Bars.close])
    assert features["high_minus_low"] == pytest.approx(bar[Bars.high] - bar[Bars.low])


def test_an_order_or_session_that_no_ledger_has_is_refused_by_name(desk: tuple[Path, str, DayReport]) -> None:
    home, strategy, _ = desk
    with pytest.raises(Misconfigured, match="no-such-order"):
        traced_order("no-such-order", Settings(home=home))
    with pytest.raises(Misconfigured, match="2018-12-07"):
        traced_session(strategy, date(2018, 12, 7), "paper", Settings(home=home))


def _flip(path: Path, place: int) -> bytes:
    whole = path.read_bytes()
    path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    return whole


def test_what_is_no_longer_what_it_was_is_named(desk: tuple[Path, str, DayReport]) -> None:
    home = desk[0]
    (model,) = (home / "models").glob("*.skops")
    bars = next((home / "store" / "sample").glob("*.parquet"))
    for file, part in ((model, "model"), (bars, "data")):
        whole = _flip(file, 300)
        (said,) = broken_parts(_trace(desk))
        assert said.startswith(part) and file.name in said
        file.write_bytes(whole)
    change = 'update decisions set body = replace(body, \'"cash":"100000"\', \'"cash":"200000"\') where session = ?'
    with sqlite3.connect(home / "ledger" / "paper.sqlite") as ledger:
        before = ledger.execute("select body from decisions where session = ?", (SESSION,)).fetchone()[0]
        assert ledger.execute(change, (SESSION,)).rowcount
    (said,) = broken_parts(_trace(desk))
    assert said.startswith("decision") and SESSION in said
    with sqlite3.connect(home / "ledger" / "paper.sqlite") as ledger:
        ledger.execute("update decisions set body = ? where session = ?", (before, SESSION))
    assert broken_parts(_trace(desk)) == []


def test_the_command_prints_the_chain_and_exits_with_6_where_it_is_broken(
    desk: tuple[Path, str, DayReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    home, strategy, report = desk
    monkeypatch.setenv("NIGHTDESK_HOME", str(home))
    configuration.settings.cache_clear()
    run = CliRunner()
    shown = run.invoke(app, ["trace", str(report.orders[0]["order_id"])])
    assert shown.exit_code == 0
    words = ["Order", "Decision", "Limits", "Target", "Signal", "Gate", "Model", "Features", "Bars"]
    assert [line.split()[0] for line in shown.stdout.splitlines() if line[:1].isalpha()] == words
    assert report.decision_sha256 in shown.stdout and "filled" in shown.stdout
    (model,) = (home / "models").glob("*.skops")
    whole = _flip(model, 100)
    broken = run.invoke(app, ["trace", SESSION, "--strategy", strategy, "--json"])
    model.write_bytes(whole)
    assert broken.exit_code == 6 and model.name in broken.stderr
    assert model.name in json.loads(broken.stdout)["model"]["broken"]
    configuration.settings.cache_clear()
