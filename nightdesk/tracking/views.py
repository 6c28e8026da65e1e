"""What MLflow's page of an experiment offers under Views: columns and charts, saved by name as the page itself saves them."""

import json
from collections.abc import Sequence
from typing import Any

VIEW_TAG = "mlflow.sharedViewState."
"""MLflow 3.17 keeps a saved view in a tag of the experiment; its page opens one by what follows, as ?viewStateShareKey=fits."""
FIGURES = ("test_accuracy", "test_baseline", "train_accuracy", "live.equity", "live.benchmark")
COLUMNS = (
    *(f"metrics.`{name}`" for name in FIGURES),
    "params.`estimator`",
    "params.`cutoff`",
    "tags.`last_day`",
    "tags.`gate`",
    "attributes.`Dataset`",
)
PICTURES = ("confusion_matrix", "equity")
SECTIONS = {"What differs": 1, "Pictures of the test sessions": 2, "On test": 3, "As days went by": 2}
"""Of the charts, each with how many stand side by side."""


def saved_views(created_ms: int) -> dict[str, str]:
    """The tags that make two views of an experiment of fits: a table of them, and charts to compare them by."""
    columns = {"selectedColumns": list(COLUMNS), "orderByKey": "attributes.start_time", "orderByAsc": False}
    charts = {
        **columns,
        "isAccordionReordered": True,
        "compareRunSections": [_section(name, columns) for name, columns in SECTIONS.items()],
        "compareRunCharts": _charts(),
    }
    views = {"fits": ("Fits", columns), "comparison": ("Comparison of fits", charts)}
    return {
        f"{VIEW_TAG}{key}": json.dumps(
            {"name": name, "createdAt": created_ms, "updatedAt": created_ms, "state": json.dumps(state, separators=(",", ":"))}
        )
        for key, (name, state) in views.items()
    }


def _charts() -> list[dict[str, Any]]:
    differs, pictures, on_test, days = SECTIONS
    groups = ["Model metrics", "Parameters"]
    shown = {"showChangeFromBaseline": True, "showDifferencesOnly": True, "baselineColumnUuid": ""}
    charts = [_chart("DIFFERENCE", differs, "Metrics and parameters", compareGroups=groups, chartName="Differences", **shown)]
    charts += [_chart("IMAGE", pictures, name, imageKeys=[name], step=0, showRunParams=False) for name in PICTURES]
    charts += [_chart("BAR", on_test, name, metricKey=name) for name in FIGURES if not name.startswith("live.")]
    charts += [_line(days, name) for name in FIGURES if name.startswith("live.")]
    return charts


def _line(section: str, metric: str) -> dict[str, Any]:
    ends = {"xMin": None, "xMax": None, "yMin": None, "yMax": None}
    axes = {"xAxisKey": "step", "xAxisScaleType": "linear", "scaleType": "linear", "yAxisKey": "metric", "yAxisExpressions": []}
    return _chart("LINE", section, metric, metricKey=metric, selectedMetricKeys=[metric], range=ends, lineSmoothness=0, **axes)


def _chart(kind: str, section: str, name: str, **more: object) -> dict[str, Any]:
    own = {"uuid": f"{kind}-{name}", "type": kind, "metricSectionId": section, "displayName": name}
    return {**own, "runsCountToCompare": 10, "deleted": False, "isGenerated": False, **more}


def _section(name: str, columns: int) -> dict[str, Any]:
    own = {"uuid": name, "name": name, "columns": columns, "cardHeight": 400}
    return {**own, "display": True, "isReordered": True, "deleted": False, "isGenerated": False}


def missing(tags: dict[str, str], known: Sequence[str]) -> dict[str, str]:
    """Those that are not there yet: what a person changed stays."""
    return {name: value for name, value in tags.items() if name not in known}
