"""`python -m benchmarks [name ...] [--runs N] [--out DIR]`"""

import argparse
import tempfile
from collections.abc import Callable
from pathlib import Path

from rich.console import Console

from benchmarks.backfill import measured_backfill, measured_first
from benchmarks.cli import measured_cli
from benchmarks.console import measured_console
from benchmarks.day import measured_day
from benchmarks.homes import CHECKOUT
from benchmarks.indicators import measured_indicators
from benchmarks.machine import load_average, machine
from benchmarks.orders import measured_orders
from benchmarks.parity import measured_parity
from benchmarks.replay import measured_replay
from benchmarks.result import Result, print_result, save_result
from benchmarks.search import measured_search
from benchmarks.simulation import measured_simulation
from benchmarks.store import measured_store
from benchmarks.up import measured_up
from benchmarks.validation import measured_validation
from benchmarks.walk_forward import measured_walk

BENCHMARKS: dict[str, Callable[[int, Path], Result]] = {
    "cli": measured_cli,
    "day": measured_day,
    "backfill": measured_backfill,
    "first": measured_first,
    "store": measured_store,
    "validation": measured_validation,
    "replay": measured_replay,
    "orders": measured_orders,
    "simulation": measured_simulation,
    "console": measured_console,
    "up": measured_up,
    "indicators": measured_indicators,
    "search": measured_search,
    "parity": measured_parity,
    "walk": measured_walk,
}


def main() -> None:
    chosen = _arguments()
    where = machine()
    for name in chosen.name or BENCHMARKS:
        before = load_average()
        with tempfile.TemporaryDirectory(prefix=f"nightdesk-{name}-") as work:
            result = BENCHMARKS[name](chosen.runs, Path(work).resolve())
        print_result(result)
        path = save_result(result, where | {"load_before": before, "load_after": load_average()}, chosen.out)
        Console(width=110, highlight=False).print(f"load average before {before}, after {load_average()}; every sample: {path}\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="How long the desk takes. See docs/benchmarks.md.")
    parser.add_argument("name", nargs="*", help=f"which: {', '.join(BENCHMARKS)}; all if none is named")
    parser.add_argument("--runs", type=int, default=5, help="samples of each figure, after one warm-up (default 5)")
    parser.add_argument("--out", type=Path, default=CHECKOUT / "benchmarks" / "results", help="folder of the JSON files")
    chosen = parser.parse_args()
    unknown = sorted(set(chosen.name) - set(BENCHMARKS))
    if unknown:
        parser.error(f"name was {', '.join(unknown)}, allowed: {', '.join(BENCHMARKS)}")
    if chosen.runs < 1:
        parser.error(f"--runs was {chosen.runs}, allowed: 1 or more")
    return chosen


if __name__ == "__main__":
    main()
