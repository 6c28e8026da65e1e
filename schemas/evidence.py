"""What a gate says of a record, and what limits did to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Literal

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
