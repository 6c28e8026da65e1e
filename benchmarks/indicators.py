"""`indicators`: twenty of TA-Lib's indicators on 500 symbols x 5,000 sessions, against TA-Lib called bare, pandas and polars.

`python indicators.py PROGRAM PANELS.npz RUNS OUT.npz` is one of them in a process of its own; polars is in the peers'
environment (`make peers`).
"""

import json
import resource
import sys
from pathlib import Path
from time import perf_counter, process_time

import numpy as np

SHAPE = (5_000, 500)
AGREE = 1e-9
KEPT = 5
"""Symbols of each answer that are compared."""
SPANS = (5, 10, 20, 50, 100)
COLUMNS = (
    *(f"ta.SMA({span})" for span in SPANS),
    *(f"ta.ROC({span})" for span in SPANS),
    *(f"ta.MAX({span})" for span in SPANS),
    *(f"ta.STDDEV({span})" for span in SPANS),
)
"""Each a line in all four programs, so that the same values are asked of all."""


def ours_runner(panels):
    import pandas as pd

    from nightdesk.features.indicators import indicator_panels
    from nightdesk.features.panels import Panels

    frame = pd.DataFrame(panels["closes"], columns=[f"S{number:03d}" for number in range(SHAPE[1])])
    prices = Panels(**dict.fromkeys(("open", "high", "low", "close", "volume", "dividend", "split"), frame))
    return lambda: [panel.to_numpy() for panel in indicator_panels(prices, COLUMNS).values()]


def talib_runner(panels):
    import talib

    def run():
        closes, made = np.ascontiguousarray(panels["closes"].T), []
        for column in COLUMNS:
            name, span = column.removeprefix("ta.").rstrip(")").split("(")
            function, out = getattr(talib, name), np.empty(SHAPE[::-1])
            for row, series in enumerate(closes):
                out[row] = function(series, int(span))
            made.append(out.T)
        return made

    return run


def pandas_runner(panels):
    import pandas as pd

    frame = pd.DataFrame(panels["closes"])

    def run():
        made = [frame.rolling(span).mean() for span in SPANS]
        made += [(frame / frame.shift(span) - 1) * 100 for span in SPANS]
        made += [frame.rolling(span).max() for span in SPANS]
        made += [frame.rolling(span).std(ddof=0) for span in SPANS]
        return [one.to_numpy() for one in made]

    return run


def polars_runner(panels):
    import polars as pl

    symbols = np.repeat(np.arange(SHAPE[1]), SHAPE[0])
    frame = pl.DataFrame({"symbol": symbols, "close": panels["closes"].T.ravel()})
    close = pl.col("close")
    asked = [close.rolling_mean(span).over("symbol").alias(f"mean{span}") for span in SPANS]
    asked += [((close / close.shift(span) - 1) * 100).over("symbol").alias(f"change{span}") for span in SPANS]
    asked += [close.rolling_max(span).over("symbol").alias(f"max{span}") for span in SPANS]
    asked += [close.rolling_std(span, ddof=0).over("symbol").alias(f"std{span}") for span in SPANS]

    def run():
        made = frame.select(asked)
        return [made[name].to_numpy().reshape(SHAPE[::-1]).T for name in made.columns]

    return run


def measured_indicators(runs, work):
    """A round is a fresh process of each program, its first call, then `runs` more. CPU seconds: they depend less on the load."""
    from benchmarks.homes import CHECKOUT, environment
    from benchmarks.measure import measured
    from benchmarks.result import Result, Row

    noise = np.random.default_rng(0)
    np.savez(work / "panels.npz", closes=100 * np.exp(np.cumsum(noise.normal(0.0002, 0.01, SHAPE), axis=0)))
    peers = CHECKOUT / "var" / "peers" / "bin" / "python"

    def sample(program):
        python = str(peers) if program == "polars" else sys.executable
        files = [program, str(work / "panels.npz"), str(runs + 1), str(work / f"{program}.npz")]
        place = environment(work / "home") | {"PYTHONPATH": str(CHECKOUT)}
        return json.loads(measured([python, str(Path(__file__)), *files], place, work).stdout)

    ours = sample("nightdesk")
    output_mb = len(COLUMNS) * SHAPE[0] * SHAPE[1] * 8 / 2**20
    rows = [
        Row("each run", ours["seconds"][1:]),
        Row("each run, CPU", ours["cpu"][1:]),
        Row("memory added, over the output", [ours["added_mb"] / output_mb], "x", at_most=1.5),
    ]
    for program, least in (("talib", 0.9), ("pandas", 3), ("polars", 5)):
        if program == "polars" and not peers.exists():
            print("polars is not installed: not compared with. `make peers` installs it.", file=sys.stderr)
            continue
        theirs = sample(program)
        faster = [float(np.median(theirs["seconds"][1:])) / one for one in ours["seconds"][1:]]
        rows += [
            Row(f"{program}, each run", theirs["seconds"][1:]),
            Row(f"{program}, each run, CPU", theirs["cpu"][1:]),
            Row(f"times as fast as {program}", faster, "x", at_least=least),
            Row(f"largest difference from {program}", [_apart(work, program)], "", at_most=AGREE),
        ]
    return Result("indicators", "20 indicators of TA-Lib on 500 symbols x 5,000 sessions", rows)


def _apart(work, program):
    """Largest difference over the kept symbols, relative to the price."""
    with np.load(work / "nightdesk.npz") as ours, np.load(work / f"{program}.npz") as theirs:
        a, b = ours["kept"], theirs["kept"]
    if (np.isnan(a) != np.isnan(b)).any():
        return float("inf")
    return float(np.nanmax(np.abs(a - b)) / 100)


def main(program, path, runs, out):
    runner = {"nightdesk": ours_runner, "talib": talib_runner, "pandas": pandas_runner, "polars": polars_runner}[program]
    with np.load(path) as panels:
        run = runner(dict(panels))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    seconds, cpu, added_mb = [], [], 0.0
    for number in range(int(runs)):
        started, cpu_started = perf_counter(), process_time()
        made = run()
        seconds.append(perf_counter() - started)
        cpu.append(process_time() - cpu_started)
        if number == 0:
            added_mb = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
        kept = np.stack([one[:, :KEPT] for one in made])
        del made
    np.savez(out, kept=kept)
    json.dump({"seconds": seconds, "cpu": cpu, "added_mb": added_mb}, sys.stdout)


if __name__ == "__main__":
    main(*sys.argv[1:])
