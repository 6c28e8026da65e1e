"""What speaks for a strategy: what was tried, what the gates say of it, and where a person went without."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any, Literal

from schemas.records import Json


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
class Trial:
    """One configuration evaluated for a target over the sessions from `first` to `last`; a row for each search that did so.

    `sharpe` is that of the returns after costs, a session, 0 where they do not vary. `origin` "search" has a `search_id`.
    `returns` are those of the `n_sessions` sessions (`nightdesk.performance.trials.packed_returns`), b"" where not kept.
    """

    config_sha256: str
    target_sha256: str
    strategy: str
    first: date
    last: date
    n_sessions: int
    sharpe: float
    origin: Literal["backtest", "search"]
    evaluated_at: datetime
    search_id: str = ""
    returns: bytes = b""


@dataclass(frozen=True, slots=True)
class Evidence:
    """What the gates said of a configuration's backtest from `first` to `last`. `gates` are documents of `GateResult`."""

    config_sha256: str
    target_sha256: str
    strategy: str
    first: date
    last: date
    bars_sha256: str
    gates: Sequence[Json]
    recorded_at: datetime


@dataclass(frozen=True, slots=True)
class Override:
    """Why a book trades live although `lines` of its checklist were not right; "" where all were, later on."""

    book_id: str
    lines: str
    who: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Replacement:
    """A strategy file replaced, at `path`: by a promotion (what its `challenger` learns with) or by a rollback.

    `former` and `new` are the file's texts, the hashes those of their bytes. `evidence` is what was known, `reason` why it was
    done without enough of it. `finished_at` is None until the new file stands.
    """

    number: int
    strategy: str
    kind: Literal["promotion", "rollback"]
    path: str
    challenger: str
    former_sha256: str
    new_sha256: str
    former: str
    new: str
    evidence: Json
    who: str
    at: datetime
    reason: str = ""
    finished_at: datetime | None = None


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
