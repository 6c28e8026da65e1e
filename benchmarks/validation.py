"""`validation`: every check of 500 symbols x 5,000 sessions, as they come from a source and as they are read from the store."""

import time
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.result import Result, Row
from nightdesk.market.checks import findings
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars

SYMBOLS, SESSIONS = 500, 5_000
AT_MOST_S = 5.0
QUARTER, SPLIT_EVERY = 63, 1_250


def measured_validation(runs: int, work: Path) -> Result:
    """The checks and the schema are timed one after the other in each round; the target is of both together."""
    expected = exchange_sessions("XNYS").between(date(1990, 1, 2), date(2024, 12, 31))[-SESSIONS:]
    bars = made_bars(expected, SYMBOLS, seed=0)
    symbols = sorted(bars[Bars.symbol].unique())
    checks, schema = [], []
    for _ in range(runs + 1):
        started = time.perf_counter()
        found = findings(bars, symbols, expected)
        checked = time.perf_counter()
        Bars.validate(bars)
        checks.append(checked - started)
        schema.append(time.perf_counter() - checked)
        if errors := [row.message for row in found if row.severity == "error"]:
            raise RuntimeError(f"Clean bars were to have no errors, but had: {errors[0]}")
    both = [one + other for one, other in zip(checks, schema, strict=True)]
    rows = [
        Row("every check of 2.5 million rows", checks[1:]),
        Row("the schema of the same rows", schema[1:]),
        Row("both", both[1:], at_most=AT_MOST_S),
    ]
    return Result("validation", f"{SYMBOLS} symbols x {SESSIONS:,} sessions, geometric random walks with actions", rows)


def made_bars(sessions: pd.DatetimeIndex, n_symbols: int, seed: int) -> pd.DataFrame:
    """Seeded random walks as traded: a dividend each quarter and a 2:1 split every five years, in the prices once."""
    noise = np.random.default_rng(seed)
    shape = (len(sessions), n_symbols)
    day = np.arange(len(sessions))[:, None]
    paid = np.broadcast_to(np.where(day % QUARTER == QUARTER - 1, 0.005, 0.0), shape)
    split = np.where((day + np.arange(n_symbols)) % SPLIT_EVERY == SPLIT_EVERY - 1, 2.0, 1.0)
    moves = noise.normal(0.0005, 0.015, shape)
    close = 50 * np.exp(np.cumsum(moves + np.log1p(-paid) - np.log(split), axis=0))
    before = np.vstack([np.full((1, n_symbols), 50.0), close[:-1]])
    open_ = before * (1 - paid) / split * np.exp(moves / 2)
    high = np.maximum(open_, close) * np.exp(noise.exponential(0.005, shape))
    low = np.minimum(open_, close) * np.exp(-noise.exponential(0.005, shape))
    volume = np.round(noise.lognormal(13, 0.4, shape)) + 1
    numbers = (open_, high, low, close, volume, before * paid / split, split)
    columns = (Bars.open, Bars.high, Bars.low, Bars.close, Bars.volume, Bars.dividend, Bars.split)
    names = np.array([f"S{number:03d}" for number in range(n_symbols)], dtype=object)
    keys = {
        Bars.session: np.repeat(sessions.as_unit("ns").to_numpy(), n_symbols),
        Bars.symbol: pd.array(np.tile(names, len(sessions)), dtype="str"),
    }
    return pd.DataFrame({**keys, **{column: panel.ravel() for column, panel in zip(columns, numbers, strict=True)}})
