"""Who may open the page where more than this machine can reach it: whoever once showed the token, for as long as it runs."""

import secrets
from threading import Lock

COOKIE = "nightdesk"
A_DAY_S = 86_400
MOST_VISITORS = 256


class Access:
    """A token of 256 bits that opens the page, and the cookies of who has shown it. `token` "" asks nobody."""

    def __init__(self, token: str) -> None:
        self._token = token
        self._lock = Lock()
        self._cookies: list[str] = []

    @property
    def asked(self) -> bool:
        return bool(self._token)

    def is_open_to(self, cookie: str) -> bool:
        """Whether a cookie is one that was given out. Compared in constant time, with every one of them."""
        if not self.asked:
            return True
        with self._lock:
            found = [known for known in self._cookies if secrets.compare_digest(known.encode(), cookie.encode())]
        return bool(found)

    def cookie_for(self, token: str) -> str:
        """A new cookie for who shows the right token, else "". The token is compared in constant time."""
        if not secrets.compare_digest(self._token.encode(), token.strip().encode(errors="replace")):
            return ""
        cookie = secrets.token_urlsafe(32)
        with self._lock:
            self._cookies = [*self._cookies[-MOST_VISITORS + 1 :], cookie]
        return cookie
