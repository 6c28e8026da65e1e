"""How Alpaca is asked: with a time limit, tried again for a while, and with answers that are turned into our errors."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr
from requests import PreparedRequest, RequestException, Response
from requests.adapters import HTTPAdapter
from tenacity import RetryCallState, Retrying, retry_if_exception, wait_exponential, wait_random
from urllib3.exceptions import HTTPError

from nightdesk.errors import Misconfigured, NightdeskError, OrderRefused, TryAgain
from nightdesk.secrecy import redacted

if TYPE_CHECKING:
    from alpaca.common.rest import RESTClient

TIMEOUT_S: Final = 20.0
"""For the connection, and again for each silence within an answer."""
ATTEMPTS: Final = 4
REFUSALS: Final = 2
"""Attempts after which keys that are refused again count as refused."""
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 60.0
KEYS: Final = "APCA_API_KEY_ID and APCA_API_SECRET_KEY"
KEY_HEADERS: Final = ("APCA-API-KEY-ID", "APCA-API-SECRET-KEY")
REFUSED_KEYS: Final = (401, 403)
DONE: Final = {"POST": 200, "DELETE": 204}
"""The one status that means yes."""
REFUSED: Final = {"POST": (400, 403, 422), "DELETE": (404, 422)}
"""The statuses that mean no, where Alpaca gives its reason with them."""
LARGEST_ANSWER: Final = 64 * 1024 * 1024
"""Bytes of one answer, unpacked: a page of 500 orders has half a million."""
CHUNK: Final = 65536
KEY_CODES: Final = 401
"""The family of codes that are about the keys, as 40110000, whatever their status."""

Answer = TypeVar("Answer")
Records = list[dict[str, Any]]


def require_access(key_id: str, secret_key: SecretStr, base_url: str) -> None:
    """Raise `Misconfigured` where a key is missing or an address is none. Nothing is sent."""
    if not (key_id and secret_key.get_secret_value()):
        raise Misconfigured(f"{KEYS} must both be set to ask Alpaca.", keys=KEYS)
    if base_url and not (base_url.startswith(("https://", "http://")) and urlsplit(base_url).hostname):
        raise Misconfigured.value("Alpaca's address", base_url, "a URL that begins with https:// or http://")


def read_through(client: "RESTClient", await_turn: Callable[[], None] = lambda: None) -> "ReadTransport":
    """Send all that an alpaca-py client asks through a `ReadTransport`, the one that is returned. The SDK itself has no time
    limit, retries only 429 and 504, and its errors hold the secret."""
    transport = ReadTransport(await_turn)
    for scheme in ("https://", "http://"):
        client._session.mount(scheme, transport)
    return transport


def send_once(client: "RESTClient") -> None:
    """Send what an alpaca-py client sends through an `OnceTransport`, and switch its own repetitions off."""
    client._retry = 0
    transport = OnceTransport()
    for scheme in ("https://", "http://"):
        client._session.mount(scheme, transport)


def within(deadline_s: float, ask: Callable[[], Answer]) -> Answer:
    """What `ask` returns, or `TryAgain` after `deadline_s` seconds; what it began may then still go on, unheard.

    A time limit of requests holds for each silence, not for a server that sends a byte now and then. Errors of `ask` come
    without its frames: these hold the keys.
    """
    told: Future[Answer] = Future()

    def run() -> None:
        try:
            told.set_result(ask())
        except NightdeskError as error:
            told.set_exception(error.with_traceback(None))
        finally:
            told.cancel()  # after a bug nobody waits out the deadline

    Thread(target=run, daemon=True).start()
    try:
        return told.result(deadline_s)
    except TimeoutError:
        pass
    raise TryAgain(f"Alpaca did not finish its answer within {deadline_s:g} s.", deadline_s=deadline_s)


def fetch_answer(ask: Callable[[], Answer]) -> Answer:
    """What `ask` returns. Raises `TryAgain` where an answer is JSON, but not of the form that alpaca-py expects."""
    try:
        return ask()
    except NightdeskError as error:
        failed = error.with_traceback(None)  # its frames hold the keys
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        reason = type(error).__name__
        failed = TryAgain(f"Alpaca answered in a form that its API does not have ({reason}).", reason=reason)
    raise failed


def fetch_records(ask: Callable[[], Any]) -> dict[str, Records]:
    """Lists of objects by name, as bars by symbol. Raises `TryAgain` where the answer is anything else."""
    return fetch_answer(lambda: {name: _records(rows) for name, rows in ask().items()})


class TooLargeError(RequestException):
    """An answer that is larger than any of Alpaca's."""


class ReadTransport(HTTPAdapter):
    """Answers of status 200 that are JSON; never for orders, for it sends again what failed. `await_turn` is called before each
    attempt, and `begin` before each fetch: within one no page may come twice.

    Raises `Misconfigured` where Alpaca refuses the request, or the keys for the second time; `TryAgain` after the last attempt
    where it is busy, broken or silent, and where it gives one page twice (the SDK would turn pages for ever).
    """

    def __init__(self, await_turn: Callable[[], None] = lambda: None) -> None:
        super().__init__()
        self._await_turn = await_turn
        self._answered: set[str] = set()

    def begin(self) -> None:
        """Forget which pages were given."""
        self._answered = set()

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """The answer to a GET, whatever time limit the caller gave."""
        url = str(request.url)
        if url in self._answered:
            raise TryAgain("Alpaca gave the same page twice.", host=_host(request))
        kwargs["timeout"] = TIMEOUT_S
        retrying = Retrying(retry=retry_if_exception(_may_pass), stop=_asked_enough, wait=_pause_s, reraise=True)
        response = retrying(self._sent_once, request, *args, **kwargs)
        self._answered.add(url)
        return response

    def _sent_once(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        self._await_turn()
        try:
            response = _whole(super().send(request, *args, **{**kwargs, "stream": True}))
        except (RequestException, HTTPError) as error:  # it holds the request with its keys: it must not travel along
            reason = type(error).__name__
        else:
            _refuse_status(request, response)
            if _json(response.content) is not None:
                return response
            reason = "what it answered is not JSON"
        raise TryAgain(f"Alpaca ({_host(request)}) could not be read: {reason}.", host=_host(request), reason=reason)


class OnceTransport(HTTPAdapter):
    """For orders: sends a request once.

    Raises `OrderRefused` where Alpaca says no and why; `TryAgain` for all else but a plain yes: then nobody knows what became
    of it.
    """

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """The answer to a POST or a DELETE, whatever time limit the caller gave."""
        method, wait_s = str(request.method), None
        try:
            response = _whole(super().send(request, *args, **{**kwargs, "timeout": TIMEOUT_S, "stream": True}))
        except (RequestException, HTTPError) as error:  # it holds the request with its keys: it must not travel along
            reason = type(error).__name__
        else:
            if response.status_code == DONE[method] and (method != "POST" or _json(response.content) is not None):
                return response
            _pass_on_refusal(request, response)
            wait_s = seconds_until_reset(response.headers) if response.status_code == 429 else None
            until = "" if wait_s is None else f", and takes no more until {_later(response.headers, wait_s):%H:%M:%S} UTC"
            reason = f"it answered {response.status_code}{_message(request, response)}{until}"
        sentence = f"Whether Alpaca ({_host(request)}) took a {method} is not known: {reason}."
        raise TryAgain(sentence, host=_host(request), wait_s=wait_s)


def _whole(response: Response) -> Response:
    """The response with all of its body read, as UTF-8: JSON has no other coding. Raises `RequestException`, also where the body
    is larger than any answer."""
    parts, size = [], 0
    for part in response.iter_content(CHUNK):
        size += len(part)
        if size > LARGEST_ANSWER:
            response.close()
            raise TooLargeError
        parts.append(part)
    response._content, response.encoding = b"".join(parts), "utf-8-sig"
    return response


def _may_pass(error: BaseException) -> bool:
    """Whether the same request may be answered another time. A gateway refuses keys now and then that are good."""
    return isinstance(error, TryAgain) or _refuses_keys(error)


def _asked_enough(state: RetryCallState) -> bool:
    error = state.outcome.exception() if state.outcome else None
    return state.attempt_number >= (REFUSALS if _refuses_keys(error) else ATTEMPTS)


def _refuses_keys(error: BaseException | None) -> bool:
    return isinstance(error, Misconfigured) and error.values.get("status") in REFUSED_KEYS


def seconds_until_reset(headers: Mapping[str, str]) -> float | None:
    """How long a rate limit still holds by the server's own clock; None where its headers do not say.

    `X-RateLimit-Reset` is an epoch second, `Date` the instant of the answer.
    """
    try:
        answered_at = parsedate_to_datetime(headers["Date"]).timestamp()
        return min(max(float(headers["X-RateLimit-Reset"]) - answered_at, 0.0), LONGEST_WAIT_S)
    except (KeyError, ValueError):
        return None


def _later(headers: Mapping[str, str], wait_s: float) -> datetime:
    return parsedate_to_datetime(headers["Date"]) + timedelta(seconds=wait_s)


def _pause_s(state: RetryCallState) -> float:
    """What the rate limit asks for, at least ever longer waits; with jitter."""
    error = state.outcome.exception() if state.outcome else None
    asked = error.values.get("wait_s") if isinstance(error, TryAgain) else None
    growing = (wait_exponential(multiplier=FIRST_WAIT_S, max=LONGEST_WAIT_S) + wait_random(0, FIRST_WAIT_S))(state)
    return growing + (asked if isinstance(asked, float) else 0.0)


def _refuse_status(request: PreparedRequest, response: Response) -> None:
    status, host = response.status_code, _host(request)
    if status == 200:
        return
    said = _message(request, response)
    if status in REFUSED_KEYS:
        raise Misconfigured(f"Alpaca ({host}) refused the keys in {KEYS} with {status}{said}.", status=status, host=host)
    if status == 429 or status >= 500:
        wait_s = seconds_until_reset(response.headers)
        raise TryAgain(f"Alpaca ({host}) answered {status}{said}.", status=status, host=host, wait_s=wait_s)
    path, code = urlsplit(str(request.url)).path, _code(response)
    sentence = f"Alpaca ({host}) refused {request.method} {path} with {status}{said}."
    raise Misconfigured(sentence, status=status, host=host, code=code)


def _pass_on_refusal(request: PreparedRequest, response: Response) -> None:
    status, code, said = response.status_code, _code(response), _said(request, response)
    clear = code is not None or status != 403  # without a code it may be about the keys, or from a gateway
    if status in REFUSED[str(request.method)] and said and clear and (code or 0) // 100_000 != KEY_CODES:
        raise OrderRefused(said, status=status, code=code)


def _code(response: Response) -> int | None:
    """Alpaca's number for an error, as 40410000."""
    body = _json(response.content)
    code = body.get("code") if isinstance(body, dict) else None
    return code if isinstance(code, int) else None


def _message(request: PreparedRequest, response: Response) -> str:
    """What the server says about an error, in brackets, to stand in a sentence."""
    said = _said(request, response)
    return f" ({said})" if said else ""


def _said(request: PreparedRequest, response: Response) -> str:
    """What the server says about an error, short and without the keys; empty for a page of HTML."""
    body = _json(response.content)
    told = body.get("message") if isinstance(body, dict) else None
    said = "".join(filter(str.isprintable, " ".join(told.split()))) if isinstance(told, str) else ""
    for header in KEY_HEADERS:
        said = said.replace(str(request.headers.get(header) or header), "(key)")
    return redacted(said)[:200].rstrip(".")


def _records(rows: Any) -> Records:
    """The rows as a list; none for a null."""
    if not all(isinstance(row, dict) for row in rows or ()):
        raise TypeError("a row is no object")
    return list(rows or ())


def _json(body: bytes) -> object:
    """The value of a JSON document; None for anything else, as one with a name twice in one object, or no end of nesting."""
    try:
        value: object = json.loads(body, object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError):
        return None
    return value


def _without_doubles(pairs: list[tuple[str, object]]) -> dict[str, object]:
    made = dict(pairs)
    if len(made) < len(pairs):
        raise ValueError("a name twice in one object")
    return made


def _host(request: PreparedRequest) -> str:
    return urlsplit(str(request.url)).netloc
