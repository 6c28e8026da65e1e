"""The numbers of a page: known answers by hand, and what the evidence allows to say."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nightdesk.errors import BadData
from nightdesk.performance import metrics
from nightdesk.performance.page import tables
from nightdesk.performance.page.charts import histogram, line_chart, nice_ticks, time_ticks
from nightdesk.performance.page.document import document
from nightdesk.performance.page.rendering import page
from nightdesk.performance.page.tearsheet import Fold, Tearsheet, Trading, tearsheet
from schemas.equity import Equity
from schemas.fills import Fills
from schemas.findings import Finding

SMALL = st.lists(st.floats(-0.3, 0.3), min_size=2, max_size=60)


def series(values: list[float], start: str = "2024-01-02") -> pd.Series:
    return pd.Series(values, index=pd.bdate_range(start, periods=len(values)), dtype="float64")


def noise(n: int, mean: float = 0.0, seed: int = 1) -> pd.Series:
    return series(list(np.random.default_rng(seed).normal(mean, 0.01, n)), "2015-01-01")


def test_months_and_years_compound_what_they_have() -> None:
    days = pd.to_datetime(["2020-01-30", "2020-01-31", "2020-02-03", "2020-03-02", "2021-12-31"])
    months = tables.monthly_returns(pd.Series([0.1, -0.5, 0.2, np.nan, 0.05], index=days))
    assert list(months.index) == [2020, 2021]
    expected = np.full((2, 13), np.nan)
    expected[0, [0, 1, 12]] = [-0.45, 0.2, -0.34]  # 1.1 x 0.5, 1.2, and 0.55 x 1.2
    expected[1, [11, 12]] = 0.05
    np.testing.assert_allclose(months.to_numpy(), expected, rtol=1e-12)


def test_drawdowns_have_start_bottom_end_depth_and_length() -> None:
    # wealth 1, 0.9, 1, 1.5, 1.2, 0.9, 1.8, 1.71, 1.71
    returns = series([-0.1, 1 / 9, 0.5, -0.2, -0.25, 1.0, -0.05, 0.0])
    first, second, third = tables.worst_drawdowns(returns, 5)
    assert (first.start, first.bottom, first.end) == (date(2024, 1, 5), date(2024, 1, 8), date(2024, 1, 9))
    assert first.depth == pytest.approx(-0.4)
    assert first.sessions == 3
    assert (second.start, second.bottom, second.end, second.sessions) == (date(2024, 1, 2), date(2024, 1, 2), date(2024, 1, 3), 2)
    assert second.depth == pytest.approx(-0.1)
    assert (third.start, third.bottom, third.end, third.sessions) == (date(2024, 1, 10), date(2024, 1, 10), None, 2)
    assert tables.worst_drawdowns(returns, 1) == [first]


@given(SMALL)
def test_deepest_and_longest_drawdown_are_those_of_the_metrics(values: list[float]) -> None:
    found = tables.worst_drawdowns(series(values), len(values))
    assert min((row.depth for row in found), default=0.0) == pytest.approx(metrics.max_drawdown(values), abs=1e-11)
    assert max((row.sessions for row in found), default=0) == metrics.max_drawdown_sessions(values)


def test_rolling_figures_are_the_metrics_of_each_window() -> None:
    market = noise(200)
    own = 0.5 * market + noise(200, seed=2)
    own.iloc[40], market.iloc[90] = np.nan, np.nan
    ratio, slope = tables.rolling_sharpe(own), tables.rolling_beta(own, market)
    assert len(ratio) == len(slope) == 200 - 125
    for at in (0, 30, 74):
        window = slice(at, at + 126)
        assert ratio.iloc[at] == pytest.approx(metrics.sharpe(own.iloc[window]), rel=1e-9)
        assert slope.iloc[at] == pytest.approx(metrics.beta(own.iloc[window], market.iloc[window]), rel=1e-9)


def test_every_known_return_is_in_one_bin_of_the_distribution() -> None:
    values = [*([0.01] * 300), *([-0.01] * 300), 0.5, -0.9, np.nan, 0.0]
    shown = tables.distribution(values)
    assert shown.counts.sum() == 603
    assert shown.counts[len(shown.counts) // 2] == 1  # 0 lies in the middle one
    assert shown.counts[0] == 301
    assert shown.counts[-1] == 301


def test_extreme_sessions_are_gains_and_losses_in_order() -> None:
    best, worst = tables.extreme_sessions(series([0.01, -0.02, 0.03, 0.0, np.nan, -0.01]), 5)
    assert best.tolist() == [0.03, 0.01]
    assert worst.tolist() == [-0.02, -0.01]


def test_ticks_are_round_and_few() -> None:
    assert nice_ticks(-7.3, 21.0) == [0.0, 10.0, 20.0]
    assert nice_ticks(0.0, 1.0) == [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    assert [tick.text for tick in time_ticks(pd.Timestamp("1999-01-04"), pd.Timestamp("2018-12-31"))] == [
        "2000", "2004", "2008", "2012", "2016"
    ]  # fmt: skip
    assert [tick.text for tick in time_ticks(pd.Timestamp("2024-01-10"), pd.Timestamp("2024-01-20"))] == ["Jan 2024"]


@given(SMALL)
def test_lines_stay_inside_their_frame(values: list[float]) -> None:
    chart = line_chart([("own", series(values))], str, rule=0.0)
    points = [point.split(",") for point in chart.lines[0][1].replace("M", "L").split("L")[1:]]
    assert all(0 <= float(left) <= 2000 and 0 <= float(top) <= 1000 for left, top in points)
    assert all(0 <= tick.place <= 100 for tick in (*chart.x_ticks, *chart.y_ticks))


def test_a_long_line_keeps_its_extremes_and_breaks_where_a_value_is_missing() -> None:
    values = np.zeros(5000)
    values[1234], values[4001], values[2000:2010] = 1.0, -1.0, np.nan
    path = line_chart([("own", series(list(values), "1999-01-04"))], str, rule=0.0).lines[0][1]
    tops = [int(point.split(",")[1]) for point in path.replace("M", "L").split("L")[1:]]
    assert len(tops) < 3000
    assert (min(tops), max(tops)) == (37, 963)  # 0.08 of 2.16 from the edges
    assert path.count("M") == 2


def test_bars_of_losses_gains_and_nothing_are_told_apart() -> None:
    kinds = [bar.kind for bar in histogram(tables.distribution([-0.02, 0.0, 0.02])).bars]
    assert kinds == ["down"] * 20 + ["flat"] + ["up"] * 20


def test_a_record_that_moved_on_few_sessions_says_nothing() -> None:
    sheet = tearsheet("x", series([0.0] * 299 + [0.01]))
    assert sheet.evidence["probabilistic_sharpe_2012"] > 0.95
    assert sheet.headline.endswith("it gained or lost on 1 session, needed: 63 or more.")


def test_a_confidence_is_never_said_to_be_certain() -> None:
    sheet = tearsheet("x", noise(2000, 0.01))
    assert sheet.evidence["probabilistic_sharpe_2012"] > 0.9999
    assert "is above 99.9% (Bailey" in sheet.sentences[1]
    assert "100.0" not in sheet.sentences[1]


def test_a_short_record_says_nothing() -> None:
    assert tearsheet("x", noise(62, 0.01)).headline == (
        "This record is too short to say anything: it gained or lost on 62 sessions, needed: 63 or more."
    )


def test_a_record_without_a_benchmark_is_not_said_to_beat_one() -> None:
    sheet = tearsheet("x", noise(500, 0.003))
    assert sheet.headline.startswith("This record speaks for a Sharpe ratio above 0. Whether holding the market")
    assert not any("beta" in sentence for sentence in sheet.sentences)


def test_noise_is_not_said_to_show_anything() -> None:
    sheet = tearsheet("x", noise(500, -0.0005))
    assert sheet.headline == "This record does not show a Sharpe ratio above 0."
    assert "At this rate no number of sessions would show" in sheet.sentences[1]


def test_the_benchmark_itself_shows_no_excess_however_sure_its_sharpe_ratio() -> None:
    market = noise(1000, 0.003)
    sheet = tearsheet("x", 2 * market, market)
    assert sheet.evidence["probabilistic_sharpe_2012"] > 0.99
    assert sheet.headline == "This record does not show a return above the benchmark's at the same beta."


def test_a_planted_excess_is_said_with_its_bound_and_without_a_promise() -> None:
    market = noise(1000)
    sheet = tearsheet("x", 0.5 * market + noise(1000, 0.002, seed=2), market)
    assert sheet.headline == "This record speaks for a return above the benchmark's at the same beta."
    assert sheet.gate is not None
    assert f"the lower bound of that is +{sheet.gate.figures['lower_per_year']:.1%}" in sheet.sentences[2]
    assert "promise nothing" in sheet.sentences[-1]


def test_a_record_in_which_nothing_moved_says_so() -> None:
    sheet = tearsheet("x", series([0.0] * 100))
    assert "nothing moved, every known return is 0" in sheet.sentences[0]
    assert sheet.sentences[1] == "Returns that do not vary have no Sharpe ratio."
    assert sheet.headline.startswith("This record is too short to say anything: it gained or lost on 0 sessions")
    assert "There is none." in page(sheet)


def test_a_benchmark_that_does_not_move_is_refused() -> None:
    with pytest.raises(BadData, match="did not move"):
        tearsheet("x", noise(100), series([0.0] * 100, "2015-01-01"))


def traded() -> Tearsheet:
    days = pd.bdate_range("2004-12-27", periods=6)  # 2004-12-31 is the fifth
    equity = pd.DataFrame(
        {
            Equity.session: days,
            Equity.cash: [1000.0, 500.0, 500.0, 1000.0, 1000.0, 1000.0],
            Equity.positions_value: [0.0, 500.0, 500.0, 0.0, 0.0, 0.0],
            Equity.equity: 1000.0,
            Equity.flow: 0.0,
            Equity.benchmark: [1000.0, 1010.0, 1000.0, 990.0, 1000.0, 1010.0],
        }
    )
    fills = pd.DataFrame(
        {
            Fills.fill_id: ["a", "b", "c"],
            Fills.order_id: ["a", "b", "c"],
            Fills.session: days[[1, 3, 5]],
            Fills.instrument: "<b>SIM</b>",
            Fills.quantity: [5.0, -5.0, 1.0],
            Fills.price: 100.0,
            Fills.commission: 1.0,
            Fills.slippage: 0.5,
        }
    )
    folds = (Fold(date(2004, 1, 2), date(2004, 12, 30), 252, 0.54, 0.53, 0.478, 0.601),)
    message = "^GSPC opens at the previous close on up to 98% of the sessions of 2004."
    findings = (
        Finding("open_repeats_close", "warning", "^GSPC", (date(2004, 1, 2),), message),
        Finding("no_volume", "warning", "^GSPC", (date(2004, 1, 2),), "has no volume"),
    )
    book = Trading("USD", equity, fills, folds, findings)
    return tearsheet("a book", metrics.session_returns(equity), metrics.benchmark_returns(equity), trading=book)


def test_a_traded_book_has_exposure_turnover_and_cost_drag_by_hand() -> None:
    book = traded().book
    assert book["exposure"] == pytest.approx(2 * 0.5 / 6)
    assert book["turnover"] == pytest.approx(1100 / 1000 * 252 / 5)
    assert book["costs_paid"] == pytest.approx(4.5)
    assert book["cost_drag"] == pytest.approx(4.5 / 1000 * 252 / 5)


def test_fills_in_years_whose_opens_are_not_real_are_warned_of() -> None:
    (warning,) = traded().warnings
    assert warning.startswith("2 of 3 fills (67%) fall into these years: ^GSPC opens at the previous close")
    assert f'<p class="warning"><b>Warning.</b> {warning}</p>' in page(traded())


def test_the_page_of_a_book_shows_folds_and_fills_and_escapes_names() -> None:
    text = page(traded())
    assert "<td>54.0</td><td>47.8 to 60.1</td><td>53.0</td>" in text
    assert "&lt;b&gt;SIM&lt;/b&gt;" in text
    assert "<b>SIM" not in text
    assert "Cost drag [%/year]</th><td>22.68</td>" in text


def test_the_document_has_the_numbers_of_the_page() -> None:
    shown = document(traded())
    assert shown["sessions"] == 5
    assert shown["book"]["fills"][0]["session"] == "2004-12-28"
    assert shown["book"]["folds"][0]["baseline"] == 0.53
    assert shown["evidence"]["minimum_track_record_sessions_2012"] is None  # infinite
    assert shown["months"] == [
        {"year": 2004, "month": 12, "return": 0.0},
        {"year": 2005, "month": 1, "return": 0.0},
    ]
    assert shown["daily"][0]["session"] == "2004-12-28"
