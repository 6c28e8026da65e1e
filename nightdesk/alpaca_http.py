"""How Alpaca is asked: with a time limit, tried again for a while, and with answers that are turned into our errors."""

import json
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from email.utils import parsedate_to_datetime
from threading import Thread
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from pydantic import SecretStr
from requests import PreparedRequest, RequestException, Response
from requests.adapters import HTTPAdapter
from tenacity import RetryCallState, Retrying, retry_if_exception_type, stop_after_attempt, wait_exponential, wait_random

from nightdesk.errors import Misconfigured, NightdeskError, OrderRefused, TryAgain

if TYPE_CHECKING:
    from alpaca.common.rest import RESTClient

TIMEOUT_S: Final = 20.0
"""For the connection, and again for each silence within an answer."""
ATTEMPTS: Final = 4
FIRST_WAIT_S: Final = 0.5
LONGEST_WAIT_S: Final = 60.0
KEYS: Final = "APCA_API_KEY_ID and APCA_API_SECRET_KEY"
KEY_HEADERS: Final = ("APCA-API-KEY-ID", "APCA-API-SECRET-KEY")
REFUSED_KEYS: Final = (401, 403)
DONE: Final = {"POST": 200, "DELETE": 204}
"""The one status that means yes."""
REFUSED: Final = {"POST": (400, 403, 422), "DELETE": (404, 422)}
"""The statuses that mean no, where Alpaca gives its reason with them."""
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


def read_through(client: "RESTClient") -> None:
    """Send all that an alpaca-py client asks through a `ReadTransport`. The SDK itself has no time limit, retries only 429
    and 504, and its errors hold the secret."""
    for scheme in ("https://", "http://"):
        client._session.mount(scheme, ReadTransport())


def send_once(client: "RESTClient") -> None:
    """Send what an alpaca-py client sends through an `OnceTransport`, and switch its own repetitions off."""
    client._retry = 0
    for scheme in ("https://", "http://"):
        client._session.mount(scheme, OnceTransport())


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
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        reason = type(error).__name__
    raise TryAgain(f"Alpaca answered in a form that its API does not have ({reason}).", reason=reason)


def fetch_records(ask: Callable[[], Any]) -> dict[str, Records]:
    """Lists of objects by name, as bars by symbol. Raises `TryAgain` where the answer is anything else."""
    return fetch_answer(lambda: {name: _records(rows) for name, rows in ask().items()})


class ReadTransport(HTTPAdapter):
    """Answers of status 200 that are JSON, for one fetch; never for orders, for it sends again what failed.

    Raises `Misconfigured` where Alpaca refuses the keys or the request; `TryAgain` after the last attempt where it is busy,
    broken or silent, and where it gives one page twice (the SDK would turn pages for ever).
    """

    def __init__(self) -> None:
        super().__init__()
        self._answered: set[str] = set()

    def send(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        """The answer to a GET, whatever time limit the caller gave."""
        url = str(request.url)
        if url in self._answered:
            raise TryAgain("Alpaca gave the same page twice.", host=_host(request))
        kwargs["timeout"] = TIMEOUT_S
        retrying = Retrying(
            retry=retry_if_exception_type(TryAgain), stop=stop_after_attempt(ATTEMPTS), wait=_pause_s, reraise=True
        )
        response = retrying(self._sent_once, request, *args, **kwargs)
        self._answered.add(url)
        return response

    def _sent_once(self, request: PreparedRequest, *args: Any, **kwargs: Any) -> Response:
        try:
            response = super().send(request, *args, **kwargs)
            body = response.content
        except RequestException as error:  # it holds the request with its keys: it must not travel along
            reason = type(error).__name__
        else:
            _refuse_status(request, response)
            if _json(body) is not None:
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
        kwargs["timeout"] = TIMEOUT_S
        method = str(request.method)
        try:
            response = super().send(request, *args, **kwargs)
            _ = response.content
        except RequestException as error:  # it holds the request with its keys: it must not travel along
            reason = type(error).__name__
        else:
            if response.status_code == DONE[method]:
                return response
            _pass_on_refusal(request, response)
            reason = f"it answered {response.status_code}{_message(request, response)}"
        raise TryAgain(f"Whether Alpaca ({_host(request)}) took a {method} is not known: {reason}.", host=_host(request))


def seconds_until_reset(headers: Mapping[str, str]) -> float | None:
    """How long a rate limit still holds by the server's own clock; None where its headers do not say.

    `X-RateLimit-Reset` is an epoch second, `Date` the instant of the answer.
    """
    try:
        answered_at = parsedate_to_datetime(headers["Date"]).timestamp()
        return min(max(float(headers["X-RateLimit-Reset"]) - answered_at, 0.0), LONGEST_WAIT_S)
    except (KeyError, ValueError):
        return None


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
    said = " ".join(str(body.get("message") or "").split()) if isinstance(body, dict) else ""
    for header in KEY_HEADERS:
        said = said.replace(str(request.headers.get(header) or header), "(key)")
    return said[:200].rstrip(".")


def _records(rows: Any) -> Records:
    """The rows as a list; none for a null."""
    if not all(isinstance(row, dict) for row in rows or ()):
        raise TypeError("a row is no object")
    return list(rows or ())


def _json(body: bytes) -> object:
    """The value of a JSON document; None for anything else."""
    try:
        value: object = json.loads(body)
    except ValueError:
        return None
    return value


def _host(request: PreparedRequest) -> str:
    return urlsplit(str(request.url)).netloc
