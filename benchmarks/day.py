"""`day`: where one `nightdesk day` spends its time, against the same day as plain functions."""

import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks.homes import environment, prefect_server, prepare_copy, prepare_empty, run_plain
from benchmarks.imports import package_seconds, total_seconds
from benchmarks.measure import NIGHTDESK, Measured, measured
from benchmarks.result import Result, Row

EARLIER = ("2018-11-29", "2018-11-30")
DAYS = {"fit": "2018-12-03", "no fit": "2018-12-04"}
HOW = ("plain", "server", "embedded")
STEPS = ("ingest", "validate", "settle", "engineer", "retrain", "log", "decide", "order")
RATIO, ADDED_S = 1.4, 2.5
Shares = dict[str, dict[str, list[float]]]


def measured_day(runs: int, work: Path) -> Result:
    """Each round plays a day in every way, so that a change of load meets them alike: ratios are taken within a round."""
    _prepare(work)
    rows: list[Row] = []
    shares: Shares = {}
    with prefect_server(work / "server") as api_url:
        for kind in DAYS:
            rounds = [{how: _sample(work, kind, how, api_url) for how in HOW} for _ in range(runs + 1)][1:]
            rows += _rows(kind, rounds)
            for how in HOW:
                _add(shares, f"{kind}: {how}", [_spent(played[how]) for played in rounds])
                _add(shares, f"{kind}: {how}", [_imported(_sample(work, kind, how, api_url, x_importtime=True))])
    return Result("day", "one trading day, whole processes; server: a Prefect server is up, embedded: none is", rows, shares)


def _prepare(work: Path) -> None:
    """Pristine homes before a day with a fit and before one without, Prefect's own database made."""
    home = work / "home"
    prepare_empty(home)
    measured([NIGHTDESK, "day", "--session", EARLIER[0]], environment(home), work)
    run_plain(home, "paper", EARLIER[1:])
    shutil.copytree(home, work / "before fit")
    run_plain(home, "paper", [DAYS["fit"]])
    shutil.copytree(home, work / "before no fit")


def _sample(work: Path, kind: str, how: str, api_url: str, x_importtime: bool = False) -> Measured:
    home, session = work / "home", DAYS[kind]
    prepare_copy(work / f"before {kind}", home)
    if how == "plain":
        one = run_plain(home, "paper", [session], x_importtime)
    else:
        profiled = {"PYTHONPROFILEIMPORTTIME": "1"} if x_importtime else {}
        env = environment(home, api_url if how == "server" else "") | profiled
        one = measured([NIGHTDESK, "day", "--session", session, "--json"], env, work)
    report = json.loads(one.stdout)
    if report["model"]["fitted_today"] is not (kind == "fit") or report["orchestrated"] is not (how != "plain"):
        raise RuntimeError(f"{session} was to be a day of the kind {kind!r}, {how}, but was: {one.stdout[:2000]}")
    return one


def _rows(kind: str, rounds: list[dict[str, Measured]]) -> list[Row]:
    seconds = {how: [played[how].seconds for played in rounds] for how in HOW}
    ratio = [ours / plain for ours, plain in zip(seconds["server"], seconds["plain"], strict=True)]
    added = [ours - plain for ours, plain in zip(seconds["server"], seconds["plain"], strict=True)]
    return [
        *(Row(f"{kind}: {how}", seconds[how]) for how in HOW),
        Row(f"{kind}: server / plain", ratio, "x", RATIO if kind == "fit" else None),
        Row(f"{kind}: Prefect adds (server - plain)", added, "s", ADDED_S),
    ]


def _spent(one: Measured) -> dict[str, float]:
    """Seconds of one process by where they went. "outside" is what no step counts: start, imports, the desk, Prefect, step 9."""
    report: Any = json.loads(one.stdout)
    steps = {f"step {step}": float(report["seconds"][step]) for step in STEPS}
    outside = {"outside": one.seconds - sum(steps.values())}
    memory = {"peak MB": one.peak_mb, "peak MB with its server": one.tree_mb}
    return {"total": one.seconds, "CPU": one.cpu_seconds, **steps, **outside, **report.get("spent", {}), **memory}


def _imported(one: Measured) -> dict[str, float]:
    """Seconds of imports, of one more process under -X importtime; of the embedded server's process as well."""
    found = {f"imports: {name}": package_seconds(one.stderr, name) for name in ("prefect", "mlflow")}
    return {"imports": total_seconds(one.stderr), **found}


def _add(shares: Shares, column: str, samples: list[dict[str, float]]) -> None:
    for sample in samples:
        for what, value in sample.items():
            shares.setdefault(what, {}).setdefault(column, []).append(value)
