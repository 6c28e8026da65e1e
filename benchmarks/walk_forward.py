"""`walk`: the seed's support vector classifier, refitted in 216 months, against a loop over scikit-learn on the same rows.

`python -m benchmarks.walk_forward HOME FIRST LAST OUT.npz` is our side, with the cache that HOME has;
`python -m benchmarks.walk_forward loop ROWS.npz OUT.npz` is the loop. Each is a process of its own.
"""

import json
import sys
from datetime import date
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np

from benchmarks.homes import CHECKOUT, environment, prepare_empty
from benchmarks.measure import measured
from benchmarks.result import Result, Row

FIRST, LAST, NEXT = "2001-01-02", "2018-12-28", "2018-12-31"
"""The sessions played, and the one more of the last run."""


def strategy_text() -> str:
    """The seed strategy; every fit may trade, so that each predicts."""
    text = (CHECKOUT / "strategies" / "sp500_svc.toml").read_text(encoding="utf-8")
    changed = text.replace("min_test_accuracy = 0.5 ", "min_test_accuracy = 0.0 ")
    if changed == text:
        raise ValueError("the seed strategy's gate was not found")
    return changed


def measured_walk(runs: int, work: Path) -> Result:
    """A round: ours with an empty cache, the loop, ours again, ours with one more session."""
    (work / "strategy.toml").write_text(strategy_text(), encoding="utf-8")
    save_rows(work / "rows.npz")
    found: dict[str, list[float]] = {}
    for _ in range(runs):
        prepare_empty(work / "home")
        first, loop = _ours(work, LAST), _loop(work)
        again, more = _ours(work, LAST), _ours(work, NEXT)
        figures = {
            "whole command": first["process"],
            "the loop, whole process": loop["process"],
            "times as fast as the loop": loop["process"] / first["process"],
            "processor time of it, with its workers": first["cpu"],
            "processor time of the loop": loop["cpu"],
            "fits and predictions": first["walk"],
            "the same again": again["walk"],
            "times as fast again": first["walk"] / again["walk"],
            "one more session, over the whole": (more["walk"] - again["walk"]) / first["walk"],
            "predictions that differ from the loop's": float((first["predicted"] != loop["predicted"]).sum()),
            "largest difference of scores": float(np.abs(first["scores"] - loop["scores"]).max()),
        }
        for name, value in figures.items():
            found.setdefault(name, []).append(value)
    targets: dict[str, dict[str, Any]] = {
        "times as fast as the loop": {"unit": "x", "at_least": 1.7},
        "times as fast again": {"unit": "x", "at_least": 100},
        "one more session, over the whole": {"unit": "", "at_most": 0.01},
        "predictions that differ from the loop's": {"unit": "", "at_most": 0},
        "largest difference of scores": {"unit": "", "at_most": 1e-9},
    }
    rows = [Row(f"J3: {name}", samples, **targets.get(name, {})) for name, samples in found.items()]
    return Result("walk", "216 monthly fits of the seed strategy, every next day predicted", rows)


def _ours(work: Path, last: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.walk_forward", str(work), FIRST, last, str(work / "ours.npz")]
    return _figures(command, work, work / "ours.npz")


def _loop(work: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.walk_forward", "loop", str(work / "rows.npz"), str(work / "loop.npz")]
    return _figures(command, work, work / "loop.npz")


def _figures(command: list[str], work: Path, out: Path) -> dict[str, Any]:
    made = measured(command, environment(work / "home"), work)
    return {"process": made.seconds, "cpu": made.cpu_seconds} | json.loads(made.stdout) | dict(np.load(out))


def save_rows(path: Path) -> None:
    """What both learn from: features, labels, and by fit how many rows are known and which it predicts."""
    from nightdesk.backtest.walk import due_cutoffs
    from nightdesk.features.matrix import feature_matrix
    from nightdesk.features.panels import adjusted_bars, forward_adjusted, panels
    from nightdesk.learning.labels import labels
    from nightdesk.market.sample import SampleSource
    from nightdesk.sessions import exchange_sessions
    from schemas.learnt import Target

    bars = SampleSource().fetch_bars(["^GSPC"], *(SampleSource.span or ()))
    features = feature_matrix(forward_adjusted(panels(bars)), ["open_minus_close", "high_minus_low"], ["^GSPC"])
    label = labels(adjusted_bars(bars), Target(name="close_up", horizon_sessions=1)).set_index("session")["label"]
    x = features.set_index("session").drop(columns="symbol")
    played = exchange_sessions("XNYS").between(date.fromisoformat(FIRST), date.fromisoformat(LAST))
    due = [*due_cutoffs([stamp.date() for stamp in played], "monthly"), len(played)]
    at = x.index.get_indexer(played)
    y = label.reindex(x.index).fillna(0).to_numpy(dtype="int64")  # the last label is not known, and never learnt from
    np.savez(path, x=x.to_numpy(), y=y, cutoff=at[due[:-1]], stop=np.append(at[due[1:-1]], at[-1] + 1))


def loop(rows: str, out: str) -> None:
    """What a person writes: scale, fit on the first 80 % of what is known, score the rest, predict until the next fit."""
    from sklearn.metrics import accuracy_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    given = np.load(rows)
    x, y, predicted, scores = given["x"], given["y"], [], []
    started = perf_counter()
    for cutoff, stop in zip(given["cutoff"], given["stop"], strict=True):
        known = np.arange(cutoff)[~np.isnan(x[:cutoff]).any(axis=1)]  # the label of the cut-off itself ends a session later
        cut = int(len(known) * 0.8)
        train, test = known[: cut - 1], known[cut:]
        model = make_pipeline(StandardScaler(), SVC()).fit(x[train], y[train])
        accuracy_score(y[test], model.predict(x[test]))
        predicted.append(model.predict(x[cutoff:stop]))
        scores.append(model.decision_function(x[cutoff:stop]))
    seconds = perf_counter() - started
    np.savez(out, predicted=np.concatenate(predicted), scores=np.concatenate(scores))
    json.dump({"walk": seconds, "fits": len(predicted)}, sys.stdout)


def ours(work: str, first: str, last: str, out: str) -> None:
    from nightdesk.backtest import run
    from nightdesk.settings import prepare_environment, settings

    if last == NEXT:
        import skops.io  # noqa: F401 - a kept model is read; imports are not part of the walk

    here = settings()
    prepare_environment(here)
    seconds = []
    walk_forward = run.walk_forward

    def timed(*given: Any) -> Any:
        started = perf_counter()
        made = walk_forward(*given)
        seconds.append(perf_counter() - started)
        return made

    run.walk_forward = timed
    made = run.run_backtest(
        str(Path(work) / "strategy.toml"), date.fromisoformat(first), date.fromisoformat(last), None, here, lambda done, of: None
    )
    np.savez(out, predicted=made.walk.predicted[:, 0], scores=made.walk.scores[:, 0])
    json.dump({"walk": seconds[0], "fits": len(made.walk.fits)}, sys.stdout)


if __name__ == "__main__":
    (loop if sys.argv[1] == "loop" else ours)(*sys.argv[1 + (sys.argv[1] == "loop") :])
