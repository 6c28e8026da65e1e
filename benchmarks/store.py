"""`store`: 500 symbols x 5,000 sessions, the last year of them appended day by day and compacted monthly.

`python -m benchmarks.store STEP FOLDER` is one step in a process of its own; it prints its seconds as JSON.
"""

import json
import shutil
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from time import perf_counter

import numpy as np
import pandas as pd

from benchmarks.homes import environment
from benchmarks.measure import Measured, measured
from benchmarks.result import Result, Row
from nightdesk.market.restated import bars_to_store, restatements
from nightdesk.market.store import BarStore
from nightdesk.sessions import exchange_sessions
from schemas.bars import Bars

SYMBOLS = tuple(f"S{number:03d}" for number in range(500))
N_SESSIONS, A_YEAR, A_MONTH, OVERLAP = 5_000, 252, 21, 60
APPEND_S, READ_S, READ_MB = 2, 3, 1_800
KNOWN_AT = datetime(2019, 1, 1, tzinfo=UTC)
LATER = KNOWN_AT + timedelta(days=1000)
NYSE = exchange_sessions("XNYS")


def panel(n_sessions: int) -> pd.DataFrame:
    """Valid `Bars` of `SYMBOLS`, made up, over the sessions that end with 2018."""
    sessions = NYSE.between(date(1995, 1, 3), date(2018, 12, 31))[-n_sessions:]
    shape, noise = (n_sessions, len(SYMBOLS)), np.random.default_rng(0)
    close = np.round(100 * np.exp(np.cumsum(noise.normal(0, 0.01, shape), axis=0)), 2)
    opened = np.round(close * np.exp(noise.normal(0, 0.005, shape)), 2)
    prices = {Bars.open: opened, Bars.high: np.maximum(opened, close) + 0.5, Bars.low: np.minimum(opened, close) * 0.99}
    values = prices | {Bars.close: close, Bars.volume: noise.integers(1, 10**9, shape).astype(float)}
    keys = {
        Bars.session: np.repeat(sessions.to_numpy(), len(SYMBOLS)),
        Bars.symbol: pd.array(np.tile(np.array(SYMBOLS, dtype=object), n_sessions), dtype="str"),
    }
    flat = {column: matrix.ravel() for column, matrix in values.items()}
    return pd.DataFrame({**keys, **flat, Bars.dividend: 0.0, Bars.split: 1.0})


def measured_store(runs: int, work: Path) -> Result:
    """Each sample is a step of a fresh process on a copy of the same store; its imports are not counted."""
    year = _prepare(work)
    steps = {name: [_sample(work, name) for _ in range(runs + 1)][1:] for name in STEPS}
    seconds = {name: [json.loads(one.stdout) for one in samples] for name, samples in steps.items()}
    reading_mb = [one.peak_mb for one in steps["read"]]
    added = [sum(spent.values()) for spent in seconds["append"]]
    rows = [
        Row(f"one session and {OVERLAP} before it: compare and append", added, "s", APPEND_S),
        *(Row(f"  {what}", [spent[what] for spent in seconds["append"]]) for what in seconds["append"][0]),
        Row("read the panel at a cut", [spent["read"] for spent in seconds["read"]], "s", READ_S),
        Row("peak memory of that process", reading_mb, "MB", READ_MB),
        Row("read one symbol at a cut", [spent["read"] for spent in seconds["read_one"]]),
        Row("compare every file's hash", [spent["compare"] for spent in seconds["intact"]]),
        Row("a year of appends and compactions", [year]),
        Row("size of the store", [_megabytes(work / "store")], "MB"),
    ]
    return Result("store", f"{len(SYMBOLS)} symbols x {N_SESSIONS:,} sessions, a year of appends, compacted monthly", rows)


def _prepare(work: Path) -> float:
    """The store without its last session, and a file with the batch that brings it; gives the seconds of the year."""
    bars, store = panel(N_SESSIONS), BarStore(work / "store")
    per_session = len(SYMBOLS)
    history = (N_SESSIONS - 1 - A_YEAR) * per_session
    store.append_bars(bars.iloc[:history], NYSE, KNOWN_AT)
    bars.iloc[-(OVERLAP + 1) * per_session :].to_parquet(work / "batch.parquet")
    started = perf_counter()
    for day in range(A_YEAR):
        first = history + day * per_session
        store.append_bars(bars.iloc[first : first + per_session], NYSE, KNOWN_AT + timedelta(days=day + 1))
        if day % A_MONTH == A_MONTH - 1:
            store.compact_bars()
    seconds = perf_counter() - started
    (work / "hashes.json").write_text(json.dumps(store.file_sha256s()), encoding="utf-8")
    return seconds


def _sample(work: Path, step: str) -> Measured:
    shutil.rmtree(work / "copy", ignore_errors=True)
    shutil.copytree(work / "store", work / "copy")
    return measured([sys.executable, "-m", "benchmarks.store", step, str(work)], environment(work / "home"), work)


def _megabytes(folder: Path) -> float:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file()) / 2**20


def _append(store: BarStore, work: Path) -> dict[str, float]:
    batch = pd.read_parquet(work / "batch.parquet").astype({Bars.symbol: "str"}).reset_index(drop=True)
    started = perf_counter()
    restated = restatements(batch, store.load_latest(batch), 1e-6, NYSE.before(NYSE.last, 2))
    compared = perf_counter()
    added = store.append_bars(bars_to_store(batch, restated), NYSE, LATER)
    ended = perf_counter()
    if (added.new, added.restated, len(restated)) != (len(SYMBOLS), 0, 0):
        raise RuntimeError(f"{len(SYMBOLS)} new bars were to be added and none changed, but it was: {added}")
    return {"compare with what is stored": compared - started, "append": ended - compared}


def _read(store: BarStore, work: Path) -> dict[str, float]:
    return _loaded(store, SYMBOLS, (N_SESSIONS - 1) * len(SYMBOLS))


def _read_one(store: BarStore, work: Path) -> dict[str, float]:
    return _loaded(store, SYMBOLS[250:251], N_SESSIONS - 1)


def _loaded(store: BarStore, symbols: tuple[str, ...], expected: int) -> dict[str, float]:
    started = perf_counter()
    bars = store.load_bars(symbols, LATER, known_until=LATER)
    seconds = perf_counter() - started
    if len(bars) != expected:
        raise RuntimeError(f"{expected} bars were to be read, but it was {len(bars)}")
    return {"read": seconds}


def _intact(store: BarStore, work: Path) -> dict[str, float]:
    recorded = json.loads((work / "hashes.json").read_text(encoding="utf-8"))
    started = perf_counter()
    store.require_intact(recorded)
    return {"compare": perf_counter() - started}


STEPS: dict[str, Callable[[BarStore, Path], dict[str, float]]] = {
    "append": _append,
    "read": _read,
    "read_one": _read_one,
    "intact": _intact,
}


if __name__ == "__main__":
    place = Path(sys.argv[2])
    print(json.dumps(STEPS[sys.argv[1]](BarStore(place / "copy"), place)))
