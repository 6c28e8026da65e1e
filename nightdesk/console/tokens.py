"""Tokens of the forms: each for one decision, one answer and one view of the page, good for one POST. Kept in memory only."""

import secrets
from collections import deque
from threading import Lock

VIEWS = 64
"""So many views of a form can be open at once; older ones must be loaded again."""


class Tokens:
    """The tokens that were given out and not used."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._open: dict[tuple[str, str], deque[str]] = {}

    def new(self, decision_sha256: str, answer: str) -> str:
        """A token of 256 bits."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._open.setdefault((decision_sha256, answer), deque(maxlen=VIEWS)).append(token)
        return token

    def use_up(self, decision_sha256: str, answer: str, token: str) -> bool:
        """Whether the token was given out for this and not used yet; from now on it is used. Compared in constant time."""
        with self._lock:
            given = self._open.get((decision_sha256, answer), deque())
            found = [known for known in given if secrets.compare_digest(known.encode(), token.encode())]
            for known in found:
                given.remove(known)
            return bool(found)
