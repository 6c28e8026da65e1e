"""The locked hold-out: who has opened which sessions of which symbols, kept for ever. Rows are only added."""

import json
import os
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path

from nightdesk.errors import OutOfSync


@dataclass(frozen=True, slots=True)
class Opening:
    """One look at a hold-out. `figures` are what the configuration did there, `evidence` the sentences of its backtest."""

    opened_at: str
    search_id: str
    strategy: str
    challenger: str
    config_sha256: str
    trial: int
    trials: int
    symbols: tuple[str, ...]
    first: str
    last: str
    conclusion: str = ""
    figures: dict[str, float | None] = field(default_factory=dict)

    def overlaps(self, symbols: tuple[str, ...], first: date, last: date) -> bool:
        """Whether it has seen a session from `first` to `last` of one of the symbols."""
        return bool(set(self.symbols) & set(symbols)) and self.first <= last.isoformat() and first.isoformat() <= self.last

    @property
    def sentence(self) -> str:
        """That it was opened, when and by what."""
        return (
            f"The hold-out {self.first} to {self.last} was opened on {self.opened_at[:16].replace('T', ' ')} UTC "
            f"by trial {self.trial} of search {self.search_id} ({self.strategy})"
        )


@dataclass(frozen=True, slots=True)
class Openings:
    """The openings of a home, in one file of a JSON document a line."""

    path: Path

    def load_openings(self) -> list[Opening]:
        """All, oldest first. Raises `OutOfSync` where a line is none: what was seen cannot be said then."""
        try:
            lines = self.path.read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            return []
        try:
            return [Opening(**{**row, "symbols": tuple(row["symbols"])}) for row in map(json.loads, lines)]
        except (ValueError, TypeError, KeyError) as error:
            raise OutOfSync(f"{self.path} has a line that is no opening of a hold-out: {error}.", path=str(self.path)) from None

    def append_opening(self, opening: Opening) -> None:
        """Add an opening; it is on the disk when this returns."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(opening)) + "\n")
            file.flush()
            os.fsync(file.fileno())
