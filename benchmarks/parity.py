"""`parity`: equity beside vectorbt's and backtesting.py's over twenty seeded series and signals, of one symbol and of several.

Their semantics and ours agree without buffer and band, at fractions of 1e-9, with a little cash left: see docs/benchmarks.md.
"""

import json
from pathlib import Path
from typing import Literal

import numpy as np
from rich.console import Console

from benchmarks.homes import CHECKOUT, environment
from benchmarks.measure import measured
from benchmarks.result import Result, Row
from benchmarks.simulation import AGREE, PEERS

SEEDS = range(20)
SESSIONS = 750
PAIRS: tuple[tuple[str, Literal["close", "open"]], ...] = (("vectorbt", "open"), ("vectorbt", "close"), ("backtesting", "open"))


def panels_of(seed: int) -> dict[str, np.ndarray]:
    """Random walks with weights that change, hold (NaN) and close (0), at most 95 % in all. Even seeds: one symbol, in or out."""
    noise = np.random.default_rng(seed)
    symbols = 1 if seed % 2 == 0 else int(noise.integers(2, 9))
    shape = (SESSIONS, symbols)
    closes = noise.uniform(5, 500, symbols) * np.exp(np.cumsum(noise.normal(0.0002, noise.uniform(0.005, 0.03), shape), axis=0))
    opens = closes * np.exp(noise.normal(0, 0.004, shape))
    if symbols == 1:
        held = noise.integers(0, 2, shape).astype(float)
        held[0] = 0.0  # backtesting.py decides nothing at its first bar
        changed = np.diff(held, axis=0, prepend=np.nan) != 0
        return {"opens": opens, "closes": closes, "weights": np.where(changed, held, np.nan)}
    shares = noise.dirichlet(np.ones(symbols), SESSIONS) * noise.uniform(0.1, 0.95, (SESSIONS, 1))
    shares[noise.random(shape) < 0.2] = 0.0
    shares[noise.random(SESSIONS) < 0.5] = np.nan
    return {"opens": opens, "closes": closes, "weights": shares}


def equity_of(
    panels: dict[str, np.ndarray], sized_at: Literal["close", "open"], commission_bps: float, slippage_bps: float
) -> np.ndarray:
    from nightdesk.portfolio.history import simulate
    from schemas.trading import Costs, Sizing

    plain = Sizing(buffer=0, rebalance_band=0, increment=1e-9)
    costs = Costs(commission_bps=commission_bps, slippage_bps=slippage_bps)
    weights, opens, closes = panels["weights"], panels["opens"], panels["closes"]
    return simulate(weights, opens, closes, plain, costs, 100_000, sized_at=sized_at).equity


def measured_parity(runs: int, work: Path) -> Result:
    """The largest relative difference of equity of each series; nothing is timed, and each is played once."""
    if not PEERS.exists():
        Console(width=110).print(
            "vectorbt and backtesting.py are not installed: nothing to compare with. `make peers` installs them."
        )
        return Result("parity", "equity beside the peers'", [])
    for seed in SEEDS:
        np.savez(work / f"{seed}.npz", **panels_of(seed))
    apart: dict[str, list[float]] = {}
    for peer, job in PAIRS:
        seeds = [seed for seed in SEEDS if peer == "vectorbt" or seed % 2 == 0]
        costs = (1.0, 1.0) if peer == "vectorbt" else (2.0, 0.0)  # backtesting.py takes both as commission
        for seed, theirs in zip(seeds, _equity_of_peer(peer, job, seeds, work), strict=True):
            ours = equity_of(dict(np.load(work / f"{seed}.npz")), job, *costs)
            name = f"{peer}, sized at the {job}, {'one symbol' if seed % 2 == 0 else 'several'}"
            apart.setdefault(name, []).append(float(np.abs(ours / theirs - 1).max()))
    rows = [Row(f"{name}: {len(found)} series", [max(found)], "", at_most=AGREE) for name, found in apart.items()]
    return Result("parity", f"largest relative difference of equity over {SESSIONS} sessions", rows)


def _equity_of_peer(peer: str, job: str, seeds: list[int], work: Path) -> list[np.ndarray]:
    """One process for all, so that it compiles once."""
    out = [str(work / f"{peer}-{job}-{seed}.npy") for seed in seeds]
    script = str(CHECKOUT / "benchmarks" / "peer_simulation.py")
    pairs = [path for seed, made in zip(seeds, out, strict=True) for path in (str(work / f"{seed}.npz"), made)]
    command = [str(PEERS), script, "each", peer, job, *pairs]
    json.loads(measured(command, environment(work / "home") | {"NUMBA_CACHE_DIR": str(work / "compiled")}, work).stdout)
    return [np.load(path) for path in out]
