"""How many requests a minute an account sends to Alpaca, which takes 200."""

from collections import deque
from threading import Lock
from time import monotonic, sleep
from typing import Final

from nightdesk.errors import TryAgain

MINUTE_S: Final = 60.0
PATIENCE_S: Final = 60.0
"""The longest that a request waits for its turn."""


class Budget:
    """Turns for requests: at most `most` within a minute, None for any number, and none while Alpaca's own limit holds."""

    def __init__(self, most: int | None) -> None:
        self._most = most
        self._taken: deque[float] = deque(maxlen=most or 0)
        self._closed_until = 0.0
        self._lock = Lock()

    def close_for(self, wait_s: float) -> None:
        """Give no turn for so many seconds."""
        self._closed_until = max(self._closed_until, monotonic() + wait_s)

    def await_turn(self) -> None:
        """Wait for a turn and take it. Raises `TryAgain` at once where it would come after `PATIENCE_S`: nothing was sent."""
        turn = self._turn()
        if (wait_s := turn - monotonic()) > 0:
            sleep(wait_s)

    def _turn(self) -> float:
        """The instant of the next free turn, which is taken by it."""
        with self._lock:
            now = monotonic()
            turn = max(now, self._closed_until)
            if self._most is not None and len(self._taken) == self._most:
                turn = max(turn, self._taken[0] + MINUTE_S)
            if turn - now > PATIENCE_S:
                raise TryAgain(f"Alpaca takes no request for another {turn - now:.0f} s: nothing was sent.", wait_s=turn - now)
            self._taken.append(turn)
            return turn
