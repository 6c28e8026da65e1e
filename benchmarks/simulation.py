"""`simulation`: target weights to equity, against vectorbt and backtesting.py on the same panels in the same run.

`python -m benchmarks.simulation JOB PANELS.npz RUNS EQUITY.npy` is our side of a job in a process of its own, as
`peer_simulation.py` is the peers'. `make peers` installs them.
"""

import json
import shutil
import sys
import tracemalloc
from pathlib import Path
from time import perf_counter
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

from benchmarks.homes import CHECKOUT, environment
from benchmarks.measure import measured
from benchmarks.result import Result, Row

if TYPE_CHECKING:
    import pandas as pd

PEERS = CHECKOUT / "var" / "peers" / "bin" / "python"
AGREE = 1e-9
J2 = (5_000, 500)


def save_panels(job: str, path: Path) -> None:
    """J1: the bundled S&P 500, in after a session that rose, out after one that fell. J2: geometric random walks at equal
    weights every day, 2 % in cash so that no buy waits for the last cent."""
    if job == "J1":
        from nightdesk.market.sample import SampleSource  # here: a run's imports are timed
        from schemas.bars import Bars

        bars = SampleSource().fetch_bars(["^GSPC"], *(SampleSource.span or ()))
        risen = (bars[Bars.close].diff() > 0).to_numpy(dtype=float)
        weights = np.where(np.diff(risen, prepend=np.nan) != 0, risen, np.nan)
        opens, closes = (bars[name].to_numpy()[:, None] for name in (Bars.open, Bars.close))
        np.savez(path, opens=opens, closes=closes, weights=weights[:, None])
        return
    noise = np.random.default_rng(0)
    closes = 100 * np.exp(np.cumsum(noise.normal(0.0002, 0.01, J2), axis=0))
    np.savez(path, opens=closes * np.exp(noise.normal(0, 0.003, J2)), closes=closes, weights=np.full(J2, 0.98 / J2[1]))


def measured_simulation(runs: int, work: Path) -> Result:
    """A round is a fresh process of each program without compiled code, its first call, then `runs` more."""
    if not PEERS.exists():
        Console(width=110).print(
            "vectorbt and backtesting.py are not installed: nothing to compare with. `make peers` installs them."
        )
    rows = []
    for job in ("J1", "J2"):
        save_panels(job, work / f"{job}.npz")
        ours = _sample(job, "nightdesk", runs, work)
        rows += [
            Row(f"{job}: each run", ours["seconds"][2:]),
            Row(f"{job}: first run with imports", [ours["imports"] + ours["seconds"][0]]),
        ]
        if job == "J2":
            inputs = 3 * 8 * J2[0] * J2[1] / 2**20
            rows.append(Row("J2: memory added, over its inputs", [ours["added_mb"] / inputs], "x", at_most=2))
        if PEERS.exists():
            rows += _compared(job, ours, runs, work)
    return Result("simulation", "target weights to equity and fills; 1 bp commission and 1 bp slippage", rows)


def _compared(job: str, ours: dict[str, list[float]], runs: int, work: Path) -> list[Row]:
    vectorbt = _sample(job, "vectorbt", runs, work)
    each = np.median(vectorbt["seconds"][1:]) / np.array(ours["seconds"][2:])
    first = (vectorbt["imports"] + vectorbt["seconds"][0]) / (ours["imports"] + ours["seconds"][0])
    rows = [
        Row(f"{job}: vectorbt, each run", vectorbt["seconds"][1:]),
        Row(f"{job}: times as fast as vectorbt", each.tolist(), "x", at_least=1 if job == "J1" else 10),
        Row(f"{job}: the same, first run with imports", [float(first)], "x", at_least=10 if job == "J1" else 5),
        Row(f"{job}: largest difference from vectorbt's equity", [_apart(work, job, "vectorbt")], "", at_most=AGREE),
    ]
    if job == "J1":
        other = _sample(job, "backtesting", runs, work)
        faster = np.median(other["seconds"][1:]) / np.array(ours["seconds"][2:])
        rows += [
            Row("J1: backtesting.py, each run", other["seconds"][1:]),
            Row("J1: times as fast as backtesting.py", faster.tolist(), "x", at_least=20),
        ]
    return rows


def _sample(job: str, program: str, runs: int, work: Path) -> dict[str, list[float]]:
    """Imports, seconds of each run and memory of a program that has compiled nothing before."""
    shutil.rmtree(work / "compiled", ignore_errors=True)
    files = [job, str(work / f"{job}.npz"), str(runs + 2), str(work / f"{job}-{program}.npy")]
    ours = [sys.executable, "-m", "benchmarks.simulation"]
    peers = [str(PEERS), str(CHECKOUT / "benchmarks" / "peer_simulation.py"), program]
    place = environment(work / "home") | {"NUMBA_CACHE_DIR": str(work / "compiled")}
    made: dict[str, list[float]] = json.loads(
        measured([*(ours if program == "nightdesk" else peers), *files], place, work).stdout
    )
    return made


def _apart(work: Path, job: str, peer: str) -> float:
    ours, theirs = (np.load(work / f"{job}-{program}.npy") for program in ("nightdesk", peer))
    return float(np.max(np.abs(ours / theirs - 1)))


def run_of(job: str, panels: dict[str, NDArray[np.float64]], sessions: "pd.DatetimeIndex") -> NDArray[np.float64]:
    """One run: the equity; with J1 all figures of the report, with J2 the fills' columns."""
    from nightdesk.performance.metrics import performance
    from nightdesk.portfolio.history import simulate
    from schemas.trading import Costs, Sizing

    plain = Sizing(buffer=0, rebalance_band=0, increment=1e-9)
    costs = Costs(commission_bps=1, slippage_bps=1)
    history = simulate(panels["weights"], panels["opens"], panels["closes"], plain, costs, 100_000, sized_at="open")
    if job == "J1":
        performance(history.equity_table(sessions, panels["closes"][:, 0]), history.fills_table(sessions, ["ONE"]))
    return history.equity


def main(job: str, path: str, runs: str, out: str) -> None:
    started = perf_counter()
    import pandas as pd

    import nightdesk.performance.metrics
    import nightdesk.portfolio.history  # noqa: F401 - what a run imports

    imported = perf_counter() - started
    panels = dict(np.load(path))
    sessions = pd.date_range("1999-01-01", periods=len(panels["opens"]), freq="B", unit="ns")
    seconds = []
    for _ in range(int(runs)):
        started = perf_counter()
        equity = run_of(job, panels, sessions)
        seconds.append(perf_counter() - started)
    np.save(out, equity)
    json.dump({"imports": imported, "seconds": seconds, "added_mb": _added_mb(job, panels, sessions)}, sys.stdout)


def _added_mb(job: str, panels: dict[str, NDArray[np.float64]], sessions: "pd.DatetimeIndex") -> float:
    """The highest sum of what a further run allocates."""
    tracemalloc.start()
    run_of(job, panels, sessions)
    return tracemalloc.get_traced_memory()[1] / 2**20


if __name__ == "__main__":
    main(*sys.argv[1:])
