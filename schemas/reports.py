"""What a day came to, for people and machines."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from schemas.records import Json, Mode


@dataclass(frozen=True, slots=True)
class DayReport:
    """What a day came to, as it is printed, shown in Prefect and given to machines. Money in `currency`, ratios as fractions.

    `exit_code` is that of the command. `signal` has a row for each instrument; `model` is the newest fit; `performance` the
    figures of the book since its first session; `look` where a person finds more. `restated` says what the vendor has changed in
    the past of its bars, and whether the last decisions would have been others; empty where nothing was compared. `control` is
    the book's state as the day ended (`state`, `who`, `at`, `reason`); empty where it is ACTIVE. `expected` is the session's
    profit beside the one that its model expected, `drift` what the model sees beside what it was trained on; empty where that is
    not known.
    """

    strategy: str
    book: str
    mode: Mode
    currency: str
    session: date
    execution_session: date
    outcome: str
    reason: str
    exit_code: int
    resumed: bool
    orchestrated: bool
    decision_sha256: str
    chain_sha256: str
    bars: Json
    restated: Json
    checks: Json
    model: Json
    signal: tuple[Json, ...]
    orders: tuple[Json, ...]
    fills: tuple[Json, ...]
    holdings: Mapping[str, float]
    cash: float | None
    equity: float | None
    benchmark: float | None
    sessions: int
    performance: Mapping[str, float | None]
    seconds: Mapping[str, float]
    look: Mapping[str, str]
    control: Json = field(default_factory=dict)
    expected: Json = field(default_factory=dict)
    drift: Json = field(default_factory=dict)
