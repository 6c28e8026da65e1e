"""How a day can end. One table: its exit code, its Prefect state, whether the day is still reported."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Ending:
    """`exit_code` of the command, `state` of the flow run in Prefect, and whether a report is made."""

    exit_code: int
    state: Literal["COMPLETED", "FAILED"]
    reported: bool


ENDINGS: dict[str, Ending] = {
    "traded": Ending(0, "COMPLETED", True),
    "no change": Ending(0, "COMPLETED", True),
    "waiting": Ending(0, "COMPLETED", True),
    "no trade: gate": Ending(0, "COMPLETED", True),
    "no trade: data": Ending(3, "COMPLETED", True),
    "no trade: limit": Ending(4, "COMPLETED", True),
    "no trade: halted": Ending(0, "COMPLETED", True),
    "no trade: not approved": Ending(0, "COMPLETED", True),
    "no trade: late": Ending(0, "COMPLETED", True),
    "missed": Ending(0, "COMPLETED", True),
    "not a session": Ending(0, "COMPLETED", False),
    "already running": Ending(0, "COMPLETED", False),
    "unknown order": Ending(6, "FAILED", True),
    "failed": Ending(1, "FAILED", True),
}


def ending(outcome: str) -> Ending:
    """The row for an outcome; "failed: <step>" is looked up as "failed"."""
    return ENDINGS["failed" if outcome.startswith("failed") else outcome]
