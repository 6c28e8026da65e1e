"""Which requests the page takes: from this machine's own page only, and not too many."""

import time
from collections import deque
from collections.abc import Iterable
from urllib.parse import parse_qsl, urlsplit

from starlette.datastructures import Headers
from starlette.requests import Request

POSTS_A_MINUTE = 30
LARGEST_BODY = 8_192
LARGEST_REASON = 500
LARGEST_ADDRESS = 2_048
FORM = "application/x-www-form-urlencoded"
HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Frame-Options": "DENY",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""On every answer."""


class RefusedError(Exception):
    """A request that the page does not take: its HTTP status and a sentence."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


class Guard:
    """What a request must be to be heard at all. `address` is where a proxy offers the page, as https://desk.example."""

    def __init__(self, port: int, address: str = "") -> None:
        self._origins = {f"{name}:{port}": f"http://{name}:{port}" for name in ("127.0.0.1", "localhost")}
        if address:
            self._origins[urlsplit(address).netloc] = address
        self._posts: dict[bool, deque[float]] = {True: deque(), False: deque()}

    def require_own_host(self, headers: Headers) -> None:
        """The address must be this page's own: a name that was made to point here (DNS rebinding) is refused."""
        hosts = headers.getlist("host")
        if len(hosts) != 1 or hosts[0] not in self._origins:
            raise RefusedError(421, "This page answers to its own address only.")

    def require_own_page(self, headers: Headers) -> None:
        """Another page's script is not answered, whatever it asks for; a link that a person follows is."""
        own = self._origins[headers["host"]]
        if any(origin != own for origin in headers.getlist("origin")):
            raise RefusedError(403, "This request came from another page: nothing was done.")
        foreign = any(site not in ("same-origin", "none") for site in headers.getlist("sec-fetch-site"))
        if foreign and headers.get("sec-fetch-mode") != "navigate":
            raise RefusedError(403, "This request came from another site: nothing was done.")

    def require_plain_address(self, path: bytes, query: bytes) -> None:
        """The path and the query as they were asked for: not too long, and no NUL, which no ledger can be asked for."""
        if len(path) + len(query) > LARGEST_ADDRESS:
            raise RefusedError(414, f"The address is longer than {LARGEST_ADDRESS} characters.")
        if b"%00" in path + query:
            raise RefusedError(400, "The address cannot be read.")

    def require_own_form(self, headers: Headers) -> None:
        """A POST must come from this page's own form, as far as the browser says."""
        pages = [f"{urlsplit(text).scheme}://{urlsplit(text).netloc}" for text in headers.getlist("referer")]
        if any(page != self._origins[headers["host"]] for page in pages):
            raise RefusedError(403, "This answer came from another page: nothing was done.")
        if any(site != "same-origin" for site in headers.getlist("sec-fetch-site")):
            raise RefusedError(403, "This answer came from another site: nothing was done.")
        if headers.get("content-type", "").partition(";")[0].strip().lower() != FORM:
            raise RefusedError(415, "An answer is a form of this page: nothing was done.")

    def require_calm(self, known: bool) -> None:
        """Not more than `POSTS_A_MINUTE`. Who has not shown the token is counted apart, and cannot keep others from a halt."""
        now, posts = time.monotonic(), self._posts[known]
        while posts and posts[0] <= now - 60:
            posts.popleft()
        if len(posts) >= POSTS_A_MINUTE:
            raise RefusedError(429, f"More than {POSTS_A_MINUTE} answers in a minute: wait a little. Nothing was done.")
        posts.append(now)


async def form_of(request: Request) -> dict[str, str]:
    """The fields of a form's body, each once."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST_BODY:
            raise RefusedError(413, "The answer is too long: nothing was done.")
    try:
        return _once(
            parse_qsl(body.decode("ascii"), keep_blank_values=True, strict_parsing=True, errors="strict", max_num_fields=8)
        )
    except ValueError:
        raise RefusedError(400, "The answer cannot be read: nothing was done.") from None


def _once(pairs: Iterable[tuple[str, str]]) -> dict[str, str]:
    fields: dict[str, str] = {}
    for name, value in pairs:
        if name in fields:
            raise RefusedError(400, "The answer says something twice: nothing was done.")
        fields[name] = value
    return fields
