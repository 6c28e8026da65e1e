"""History at once, by hand and against what other programs say of the same orders."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from nightdesk.errors import BadData, Misconfigured
from nightdesk.market.sample import SampleSource
from nightdesk.performance.metrics import performance
from nightdesk.portfolio.history import OUTCOMES, History, simulate
from schemas.bars import Bars
from schemas.equity import Equity
from schemas.fills import Fills
from schemas.trading import Costs, Sizing

NAN = float("nan")
FREE = Costs(commission_bps=0, slippage_bps=0)
PLAIN = Sizing(buffer=0, rebalance_band=1, increment=1)
FRACTIONS = Sizing(buffer=0, rebalance_band=0, increment=1e-9)


def column(*values: float) -> np.ndarray:
    return np.array(values, dtype=float)[:, None]


def one(weights: np.ndarray, opens: np.ndarray, closes: np.ndarray, **more: Any) -> History:
    given: dict[str, Any] = {"sizing": PLAIN, "costs": FREE, "capital": 1000.0}
    return simulate(weights, opens, closes, **(given | more))


def test_a_weight_of_a_close_trades_at_the_next_open_and_nan_holds() -> None:
    history = one(column(0.5, NAN, 0.0, NAN), column(10, 10, 12, 11), column(10, 11, 12, 12))
    assert history.holdings[:, 0].tolist() == [0.0, 50.0, 50.0, 0.0]
    assert history.equity.tolist() == [1000.0, 1050.0, 1100.0, 1050.0]
    assert history.cash.tolist() == [1000.0, 500.0, 500.0, 1050.0]
    assert (history.decided.tolist(), history.ordered.tolist()) == ([0, 2], [50.0, -50.0])
    assert history.exposure.round(6).tolist() == [0.0, 0.52381, 0.545455, 0.0]
    assert history.turnover.round(6).tolist() == [0.0, 0.47619, 0.0, 0.52381]


def test_costs_are_paid_by_the_session_of_the_fill() -> None:
    history = one(
        column(0.5, NAN), column(10, 10), column(10, 10), costs=Costs(commission_bps=0, commission_min=2, slippage_bps=100)
    )
    assert history.cash.tolist() == [1000.0, 493.0]
    assert (history.commissions.tolist(), history.slippages.round(9).tolist()) == ([0.0, 2.0], [0.0, 5.0])


def test_a_gap_above_the_cash_is_clipped_and_said() -> None:
    history = one(column(1.0, NAN), column(10, 11), column(10, 11))
    assert (history.ordered.tolist(), history.filled.tolist()) == ([100.0], [90.0])
    assert OUTCOMES[history.outcome[0]] == "clipped: cash"
    assert history.clipped.tolist() == [0.0, 1.0]


def test_the_order_of_the_last_session_waits_for_an_open() -> None:
    history = one(column(NAN, 1.0), column(10, 10), column(10, 10))
    assert (history.filled.tolist(), OUTCOMES[history.outcome[0]]) == ([0.0], "waits for the next open")
    assert history.clipped.tolist() == [0.0, 0.0]


def test_a_split_and_a_dividend_change_shares_and_cash_at_the_open() -> None:
    history = one(
        column(0.5, NAN, NAN), column(10, 10, 5), column(10, 10, 5), splits=column(1, 1, 2), dividends=column(0, 0, 0.25)
    )
    assert history.holdings[:, 0].tolist() == [0.0, 50.0, 100.0]
    assert history.cash.tolist() == [1000.0, 500.0, 525.0]


def test_an_order_that_was_sized_before_a_split_does_not_fill_at_it() -> None:
    history = one(column(0.5, NAN), column(10, 5), column(10, 5), splits=column(1, 2))
    assert (history.filled.tolist(), OUTCOMES[history.outcome[0]]) == ([0.0], "split")


def test_a_symbol_whose_bars_end_is_marked_at_its_last_close_and_paid_out_at_it_after_some_sessions() -> None:
    prices = column(10, 10, 8, NAN, NAN, NAN)
    history = one(column(0.5, NAN, NAN, NAN, NAN, NAN), prices, prices, delisted_after_sessions=2)
    assert history.holdings[:, 0].tolist() == [0.0, 50.0, 50.0, 50.0, 0.0, 0.0]
    assert history.equity.tolist() == [1000.0, 1000.0, 900.0, 900.0, 900.0, 900.0]
    assert history.cash.tolist() == [1000.0, 500.0, 500.0, 500.0, 900.0, 900.0]


def test_a_symbol_that_starts_late_is_bought_once_it_has_a_close() -> None:
    prices = column(NAN, NAN, 10, 10)
    history = one(column(0.5, 0.5, 0.5, 0.5), prices, prices)
    assert history.holdings[:, 0].tolist() == [0.0, 0.0, 0.0, 50.0]


def test_a_flip_from_long_to_short_takes_two_sessions() -> None:
    history = one(column(0.5, -0.5, -0.5, NAN), column(10, 10, 10, 10), column(10, 10, 10, 9))
    assert history.holdings[:, 0].tolist() == [0.0, 50.0, 0.0, -50.0]
    assert history.equity[-1] == 1050.0


def test_a_rotation_buys_within_cash_and_98_percent_of_what_is_sold() -> None:
    flat = np.full((3, 2), 10.0)
    history = one(np.array([[1.0, 0.0], [0.0, 1.0], [NAN, NAN]]), flat, flat)
    assert history.ordered.tolist() == [100.0, -100.0, 98.0]
    assert history.holdings[-1].tolist() == [0.0, 98.0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"capital": 0.0}, "capital was 0.0, allowed: above 0"),
        ({"costs": Costs(max_bar_volume_share=0.1)}, "need the volumes of the bars"),
        ({"costs": Costs(price_impact=0.1)}, "need the volumes of the bars"),
        ({"dividends": np.zeros((3, 1))}, r"dividends were \(3, 1\), allowed: sessions x symbols, as the weights \(2, 1\)"),
        ({"opens": column(10, 0)}, "The opens were 0 to 10, allowed: finite numbers above 0"),
        ({"closes": column(10, np.inf)}, "The closes were 10 to inf"),
    ],
)
def test_what_cannot_be_simulated_is_refused_in_a_sentence(change: dict[str, Any], sentence: str) -> None:
    given = {"weights": column(1, 1), "opens": column(10, 10), "closes": column(10, 10), **change}
    with pytest.raises((BadData, Misconfigured), match=sentence):
        one(**given)


# The same orders in vectorbt 1.2.0 and backtesting.py 0.6.6, run once by benchmarks/peer_simulation.py on these opens and closes.

SESSIONS_2018 = (date(2018, 1, 2), date(2018, 12, 31))
AT = [60, 125, 200, 250]


@pytest.fixture(scope="module")
def prices() -> dict[str, pd.DataFrame]:
    """The bundled S&P 500 and Nasdaq Composite of 2018: 251 sessions."""
    bars = SampleSource().fetch_bars(["^GSPC", "^IXIC"], *SESSIONS_2018)
    return {name: bars.pivot(index=Bars.session, columns=Bars.symbol, values=name) for name in (Bars.open, Bars.close)}


def above_its_mean(closes: pd.DataFrame) -> np.ndarray:
    """1 where the S&P 500 rises above its mean of 20 sessions, 0 where it falls below, NaN between; 0 at first."""
    above = (closes["^GSPC"] > closes["^GSPC"].rolling(20).mean()).astype(float)
    weights = above.where(above != above.shift(1)).to_numpy(copy=True)
    weights[0] = 0.0
    return np.asarray(weights)[:, None]


@pytest.mark.parametrize(
    ("peer", "costs", "expected"),
    [
        ("vectorbt", Costs(), [92690.05732222548, 91244.99242112406, 95069.52071544676, 88799.72942548608]),
        # its spread is paid on entry only: both basis points as commission
        (
            "backtesting.py",
            Costs(commission_bps=2, slippage_bps=0),
            [92690.0573212195, 91244.99241831318, 95069.5207113149, 88799.72942064141],
        ),
    ],
)
def test_all_in_and_out_of_the_index_is_worth_what_peers_say(
    peer: str, costs: Costs, expected: list[float], prices: dict[str, pd.DataFrame]
) -> None:
    opens, closes = (prices[name].to_numpy()[:, :1] for name in (Bars.open, Bars.close))
    history = simulate(above_its_mean(prices[Bars.close]), opens, closes, FRACTIONS, costs, 100_000, sized_at="open")
    assert len(history.ordered) == 28
    np.testing.assert_allclose(history.equity[AT], expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("sized_at", "expected"),
    [  # vectorbt: size_type="targetpercent", call_seq="auto"; val_price=inf, and val_price=-inf (the previous close)
        ("open", [99281.34200719412, 104337.91329188438, 106412.40073789097, 93951.86022670283]),
        ("close", [99277.32894746066, 104324.48943052255, 106393.162880303, 93914.86609599754]),
    ],
)
def test_two_indices_rebalanced_daily_are_worth_what_vectorbt_says(
    sized_at: Any, expected: list[float], prices: dict[str, pd.DataFrame]
) -> None:
    opens, closes = (prices[name].to_numpy() for name in (Bars.open, Bars.close))
    history = simulate(np.full(opens.shape, 0.49), opens, closes, FRACTIONS, Costs(), 100_000, sized_at=sized_at)
    np.testing.assert_allclose(history.equity[AT], expected, rtol=1e-9)


def test_its_tables_are_those_that_the_performance_figures_are_made_of(prices: dict[str, pd.DataFrame]) -> None:
    opens, closes = (prices[name].to_numpy() for name in (Bars.open, Bars.close))
    history = simulate(np.full(opens.shape, 0.49), opens, closes, FRACTIONS, Costs(), 100_000)
    sessions = prices[Bars.open].index
    equity, fills = history.equity_table(sessions), history.fills_table(sessions, ["SPXSIM", "IXSIM"])
    figures = performance(Equity.validate(equity), Fills.validate(fills))
    assert figures["total_return"] == pytest.approx(-0.0608513390, abs=1e-9)  # 93,914.866 of 100,000, as vectorbt has it
    assert figures["costs_paid"] == pytest.approx(history.costs.sum(), rel=1e-12)
