"""Strategy files for tests, as documents: the seed's with one key changed, written as TOML."""

import json
import math
import tomllib
from collections.abc import Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from tests.desks import SEED

NO_MLFLOW = "http://127.0.0.1:9"
"""Nothing listens there: what is logged stays in the spool."""

Document = dict[str, Any]


def seed() -> Document:
    """The seed strategy with a cheap model that may trade."""
    document = tomllib.loads(SEED.read_text(encoding="utf-8"))
    document["name"] = "cheap"
    document["model"]["estimator"] = "sklearn.linear_model.LogisticRegression"
    document["gate"]["min_test_accuracy"] = 0.0
    document["broker"]["account"] = "cheap"
    return document


def with_key(document: Document, key: str, value: object) -> Document:
    """A copy with one key set, None: left out. A key of an instrument is set in the first of them."""
    changed = deepcopy(document)
    *tables, name = key.split(".")
    table = changed
    for part in tables:
        table = table.setdefault(part, {})
        table = table[0] if isinstance(table, list) else table
    if value is None:
        table.pop(name, None)
    else:
        table[name] = value
    return changed


def toml_value(value: object) -> str:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key} = {toml_value(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(toml_value(item) for item in value) + "]"
    return json.dumps(value)


def toml_lines(table: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, value in table.items():
        if not isinstance(value, dict):
            yield f"{key} = {toml_value(value)}"
    for key, value in table.items():
        if isinstance(value, dict):
            yield f"[{prefix}{key}]"
            yield from toml_lines(value, f"{prefix}{key}.")


def saved(document: Document, folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "strategy.toml"
    path.write_text("\n".join(toml_lines(document)), encoding="utf-8")
    return str(path)


def two_instruments(document: Document) -> Document:
    changed = deepcopy(document)
    row = {"signal": "^IXIC", "instrument": "IXSIM", "instrument_id": "sim-nasdaq", "prices": "^IXIC"}
    changed["market"]["instruments"].append(row)
    return changed
