"""What a backtest's page shows: folds, gates, opens that are not real, limits that bit."""

import json
from dataclasses import replace
from datetime import date
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import typer

from nightdesk.backtest.fits import FitFacts, Made
from nightdesk.backtest.folds import folds, interval, repeated_opens
from nightdesk.backtest.log import backtest_log
from nightdesk.backtest.page import page_path, sheet_of
from nightdesk.backtest.report import as_document, conclusion
from nightdesk.backtest.run import Backtest, run_backtest
from nightdesk.backtest.walk import NONE, Attempted, Walk
from nightdesk.cli.print_backtest import shown_fits
from nightdesk.errors import Misconfigured
from nightdesk.performance.gates import deflated_sharpe_gate
from nightdesk.performance.page.charts import fold_chart
from nightdesk.performance.page.document import document
from nightdesk.performance.page.rendering import page
from nightdesk.performance.page.tearsheet import Fold
from schemas.evidence import GateResult
from schemas.records import Restriction
from schemas.strategy import Strategy
from tests.desks import settings_in
from tests.strategy_documents import saved, seed

DAYS = pd.to_datetime(["2018-12-03", "2018-12-04", "2018-12-06", "2018-12-07", "2018-12-10"])


def attempted(majority: int) -> Attempted:
    facts = FitFacts("passed", "", {}, "", "", "", "", majority, "margin")
    sessions, symbols = np.empty(0, "datetime64[D]"), np.empty(0, "str")
    made = Made(facts, sessions, symbols, x=np.empty((0, 2)), predicted=np.empty(0, "int64"), scores=np.empty(0))
    return Attempted(date(2018, 12, 3), made)


def walk() -> Walk:
    """The first fit predicts three sessions, nobody the fourth, the second fit the last; one prediction is not known yet."""
    predicted = np.array([[1.0], [1.0], [0.0], [np.nan], [1.0]])
    champion = np.array([0, 0, 0, NONE, 1])
    return Walk(DAYS, ("A",), (attempted(1), attempted(0)), champion, ("",) * 5, predicted, predicted, predicted, 0)


def target(labels: list[int]) -> pd.DataFrame:
    return pd.DataFrame({"session": DAYS[: len(labels)], "symbol": "A", "label": labels, "label_end": DAYS[: len(labels)]})


def test_a_fold_counts_what_its_fit_predicted_beside_its_own_majority() -> None:
    first, second = folds(walk(), target([1, 0, 0, 1, 0]))
    assert (first.first, first.last, first.n) == (date(2018, 12, 3), date(2018, 12, 6), 3)
    assert (first.accuracy, first.baseline) == (pytest.approx(2 / 3), pytest.approx(1 / 3))
    assert (second.n, second.accuracy, second.baseline) == (1, 0.0, 1.0)


def test_a_fold_without_a_known_label_is_not_shown() -> None:
    assert len(folds(walk(), target([1, 0, 0, 1]))) == 1


@pytest.mark.parametrize(("right", "n", "lower", "upper"), [(5, 10, 0.1871, 0.8129), (0, 10, 0.0, 0.3085), (10, 10, 0.6915, 1.0)])
def test_the_interval_of_a_share_is_clopper_and_pearsons(right: int, n: int, lower: float, upper: float) -> None:
    assert interval(right, n) == (pytest.approx(lower, abs=5e-5), pytest.approx(upper, abs=5e-5))  # R: binom.test


def test_opens_are_shared_out_by_year_of_the_symbol_that_prices_the_fill() -> None:
    days = pd.to_datetime(["2004-12-30", "2004-12-31", "2005-01-03", "2005-01-04", "2006-01-03"])
    bars = pd.DataFrame(
        {"session": days, "symbol": "^GSPC", "open": [9.0, 10.0, 12.0, 12.0, 1.0], "close": [10.0, 11.0, 12.0, 13.0, 14.0]}
    )
    fills = pd.DataFrame({"session": days[[1, 2, 3, 4]], "instrument": "SPXSIM"})
    strategy = Strategy.model_validate(seed())
    named = [("^GSPC", 2004), ("^GSPC", 2005), ("^GSPC", 2003)]
    shown = [(row.year, row.share, row.fills) for row in repeated_opens(bars, fills, strategy, named)]
    assert shown == [(2004, 1.0, 1), (2005, 0.5, 2)]  # the first bar has no close before it


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Backtest:
    folder = tmp_path_factory.mktemp("backtest")
    return run_backtest(
        saved(seed(), folder),
        date(2005, 11, 15),
        date(2006, 1, 31),
        50_000.0,
        settings_in(folder / "home"),
        lambda done, of: None,
    )


def test_the_page_has_folds_as_picture_and_table_gates_and_the_years_whose_opens_are_not_real(made: Backtest) -> None:
    text = page(sheet_of(made))
    assert "<h2>Accuracy by fold</h2>" in text and text.count('class="line interval"') == 1
    assert all(f'<tr><th scope="row">{fold.first}</th><td>{fold.last}</td>' in text for fold in made.folds) and made.folds
    assert all(gate.name in text and gate.method in text for gate in made.evidence)
    assert {row.year for row in made.opens} == {2005, 2006} and min(row.share for row in made.opens) > 0.5
    assert f"{len(made.fills)} of {len(made.fills)} fills (100%) fall into these years" in text
    assert "Turnover" in text and "commission and slippage so far" in text and "Growth" in text
    assert "src=" not in text and "<script" not in text


def test_words_print_and_numbers_warn_of_the_same_opens(made: Backtest) -> None:
    (warning,) = sheet_of(made).warnings
    shown = as_document(made)
    assert warning in conclusion(made) and shown["warnings"] == [warning]
    assert json.loads(json.dumps(shown))["opens"][0]["year"] == 2005
    assert document(sheet_of(made))["book"]["opens"] == shown["opens"]


def test_any_gate_is_shown_with_its_numbers_and_what_would_be_needed(made: Backtest) -> None:
    gate = GateResult("another gate", "a method", False, 60, 0.91, 0.95, {}, "About 40 more sessions.")
    more = replace(made, evidence=(*made.evidence, gate))
    text = page(sheet_of(more))
    assert "<td>not passed</td><td>0.91000</td><td>0.95</td><td>60</td>" in text and "About 40 more sessions." in text
    assert "another gate: not passed" in conclusion(more) and "About 40 more sessions." in conclusion(more)


def test_the_page_says_how_many_trials_were_counted_or_that_none_were(made: Backtest) -> None:
    uncounted = "do not know how many others were tried"
    returns = np.random.default_rng(3).normal(0, 0.01, 300)
    gate = deflated_sharpe_gate(returns, np.linspace(-0.1, 0.1, 12), 12.0, level=0.05)
    text = page(sheet_of(replace(made, evidence=(*made.evidence, gate))))
    assert "12 configurations were tried for this target: the Sharpe ratio is not shown to be above what luck alone" in text
    assert uncounted not in text and uncounted in page(sheet_of(made))


def test_what_limits_did_is_said_and_listed(made: Backtest) -> None:
    rows = (Restriction(date(2005, 12, 1), "", "too large"), Restriction(date(2006, 1, 3), "HALTED", "a loss of 12%"))
    bitten = replace(made, restrictions=rows)
    said = conclusion(bitten)
    assert "Limits kept the orders of 1 session back, first on 2005-12-01: too large." in said
    assert "From 2006-01-03 on the book was HALTED and held what it had: a loss of 12%; it lasts until a person" in said
    text = page(sheet_of(bitten))
    assert "orders kept back" in text and '<td class="words">a loss of 12%</td>' in text
    assert "Limits that changed the run" not in page(sheet_of(made))


def test_a_backtest_of_one_session_has_no_page_and_says_so(made: Backtest, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="A page needs 2 sessions or more: this backtest has 1"):
        sheet_of(replace(made, equity=made.equity.iloc[:1]))
    assert page_path(made, tmp_path).name.startswith("2005-11-15_2006-01-31_")


def test_the_run_in_mlflow_has_the_keys_of_the_file_and_the_numbers_of_the_report(made: Backtest) -> None:
    log = backtest_log(made, "<html>")
    assert log.params["limits.max_order_notional"] == "250000.0" and log.params["features.columns"].startswith('["')
    assert all(len(text) <= 6000 for text in log.params.values())
    assert log.metrics["sharpe"] == made.figures["sharpe"] and log.metrics["gate.accuracy.passed"] == 0.0
    assert log.steps["fold.accuracy"] == [fold.accuracy for fold in made.folds]
    assert log.tags.items() >= {"kind": "backtest", "start": "2005-11-15", "sha256": made.strategy.sha256}.items()


def test_an_interrupted_backtest_says_how_far_it_came_and_exits_as_a_shell_expects(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(typer.Exit) as ended, shown_fits() as tell:
        tell(3, 12)
        raise KeyboardInterrupt
    assert ended.value.exit_code == 130
    assert "3 of 12 fits that were to make are made and kept. The same command goes on" in capsys.readouterr().err


def test_years_on_the_axis_of_folds_stand_apart_where_years_without_a_fold_leave_others_together() -> None:
    months = [date(2000, 4, 1), date(2001, 4, 1), date(2002, 4, 1), *(date(2003 + at // 12, at % 12 + 1, 1) for at in range(168))]
    made = [Fold(first, first, 20, 0.5, 0.5, 0.3, 0.7) for first in months]
    named = fold_chart(made, str).x_ticks
    assert [tick.text for tick in named] == ["2000", "2006", "2009", "2012", "2015"]
    assert min(later.place - tick.place for tick, later in pairwise(named)) > 14
