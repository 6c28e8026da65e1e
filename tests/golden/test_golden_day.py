"""The seed strategy's decision after 2018-12-24 (a half day, with an order) in an empty home, as it was when first trusted.

Bars, strategy, targets and orders must be equal; learned numbers within 1e-12, since another processor may round otherwise.
When this changes on purpose, the change is explained in CHANGELOG.md and the file is written again by hand from a day's
decision document.
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.desks import SEED, played
from tests.strategy_documents import NO_MLFLOW

GOLDEN = json.loads(Path(__file__).with_name("sp500_svc_2018-12-24.json").read_text())
LEARNED_HASHES = ("model.sha256", "features.sha256")


def _flat(document: Any, path: str = "") -> dict[str, Any]:
    if isinstance(document, dict):
        pairs = [(f"{path}.{key}".lstrip("."), value) for key, value in document.items()]
    elif isinstance(document, list):
        pairs = [(f"{path}.{place}", value) for place, value in enumerate(document)]
    else:
        return {path: document}
    return {key: leaf for name, value in pairs for key, leaf in _flat(value, name).items()}


def test_the_golden_day_is_decided_as_it_was(tmp_path: Path) -> None:
    report = played(str(SEED), "2018-12-24", tmp_path, mlflow_uri=NO_MLFLOW)
    decided, golden = _flat(json.loads(Path(report.look["decision"]).read_text())), _flat(GOLDEN)
    assert decided.keys() == golden.keys()
    for key in golden.keys() - set(LEARNED_HASHES):
        if isinstance(golden[key], float):
            assert decided[key] == pytest.approx(golden[key], rel=1e-12, abs=1e-12), key
        else:
            assert decided[key] == golden[key], key


def test_the_golden_day_holds_the_published_accuracies_of_the_seed() -> None:
    metrics = GOLDEN["model"]["metrics"]
    assert metrics["test_accuracy"] == pytest.approx(0.5328, abs=2e-3)
    assert metrics["train_accuracy"] == pytest.approx(0.5440, abs=2e-3)
    assert metrics["test_baseline"] == pytest.approx(0.5219, abs=2e-3)
