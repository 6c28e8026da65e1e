"""What vectorbt and backtesting.py do with the jobs of `simulation`, in the peers' environment: nothing of ours is imported.

`python peer_simulation.py PEER JOB PANELS.npz RUNS EQUITY.npy` prints JSON: the seconds of the imports and of each run.
`python peer_simulation.py each PEER JOB PANELS.npz EQUITY.npy ...` runs each of several panels once, and prints how many.
"""

import json
import sys
from time import perf_counter

COST = 1e-4


def vectorbt_runner(job, panels):
    import numpy as np
    import pandas as pd
    import vectorbt as vbt

    days = pd.date_range("1999-01-01", periods=len(panels["opens"]), freq="B")
    names = [f"S{number}" for number in range(panels["opens"].shape[1])]
    opens, closes, weights = (pd.DataFrame(panels[name], days, names) for name in ("opens", "closes", "weights"))
    valued_at = -np.inf if job == "close" else np.inf  # the previous close, or the price of the order itself

    def run():
        made = vbt.Portfolio.from_orders(
            closes,
            size=weights.shift(1),
            size_type="targetpercent",
            price=opens,
            val_price=valued_at,
            fees=COST,
            slippage=COST,
            init_cash=100_000.0,
            cash_sharing=True,
            group_by=True,
            call_seq="auto",
            freq="1D",
        )
        value = made.value()
        if job == "J1":
            made.stats()
        return value.to_numpy()

    return run


def backtesting_runner(job, panels):
    import pandas as pd
    from backtesting import Strategy
    from backtesting.lib import FractionalBacktest

    days = pd.date_range("1999-01-01", periods=len(panels["opens"]), freq="B")
    opens, closes, weights = (panels[name][:, 0] for name in ("opens", "closes", "weights"))
    high, low = pd.DataFrame([opens, closes]).max().to_numpy(), pd.DataFrame([opens, closes]).min().to_numpy()
    bars = pd.DataFrame({"Open": opens, "High": high, "Low": low, "Close": closes, "Volume": 1.0}, days)

    class Signal(Strategy):
        def init(self):
            pass

        def next(self):
            weight = weights[len(self.data) - 1]
            if weight == 0 and self.position:
                self.position.close()
            elif weight == 1 and not self.position:
                self.buy()

    def run():
        # its spread is paid on entry only: both costs as commission instead, as close as it goes
        made = FractionalBacktest(bars, Signal, cash=100_000, commission=2 * COST, fractional_unit=1e-9).run()
        return made["_equity_curve"]["Equity"].to_numpy()

    return run


RUNNERS = {"vectorbt": vectorbt_runner, "backtesting": backtesting_runner}


def main(peer, job, path, runs, out):
    started = perf_counter()
    import numpy as np

    panels = np.load(path)
    runner = RUNNERS[peer](job, panels)
    imported = perf_counter() - started
    seconds = []
    for _ in range(int(runs)):
        started = perf_counter()
        equity = runner()
        seconds.append(perf_counter() - started)
    np.save(out, equity)
    json.dump({"imports": imported, "seconds": seconds}, sys.stdout)


def each(peer, job, *files):
    import numpy as np

    for path, out in zip(files[::2], files[1::2], strict=True):
        np.save(out, RUNNERS[peer](job, np.load(path))())
    json.dump(len(files) // 2, sys.stdout)


if __name__ == "__main__":
    (each if sys.argv[1] == "each" else main)(*sys.argv[1 + (sys.argv[1] == "each") :])
