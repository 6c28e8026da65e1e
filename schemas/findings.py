"""What was found about bars: findings of the checks, values that the vendor changed, bars that were set aside. No pandas."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a check found: what, how bad, which symbol and sessions, a sentence, and what was done about it."""

    code: str
    severity: Literal["error", "warning"]
    symbol: str
    sessions: tuple[date, ...]
    message: str
    done: Literal["reported", "quarantined", "refused", "released"] = "reported"


@dataclass(frozen=True, slots=True)
class Restatement:
    """A value of a stored bar that the vendor has changed since. `field` is a column of `Bars`.

    `explained` says why that is harmless ("late volume", "split", "dividend"), or is empty; `done` what became of the new
    version: stored beside the old one, or set aside until a person releases it.
    """

    session: date
    symbol: str
    field: str
    was: float
    now: float
    explained: Literal["late volume", "split", "dividend", ""]
    done: Literal["stored", "quarantined"] = "stored"


@dataclass(frozen=True, slots=True)
class QuarantinedBar:
    """A bar that was set aside instead of stored: its values, the finding's code and sentence, and its release, if any.

    `values` has the columns of `Bars` from open to split; a NaN is None.
    """

    session: date
    symbol: str
    values: Mapping[str, float | None]
    code: str
    message: str
    seen_at: datetime
    released_at: datetime | None = None
    released_by: str = ""
    reason: str = ""
