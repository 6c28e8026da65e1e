"""Six errors, named by what the operator does next. Each carries its values and builds its sentence from them."""

from typing import ClassVar


class NightdeskError(Exception):
    """Base of the six: `message` is one sentence, `values` are the facts in it, `exit_code` is documented in the README."""

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, **values: object) -> None:
        super().__init__(message)
        self.message = message
        self.values = values


class Misconfigured(NightdeskError):
    """Fix the settings: the desk refuses to start."""

    exit_code = 2

    @classmethod
    def value(cls, key: str, was: object, allowed: str) -> "Misconfigured":
        """The usual sentence: the key, the value it had and what is allowed."""
        return cls(f"{key} was {was!r}, allowed: {allowed}.", key=key, was=was, allowed=allowed)


class BadData(NightdeskError):
    """Look at the bars that are named: no trade today, positions stay, the day is still reported."""

    exit_code = 3


class LimitBreached(NightdeskError):
    """Review the limits: no orders today, the day is still measured."""

    exit_code = 4


class OrderRefused(NightdeskError):
    """Read the broker's reason: it is recorded, the other symbols go on."""

    exit_code = 5


class OutOfSync(NightdeskError):
    """Reconcile by hand: ledger and broker differ, the day stops before any order."""

    exit_code = 6


class TryAgain(NightdeskError):
    """Do nothing: something outside failed for a moment, and the task is tried again."""

    exit_code = 7
