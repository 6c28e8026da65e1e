"""What a walk learns from and predicts on: rows as arrays, and the hash of what a fit has seen."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nightdesk.learning import estimator, fit, predictions, split
from nightdesk.learning.fit import KEYS, feature_names
from nightdesk.performance import bootstrap, excess, gates
from schemas.features import Features
from schemas.labels import Labels
from schemas.learnt import Gate, Model

FITTING = (estimator, fit, predictions, split)
"""The modules whose code makes a fit: another text of theirs is another fit."""
JUDGING = (gates, excess, bootstrap)
"""The modules that judge it as well where the strategy requires a gate."""
PACKAGES = ("numpy", "pandas", "scikit-learn", "scipy")
LEARNT_FROM = {"estimator", "params", "scaler", "train_fraction", "min_train_sessions", "deploy"}
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """One row per (session, symbol), sorted by both: `x` has the features in the order of `names`, NaN where one is not known.

    `label` and `label_end` are empty where the rows are there to predict on.
    """

    names: tuple[str, ...]
    session: NDArray[np.datetime64]
    symbol: NDArray[np.str_]
    x: Floats
    label: NDArray[np.int64]
    label_end: NDArray[np.datetime64]

    def part(self, first: int, last: int) -> "Rows":
        """The rows from place `first` up to, not including, place `last`."""
        cut = slice(first, last)
        return Rows(self.names, self.session[cut], self.symbol[cut], self.x[cut], self.label[cut], self.label_end[cut])

    def known_at(self, cutoff: np.datetime64) -> int:
        """How many rows have their `label_end` at or before a cut-off: the first ones, since labels have one length."""
        return int(np.searchsorted(self.label_end, cutoff, side="right"))

    def between(self, first: np.datetime64, last: np.datetime64) -> "Rows":
        """The rows of the sessions from `first` to `last`, both included."""
        return self.part(int(np.searchsorted(self.session, first)), int(np.searchsorted(self.session, last, side="right")))

    def joined(self) -> pd.DataFrame:
        """The `Labels` frame with the features beside it."""
        keys = {Labels.session: self.session.astype("datetime64[ns]"), Labels.symbol: pd.array(self.symbol, dtype="str")}
        label = {Labels.label: self.label, Labels.label_end: self.label_end.astype("datetime64[ns]")}
        return pd.DataFrame(keys | label | {name: self.x[:, place] for place, name in enumerate(self.names)})


def labelled_rows(features: pd.DataFrame, labels: pd.DataFrame) -> Rows:
    """The rows that a fit can learn from: those with a label, with NaN features too."""
    joined = labels.merge(features, on=KEYS).sort_values(KEYS, ignore_index=True)
    return _rows(joined, feature_names(features), joined[Labels.label].to_numpy(), joined[Labels.label_end].to_numpy())


def known_rows(features: pd.DataFrame) -> Rows:
    """The rows that a model can predict on: those whose features are all known."""
    rows = features.dropna().sort_values(KEYS, ignore_index=True)
    return _rows(rows, feature_names(features), np.empty(0, "int64"), np.empty(0, "datetime64[D]"))


def _rows(frame: pd.DataFrame, names: Sequence[str], label: NDArray[np.int64], label_end: NDArray[np.datetime64]) -> Rows:
    return Rows(
        names=tuple(names),
        session=frame[Features.session].to_numpy().astype("datetime64[D]"),
        symbol=frame[Features.symbol].to_numpy().astype("U"),
        x=np.ascontiguousarray(frame[list(names)].to_numpy(dtype="float64")),
        label=label,
        label_end=label_end.astype("datetime64[D]"),
    )


def fit_keys(rows: Rows, cutoffs: Sequence[np.datetime64], model: Model, gate: Gate) -> list[str]:
    """SHA-256 for each cut-off (ascending) over all that its fit depends on: our code, the libraries, the parameters, the bytes
    of the rows that were known then."""
    digest, done, keys = hashlib.sha256(_recipe(rows.names, model, gate)), 0, []
    table = _packed(rows)
    for cutoff in cutoffs:
        known = rows.known_at(cutoff)
        digest.update(table[done:known].tobytes())
        done = known
        own = digest.copy()
        own.update(str(cutoff).encode())
        keys.append(own.hexdigest())
    return keys


def _recipe(names: Sequence[str], model: Model, gate: Gate) -> bytes:
    modules = FITTING + JUDGING if gate.require else FITTING
    code = [hashlib.sha256(Path(str(module.__file__)).read_bytes()).hexdigest() for module in modules]
    told = {"model": model.model_dump(mode="json", include=LEARNT_FROM), "gate": gate.min_test_accuracy, "require": gate.require}
    made_by = {"code": code, "packages": [version(name) for name in PACKAGES]}
    return json.dumps({"features": list(names), **told, **made_by}, sort_keys=True).encode() + b"\n"


def _packed(rows: Rows) -> NDArray[np.void]:
    """The rows as records without gaps, little-endian: their bytes are the same on every machine."""
    fields = [("session", "<i8"), ("symbol", "<U16"), ("x", "<f8", (len(rows.names),)), ("label", "<i8"), ("label_end", "<i8")]
    table = np.empty(len(rows.session), dtype=fields)
    table["session"], table["label_end"] = rows.session.astype("int64"), rows.label_end.astype("int64")
    table["symbol"], table["x"], table["label"] = rows.symbol, rows.x, rows.label
    return table
