"""A search in MLflow: one run, a child for each trial, and never one twice."""

import math
from pathlib import Path

from nightdesk.tracking.tracker import SearchLog, TrialLog
from tests.integration.test_tracking import client_of, new_tracker, runs_of, spooled


def made_search_log(trials: int) -> SearchLog:
    made = [
        TrialLog(
            number,
            {"model.params.C": str(number)},
            {"score": 0.1 * number, "sharpe": math.nan},
            [0.5, math.nan],
            {"state": "complete"},
        )
        for number in range(trials)
    ]
    metrics = {"trials": float(trials), "deflated_sharpe_2014": math.nan}
    return SearchLog("spx search", "spx-1", {"folds": "2"}, metrics, {"bars_sha256": "b"}, made, {"search.html": "<p>"})


def test_a_search_is_a_run_with_a_child_for_each_trial_and_more_trials_are_added(tmp_path: Path) -> None:
    parent = new_tracker(tmp_path).log_search(made_search_log(2), "search-spx-1")
    assert new_tracker(tmp_path).log_search(made_search_log(3), "search-spx-1") == parent != ""
    runs = {run.info.run_name: run for run in runs_of(tmp_path)}
    assert sorted(runs) == ["spx-1", "trial 0", "trial 1", "trial 2"] and len(runs_of(tmp_path)) == 4
    children = [run for run in runs.values() if run.data.tags.get("mlflow.parentRunId") == parent]
    assert len(children) == 3 and all(run.info.status == "FINISHED" for run in runs.values())
    last = runs["trial 2"].data
    assert (last.params, last.metrics, last.tags["state"]) == (
        {"model.params.C": "2"},
        {"score": 0.2, "fold_score": 0.5},
        "complete",
    )
    assert runs["spx-1"].data.metrics == {"trials": 3.0} and spooled(tmp_path) == []
    assert [file.path for file in client_of(tmp_path).list_artifacts(parent)] == ["search.html"]
