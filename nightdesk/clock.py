"""The only reader of the wall clock."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The present instant, UTC."""
        ...


class WallClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


@dataclass(frozen=True)
class FrozenClock:
    """A clock that stands still at `instant` (UTC): the simulated clock of the sample market and of backfills."""

    instant: datetime

    def now(self) -> datetime:
        return self.instant
