"""How a day can end. One table: its exit code, its Prefect state, whether the day is still reported, whether a person is told."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Ending:
    """`exit_code` of the command, `state` of the flow run in Prefect, whether a report is made, and whether a notice is sent.

    A day that ends with another exit code than 0, and one in which the desk itself restricted its book, send one as well.
    """

    exit_code: int
    state: Literal["COMPLETED", "FAILED"]
    reported: bool
    notice: bool


ENDINGS: dict[str, Ending] = {
    "traded": Ending(0, "COMPLETED", True, False),
    "no change": Ending(0, "COMPLETED", True, False),
    "waiting": Ending(0, "COMPLETED", True, False),
    "no trade: gate": Ending(0, "COMPLETED", True, False),
    "no trade: data": Ending(3, "COMPLETED", True, True),
    "no trade: limit": Ending(4, "COMPLETED", True, True),
    "no trade: halted": Ending(0, "COMPLETED", True, False),
    "no trade: not approved": Ending(0, "COMPLETED", True, False),
    "no trade: late": Ending(0, "COMPLETED", True, False),
    "missed": Ending(0, "COMPLETED", True, False),
    "not a session": Ending(0, "COMPLETED", False, False),
    "already running": Ending(0, "COMPLETED", False, False),
    "unknown order": Ending(6, "FAILED", True, True),
    "failed": Ending(1, "FAILED", True, True),
    "reported": Ending(0, "COMPLETED", False, False),
    "no report": Ending(7, "FAILED", False, True),
}
"""The last two are how a heartbeat ends: every session that is due has its report, or one has none."""


RUNBOOK: dict[int, str] = {
    0: "Halted (0)",
    1: "A bug (1)",
    2: "Misconfigured (2)",
    3: "BadData (3)",
    4: "LimitBreached (4)",
    5: "OrderRefused (5)",
    6: "OutOfSync (6)",
    7: "TryAgain (7)",
}
"""By exit code, the heading of docs/runbook.md that says what to do; 0 is a day on which the desk restricted its book."""

NO_REPORT_HEADING = "The machinery died"
"""The heading for what the desk cannot say itself: no report, a crash, a run that does not begin."""


def ending(outcome: str) -> Ending:
    """The row for an outcome; "failed: <step>" is looked up as "failed"."""
    return ENDINGS["failed" if outcome.startswith("failed") else outcome]
