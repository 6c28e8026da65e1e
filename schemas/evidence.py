"""What a gate says of a record, and what limits did to it."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from typing import Any, Literal

from schemas.records import State


@dataclass(frozen=True, slots=True)
class GateResult:
    """One gate's word on one record. `method` names the test, its level and its source, for a person to read.

    `bound` is compared with `limit`: `passed` where it is above (the gate "overfitting": where it is not above). NaN where there
    is nothing to compare, and then not passed. `n` is the number of sessions that counted. `figures` have their unit in their
    name, fractions where none is named, NaN where undefined. `needed` says in words what would be; empty where passed.
    """

    name: str
    method: str
    passed: bool
    n: int
    bound: float
    limit: float
    figures: Mapping[str, float]
    needed: str


@dataclass(frozen=True, slots=True)
class Restriction:
    """What a limit did in a session: kept its orders back where `state` is "", else set the state of the book from then on."""

    session: date
    state: State | Literal[""]
    reason: str


def gate_document(gate: GateResult) -> dict[str, Any]:
    """A gate's word as plain JSON: what is undefined or without bound is null."""
    plain = asdict(gate) | {"bound": _finite(gate.bound), "limit": _finite(gate.limit)}
    return plain | {"figures": {name: _finite(value) for name, value in gate.figures.items()}}


def gate_of(document: Mapping[str, Any]) -> GateResult:
    """The `GateResult` of a document that `gate_document` made."""
    bound, limit = _number(document["bound"]), _number(document["limit"])
    figures = {name: _number(value) for name, value in document["figures"].items()}
    return GateResult(**{**document, "bound": bound, "limit": limit, "figures": figures})


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _number(value: float | None) -> float:
    return math.nan if value is None else value
