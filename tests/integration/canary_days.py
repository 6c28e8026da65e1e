"""Days with canaries for secrets, in a process of its own: `python canary_days.py FOLDER`. All of it at DEBUG.

One day succeeds; then Alpaca refuses, fails and breaks off in every way, while all that knows the keys asks it.
"""

import logging
import os
import sys
import traceback
import uuid
from base64 import b64encode
from collections.abc import Callable
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote

from nightdesk.settings import CHECKOUT
from tests.alpaca_account import AlpacaAccount
from tests.alpaca_data_server import AlpacaServer, Reply, at_close, running, told
from tests.alpaca_stub import AlpacaStub, Fault, serving
from tests.bars import clean_bars
from tests.canaries import HOOK, KEY_ID, SECRET_KEY, notify_address
from tests.desks import strategy_file
from tests.notice_server import NoticeServer, taking

FOLDER = Path(sys.argv[1])
FRIDAY, MONDAY = date(2024, 11, 1), date(2024, 11, 4)
BUYS = 5
"""A seed of the made-up bars on which the first day buys."""
ECHO = f"{KEY_ID} {SECRET_KEY} {quote(SECRET_KEY, safe='')} {b64encode(f'{KEY_ID}:{SECRET_KEY}'.encode()).decode()} {HOOK}"
FAULTS = {
    "401": told(401, {"message": f"unauthorized: {ECHO}"}),
    "400": told(400, {"code": 40010001, "message": f"bad request: {ECHO}"}),
    "500": told(500, {"message": f"internal error at {ECHO}"}),
    "page of HTML": Reply(502, f"<html>{ECHO}</html>".encode(), {"Content-Type": "text/html"}),
    "no JSON": Reply(200, f"key {ECHO}".encode()),
    "another form": told(200, {"bars": ECHO, "corporate_actions": ECHO, "next_page_token": None}),
    "dropped": Reply(200, ECHO.encode(), promised=5000),
}


def main() -> None:
    os.environ.update(
        NIGHTDESK_HOME=str(FOLDER / "home"),
        APCA_API_KEY_ID=KEY_ID,
        APCA_API_SECRET_KEY=SECRET_KEY,
        PREFECT_LOGGING_LEVEL="DEBUG",
        PREFECT_LOGGING_ROOT_LEVEL="DEBUG",
        PREFECT_LOGGING_EXTRA_LOGGERS="nightdesk,urllib3,alpaca,mlflow,requests",
        PREFECT_TASKS_DEFAULT_RETRY_DELAY_SECONDS="0",
    )
    path = strategy_file(
        FOLDER,
        source='"alpaca"',
        signal='"SPY"',
        instrument='"SPY"',
        prices='"SPY"',
        min_coverage="1.0\nlate_bar_wait_min = 0",
        min_test_accuracy="0.0",
        time_in_force='"day"\nname = "alpaca"',
    )
    Path(path).write_text(Path(path).read_text().replace('name = "paper"\n', ""))
    market = AlpacaServer(at_close(FRIDAY), clean_bars(_sessions(), ["SPY"], BUYS), keys=(KEY_ID, SECRET_KEY))
    holder = AlpacaAccount(market.now, cash=Decimal(100_000))
    with running(market), serving(AlpacaStub(holder, keys=(KEY_ID, SECRET_KEY))) as stub, taking(NoticeServer()) as notices:
        os.environ["NIGHTDESK_ALPACA_DATA_URL"], os.environ["NIGHTDESK_ALPACA_URL"] = market.url, stub.url
        os.environ["NIGHTDESK_NOTIFY"] = notify_address(notices.port)
        play_all(path, market, stub)
        print(f"orders: {[row['client_order_id'] for row in holder.orders]}")
        print(f"notices: {len(notices.posted)}, requests: {len(market.asked)}")


def play_all(path: str, market: AlpacaServer, stub: AlpacaStub) -> None:
    """The success and the failures, each through all that asks Alpaca."""
    from nightdesk.cli.orchestration import start_prefect
    from nightdesk.settings import settings

    here = settings()
    print(repr(here), str(here))
    _log_everything(here.home / "logs" / "debug.log")
    if not start_prefect(here):
        sys.exit("Prefect did not start")
    _hasten(market)
    for name, asks in CALLERS.items():
        print(f"{name}, all well: {_told(asks, here, path)}")
    market.now = at_close(MONDAY)
    stub.account.show_open(MONDAY, "SPY", 100)
    stub.move_to(market.now)
    for fault, reply in FAULTS.items():
        market.always = lambda _, reply=reply: reply  # type: ignore[misc]  # a default binds today's reply
        failing = [("GET", "/v2/account"), ("GET", "/v2/orders"), ("POST", "/v2/orders")]
        stub.faults = [Fault(reply, method=method, path=path_, times=-1, accepts=False) for method, path_ in failing]
        for name, asks in CALLERS.items():
            print(f"{name}, {fault}: {_told(asks, here, path)}")


def _told(asks: Callable[[Any, str], object], here: Any, path: str) -> str:
    """What came of it; an error with all variables of its frames."""
    from nightdesk.errors import NightdeskError

    try:
        return str(asks(here, path))
    except NightdeskError as error:
        logging.getLogger("nightdesk.canary").exception("%r", error, extra={"facts": error.values})
        return f"{error!r} {error.values} " + "".join(
            traceback.TracebackException.from_exception(error, capture_locals=True).format()
        )


def day(here: Any, path: str) -> object:
    from flows.daily import daily
    from nightdesk.cli.orchestration import without_heartbeat

    with without_heartbeat():
        state: Any = daily(path, None, return_state=True)
    return f"{state.type.value} {state.name}: {state.message} {state.result(raise_on_failure=False)!r}"


def doctor(here: Any, path: str) -> object:
    from nightdesk.cli.checkup import examined

    return examined(here)


def bars(here: Any, path: str) -> object:
    from nightdesk.wiring.markets import source_of
    from nightdesk.wiring.strategies import load_strategy

    return source_of(load_strategy(path, here), here).fetch_bars(["SPY"], FRIDAY, MONDAY)


def account(here: Any, path: str) -> object:
    return _broker(here).account()


def order(here: Any, path: str) -> object:
    from nightdesk.brokers.broker import OrderRequest

    broker = _broker(here)
    following = broker.clock().next_session
    return broker.submit_order(OrderRequest(f"canary-{uuid.uuid4()}", "SPY", Decimal(1), "day", following))


def _broker(here: Any) -> Any:
    from nightdesk.brokers.alpaca import AlpacaBroker
    from nightdesk.clock import WallClock

    return AlpacaBroker(here.alpaca_key_id, here.alpaca_secret_key, "paper", WallClock().now, here.alpaca_url)


CALLERS: dict[str, Callable[[Any, str], object]] = {
    "day": day,
    "doctor": doctor,
    "bars": bars,
    "account": account,
    "order": order,
}
"""All that asks Alpaca with the keys: one line each."""


def _sessions() -> Any:
    from nightdesk.sessions import exchange_sessions

    return exchange_sessions("XNYS").between(date(2022, 1, 3), MONDAY)


def _log_everything(file: Path) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    form = logging.Formatter("%(asctime)s %(name)s %(levelname)s %(message)s")
    for handler in (logging.FileHandler(file), logging.StreamHandler()):
        handler.setFormatter(form)
        logging.getLogger().addHandler(handler)
    logging.getLogger().setLevel(logging.DEBUG)


def _hasten(market: AlpacaServer) -> None:
    """No waits between attempts, the market's clock, and every logger at DEBUG."""
    from nightdesk import alpaca_http
    from nightdesk.clock import WallClock
    from nightdesk.day import order
    from tasks.ingest import ingest_bars

    alpaca_http.FIRST_WAIT_S = 0.001  # type: ignore[misc]  # a constant of the program
    WallClock.now = lambda _: market.now  # type: ignore[method-assign]  # the market's clock
    order.ORDERING = [sys.executable, str(CHECKOUT / "tests" / "submit_process.py"), "submit"]
    ingest_bars.retry_delay_seconds = [0, 0, 0]
    for name in ("urllib3", "httpx", "httpcore", "prefect", "alpaca", "mlflow", "nightdesk", "requests"):
        logging.getLogger(name).setLevel(logging.DEBUG)
        logging.getLogger(name).propagate = True


if __name__ == "__main__":
    main()
