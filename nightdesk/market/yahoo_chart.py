"""Yahoo's chart API as yfinance asks it: every answer is read here before yfinance sees it."""

import logging
import threading
import time
import warnings
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from curl_cffi import CurlOpt
from curl_cffi.requests import Session
from curl_cffi.requests.exceptions import RequestException
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic.alias_generators import to_camel

from nightdesk.errors import Misconfigured, TryAgain

PATH: Final = "/v8/finance/chart/"
NO_BARS: Final = "Data doesn't exist for startDate"
UNKNOWN: Final = "Not Found"
NEW_COOKIE_WANTED: Final = (401, 403)


class _Answer(BaseModel):
    """A part of an answer, of which only these keys are read."""

    model_config = ConfigDict(alias_generator=to_camel, frozen=True)


class _Meta(_Answer):
    currency: str | None = None
    exchange_timezone_name: str
    regular_market_time: int | None = None


class _Split(_Answer):
    date: int
    numerator: float
    denominator: float


class _Payment(_Answer):
    date: int
    amount: float
    currency: str | None = None


class _Events(_Answer):
    splits: dict[str, _Split] = Field(default_factory=dict)
    dividends: dict[str, _Payment] = Field(default_factory=dict)
    capital_gains: dict[str, _Payment] = Field(default_factory=dict)


class Chart(_Answer):
    meta: _Meta
    timestamp: list[int] = Field(default_factory=list)
    events: _Events = Field(default_factory=_Events)


class _Error(_Answer):
    code: str = ""
    description: str = ""


class _Body(_Answer):
    result: list[Chart] | None = None
    error: _Error | None = None


class _Document(_Answer):
    chart: _Body


class ChartSession(Session[Any]):
    """The one way out for yfinance. With a `base_url` every request goes there instead, and nowhere else.

    `charts` has the last history of each symbol, None where Yahoo says that it has no bars. A chart that cannot be had ends in
    `TryAgain`, an unknown symbol in `Misconfigured`; both pass through yfinance.
    """

    def __init__(self, base_url: str, timeout_s: float) -> None:
        # a proxy of the environment would be another address
        super().__init__(impersonate="chrome", curl_options={CurlOpt.NOPROXY: "*"} if base_url else None)
        self.charts: dict[str, Chart | None] = {}
        self._elsewhere, self._timeout_s = base_url.rstrip("/"), timeout_s
        self._refused: set[str] = set()
        self._until = threading.local()

    def give_up_after(self, seconds: float) -> None:
        """Let no request of this thread go on for longer than this from now."""
        self._until.value = time.monotonic() + seconds

    def request(self, method: Any, url: str, **options: Any) -> Any:  # type: ignore[override]  # yfinance names its options
        address = urlsplit(url)
        left_s = self._until.value - time.monotonic()
        options["timeout"] = max(0.001, min(self._timeout_s, left_s))  # 0 would be for ever
        if self._elsewhere:
            url = self._elsewhere + address.path + (f"?{address.query}" if address.query else "")
            options["allow_redirects"] = False
        if not address.path.startswith(PATH):
            return super().request(method, url, **options)
        symbol = unquote(address.path.removeprefix(PATH))
        if left_s <= 0:
            raise unanswered(symbol, "it was asked in vain for as long as it may take")
        try:
            answer = super().request(method, url, **options)
        except RequestException as error:
            raise unanswered(symbol, str(error).removeprefix("Failed to perform, ").partition(". See ")[0]) from None
        if answer.status_code in NEW_COOKIE_WANTED and symbol not in self._refused:
            self._refused.add(symbol)  # yfinance gets itself another cookie and asks again
            return answer
        self._refused.discard(symbol)
        chart = _chart_in(symbol, answer.status_code, answer.content)
        if "period1" in options["params"]:
            self.charts[symbol] = chart
        elif chart is None:
            raise unanswered(symbol, "its time zone is not known")  # which yfinance asks for first, and keeps
        return answer


def _chart_in(symbol: str, status: int, body: bytes) -> Chart | None:
    """The chart in an answer; None where Yahoo says that it has no bars. Raises `Misconfigured`, `TryAgain`."""
    try:
        answer = _Document.model_validate_json(body).chart
    except ValidationError:
        raise unanswered(symbol, f"it answered {status}" + (", not with a chart" if status < 300 else "")) from None
    if answer.error is not None and answer.error.code == UNKNOWN:
        raise Misconfigured.value("symbol", symbol, f"a symbol that Yahoo knows; it says: {answer.error.description}")
    if answer.error is not None and answer.error.description.startswith(NO_BARS):
        return None
    if answer.error is not None or status >= 300:
        raise unanswered(symbol, f"it answered {status}" + (f", {answer.error.description}" if answer.error is not None else ""))
    if not answer.result:
        raise unanswered(symbol, "its answer was empty")
    return answer.result[0]


def unanswered(symbol: str, reason: str) -> TryAgain:
    return TryAgain(f"Yahoo gave no bars of {symbol}: {reason}.", symbol=symbol, reason=reason)


def prepare_yfinance(cache: Path) -> None:
    """Let yfinance write below `cache` only, raise its errors, say nothing, and remember no earlier answer."""
    import yfinance
    from yfinance.cache import _CookieCacheManager, _TzCacheManager, _TzDBManager, get_tz_cache
    from yfinance.data import YfData

    if _TzDBManager.get_location() != str(cache):
        cache.mkdir(parents=True, exist_ok=True)
        yfinance.set_tz_cache_location(str(cache))
        _TzCacheManager._tz_cache = _CookieCacheManager._Cookie_cache = None  # they would go on in the former place
    get_tz_cache().lookup("")  # makes its file, before several threads do
    yfinance.config.debug.hide_exceptions = False
    logging.getLogger("yfinance").setLevel(logging.CRITICAL + 1)
    warnings.filterwarnings("ignore", module="^yfinance")  # its import switches its own warnings on
    YfData.cache_get.cache_clear()
