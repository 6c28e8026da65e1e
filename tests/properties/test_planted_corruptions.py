"""On clean panels of several symbols, with dividends and splits in their prices, one planted corruption is found and named."""

from collections.abc import Callable
from datetime import date

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nightdesk.market.checks import findings
from nightdesk.market.histories import PRICES
from nightdesk.market.sample import SampleSource
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars

SESSIONS = exchange_sessions("XNYS").between(date(2015, 1, 1), date(2018, 12, 31))
SYMBOLS = ["AAPL", "BRK.B", "ZM", "^GSPC"]
RATIOS = [2.0, 3.0, 4.0, 7.0, 10.0, 20.0, 1.5, 0.5, 0.1, 0.05]
FACTORS = [10.0, 100.0, 0.1, 0.01]
NUMBERS = [*PRICES, Bars.volume, Bars.dividend, Bars.split]
quick = settings(max_examples=12, deadline=None, database=None)
thorough = settings(max_examples=40, deadline=None, database=None)

Panel = tuple[pd.DataFrame, list[str], pd.DatetimeIndex]
Named = tuple[str, tuple[date, ...]]


def one_history(sessions: pd.DatetimeIndex, symbol: str, noise: np.random.Generator, with_actions: bool) -> pd.DataFrame:
    """Bars as traded: fat-tailed moves, quarterly dividends that lower the next open, at most one split."""
    n = len(sessions)
    daily = noise.uniform(0.006, 0.03)
    moves = np.clip(noise.standard_t(4, n) / np.sqrt(2), -6, 6) * daily
    gap = moves * noise.uniform(0.2, 0.6, n)
    paid = np.where((np.arange(n) % 63 == 40) & with_actions, noise.uniform(0.002, 0.03), 0.0)
    split = np.ones(n)
    if with_actions:
        split[noise.integers(2, n - 2)] = noise.choice(RATIOS)
    total = np.cumsum(moves + np.log1p(-paid) - np.log(split))
    close = noise.uniform(5, 500) * np.exp(total)
    before = np.concatenate([close[:1], close[:-1]])
    open_ = before * (1 - paid) / split * np.exp(gap)
    high = np.maximum(open_, close) * np.exp(noise.exponential(daily / 2, n))
    low = np.minimum(open_, close) * np.exp(-noise.exponential(daily / 2, n))
    volume = np.round(noise.lognormal(13, 0.4, n) * np.cumprod(split)) + 1
    dividend = before * paid / split
    numbers = dict(zip(NUMBERS, (open_, high, low, close, volume, dividend, split), strict=True))
    return pd.DataFrame({Bars.session: sessions.as_unit("ns"), Bars.symbol: pd.array([symbol] * n, dtype="str")} | numbers)


@st.composite
def panels(draw: st.DrawFn, must_split: bool = False) -> Panel:
    length = draw(st.integers(60, 400))
    start = draw(st.integers(0, len(SESSIONS) - length))
    symbols = sorted(draw(st.sets(st.sampled_from(SYMBOLS), min_size=2)))
    noise = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    with_actions = must_split or draw(st.booleans())
    expected = SESSIONS[start : start + length]
    parts = [one_history(expected, symbol, noise, with_actions) for symbol in symbols]
    bars = pd.concat(parts).sort_values([Bars.session, Bars.symbol], ignore_index=True)
    return bars, symbols, expected


def errors(bars: pd.DataFrame, symbols: list[str], expected: pd.DatetimeIndex) -> list[Named]:
    return [(found.symbol, found.sessions) for found in findings(bars, symbols, expected) if found.severity == "error"]


def rows_of(bars: pd.DataFrame, symbol: str) -> np.ndarray:
    return np.flatnonzero(bars[Bars.symbol] == symbol)


def drawn_rows(draw: st.DrawFn, bars: pd.DataFrame, first: int = 1, last: int = -2) -> np.ndarray:
    """One row of a drawn symbol, between its first and its last."""
    rows = rows_of(bars, draw(st.sampled_from(sorted(bars[Bars.symbol].unique()))))
    return rows[[draw(st.integers(first, len(rows) + last))]]


def drawn_block(draw: st.DrawFn, bars: pd.DataFrame) -> np.ndarray:
    """Rows of a drawn symbol that follow each other, fewer than half of its bars; also at its beginning or end."""
    rows = rows_of(bars, draw(st.sampled_from(sorted(bars[Bars.symbol].unique()))))
    length = draw(st.integers(1, (len(rows) - 1) // 2))
    start = draw(st.integers(0, len(rows) - length))
    return rows[start : start + length]


def scaled(bars: pd.DataFrame, rows: np.ndarray, columns: list[str], factor: float) -> pd.DataFrame:
    changed = bars.copy()
    changed.loc[rows, columns] *= factor
    return changed


def dropped(draw: st.DrawFn, bars: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    rows = drawn_rows(draw, bars, last=-1)
    return bars.drop(index=rows), rows


def repeated(draw: st.DrawFn, bars: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    rows = drawn_rows(draw, bars)
    return pd.concat([bars.loc[: rows[0]], bars.loc[rows[0] :]]), rows


def unsorted(draw: st.DrawFn, bars: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    rows = drawn_rows(draw, bars)
    return pd.concat([bars.drop(index=rows), bars.loc[rows]]), rows


def with_cell(draw: st.DrawFn, bars: pd.DataFrame, columns: list[str], values: list[float]) -> tuple[pd.DataFrame, np.ndarray]:
    rows, changed = drawn_rows(draw, bars), bars.copy()
    changed.loc[rows, draw(st.sampled_from(columns))] = draw(st.sampled_from(values))
    return changed, rows


def absent(draw: st.DrawFn, bars: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    return with_cell(draw, bars, NUMBERS, [np.nan])


def infinite(draw: st.DrawFn, bars: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    return with_cell(draw, bars, NUMBERS, [np.inf, -np.inf])


def negative(draw: st.DrawFn, bars: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    return with_cell(draw, bars, NUMBERS, [-1.0, -123.45])


def with_time_zone(draw: st.DrawFn, bars: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    zone = draw(st.sampled_from(["UTC", "America/New_York", "Asia/Tokyo"]))
    return bars.assign(session=bars[Bars.session].dt.tz_localize(zone)), rows_of(bars, bars.at[0, Bars.symbol])


def bar_in_wrong_unit(draw: st.DrawFn, bars: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    rows = drawn_rows(draw, bars, first=0, last=-1)
    return scaled(bars, rows, PRICES, draw(st.sampled_from(FACTORS))), rows


def block_in_wrong_unit(draw: st.DrawFn, bars: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    rows = drawn_block(draw, bars)
    return scaled(bars, rows, PRICES, draw(st.sampled_from(FACTORS))), rows


def price_in_wrong_unit(draw: st.DrawFn, bars: pd.DataFrame) -> tuple[pd.DataFrame, np.ndarray]:
    rows = drawn_rows(draw, bars, first=0, last=-1)
    return scaled(bars, rows, [draw(st.sampled_from(PRICES))], draw(st.sampled_from(FACTORS))), rows


CORRUPTIONS: dict[str, Callable[[st.DrawFn, pd.DataFrame], tuple[pd.DataFrame, np.ndarray]]] = {
    corrupt.__name__: corrupt
    for corrupt in (
        dropped,
        repeated,
        unsorted,
        absent,
        infinite,
        negative,
        with_time_zone,
        bar_in_wrong_unit,
        block_in_wrong_unit,
        price_in_wrong_unit,
    )
}


@thorough
@given(panels())
def test_a_clean_panel_has_no_errors(panel: Panel) -> None:
    assert errors(*panel) == []


@pytest.mark.parametrize("corruption", CORRUPTIONS)
@quick
@given(data=st.data())
def test_a_planted_corruption_is_named_with_its_symbol_and_every_session(corruption: str, data: st.DataObject) -> None:
    bars, symbols, expected = data.draw(panels())
    corrupted, rows = CORRUPTIONS[corruption](data.draw, bars)
    symbol, planted = bars.at[rows[0], Bars.symbol], set(bars.loc[rows, Bars.session].dt.date)
    found = errors(corrupted, symbols, expected)
    assert any(named == symbol and planted.issubset(sessions) for named, sessions in found)
    if corruption != "with_time_zone":
        assert {named for named, _ in found} == {symbol}


@pytest.mark.parametrize("copies", [0, 2], ids=["not applied", "applied twice"])
@quick
@given(data=st.data())
def test_a_split_that_is_not_in_the_prices_once_is_named(copies: int, data: st.DataObject) -> None:
    bars, symbols, expected = data.draw(panels(must_split=True))
    at = data.draw(st.sampled_from(list(bars.index[bars[Bars.split] != 1])))
    symbol, ratio = bars.at[at, Bars.symbol], bars.at[at, Bars.split]
    after = rows_of(bars, symbol)[rows_of(bars, symbol) >= at]
    wrong = scaled(bars, after, PRICES, ratio if copies == 0 else 1 / ratio)
    found = errors(wrong, symbols, expected)
    assert any(named == symbol and bars.at[at, Bars.session].date() in sessions for named, sessions in found)
    assert {named for named, _ in found} == {symbol}


def test_the_bundled_series_have_no_errors() -> None:
    source = SampleSource()
    assert source.span is not None
    symbols = ["^GSPC", "^IXIC"]
    bars = source.fetch_bars(symbols, *source.span)
    expected = exchange_sessions("XNYS").between(*source.span)
    assert len(bars) > 10_000
    assert errors(bars, symbols, expected) == []
