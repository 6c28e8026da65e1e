"""`orders`: from a committed decision to orders that Alpaca's stub has acknowledged; recovery of orders of unknown outcome.

`python -m benchmarks.orders STEP FOLDER URL` is one step in a process of its own; it prints its seconds as JSON.
"""

import json
import shutil
import sys
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path
from time import perf_counter
from typing import Any
from urllib.parse import urlencode, urlsplit

from benchmarks.homes import environment
from benchmarks.measure import measured
from benchmarks.result import Result, Row
from nightdesk.brokers.alpaca import SUBMIT_DEADLINE_S
from nightdesk.clock import WallClock
from nightdesk.ledger.store import Ledger
from nightdesk.orders.desk import OrderDesk
from nightdesk.orders.recover import recover
from nightdesk.orders.submit import submit_decided
from tests.alpaca_data_server import KEY_ID, SECRET_KEY
from tests.alpaca_stub_process import StubProcess, stub_process
from tests.alpaca_world import evening
from tests.ordering import CAPITAL, DAY, OrderingHome, ordering_file

MANY, LOST = 500, 50
ONE_S, MANY_S, RECOVERY_S = 0.05, 5, 10
LONG_AGO = timedelta(hours=1)


def measured_orders(runs: int, work: Path) -> Result:
    """Each sample is a fresh process with a fresh stub, which is another process; imports are not counted."""
    for count in (1, MANY):
        folder = work / str(count)
        ordering_file(folder, "alpaca", [f"S{number:03d}" for number in range(count)])
        with _stub() as stub:
            _home(folder, stub.url).seed()
    one, many = _samples(work, 1, "submit", runs), _samples(work, MANY, "submit", runs)
    listed, lost = _samples(work, MANY, "listed", runs), _samples(work, MANY, "lost", runs)
    idle = [measured(_idle(work), environment(work / "1" / "home"), work).seconds for _ in range(runs + 1)][1:]
    rows = [
        Row("1 order, over the stub", [row["over"] for row in one], "s", ONE_S),
        Row("  with the stub's own time", [row["seconds"] for row in one]),
        Row(f"{MANY} orders", [row["seconds"] for row in many], "s", MANY_S),
        Row("  over the stub", [row["over"] for row in many]),
        Row(f"{MANY} unknown: all on the list", [row["seconds"] for row in listed], "s", RECOVERY_S),
        Row(f"{MANY} unknown: {LOST} never arrived", [row["seconds"] for row in lost], "s", RECOVERY_S),
        Row("`nightdesk submit`, nothing to do", idle),
    ]
    return Result("orders", "committed decision to acknowledged order, at Alpaca's stub", rows)


def _stub() -> Any:
    return stub_process(evening(DAY), cash=float(CAPITAL))


def _home(folder: Path, url: str) -> OrderingHome:
    return OrderingHome(folder / "home", str(folder / "orders.toml"), url)


def _idle(work: Path) -> list[str]:
    return [sys.executable, "-m", "nightdesk.cli", "submit", "--strategy", str(work / "1" / "orders.toml")]


def _samples(work: Path, count: int, step: str, runs: int) -> list[Mapping[str, float]]:
    return [_sample(work / str(count), count, step) for _ in range(runs + 1)][1:]


def _sample(pristine: Path, count: int, step: str) -> Mapping[str, float]:
    copy = pristine.parent / "copy"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(pristine, copy)
    with _stub() as stub:
        if step != "submit":
            _begin(_home(copy, stub.url), stub, count - (LOST if step == "lost" else 0))
        command = [sys.executable, "-m", "benchmarks.orders", step, str(copy), stub.url]
        told: dict[str, float] = json.loads(measured(command, environment(copy / "home"), copy).stdout)
        orders, expected = len(stub.orders()), count - (LOST if step == "lost" else 0)
        if orders != expected:
            raise RuntimeError(f"The broker was to have {expected} orders, and has {orders}")
        bare = _bare_seconds(stub, int(told["asked"])) if step == "submit" else 0.0
        return {**told, "over": told["seconds"] - bare}


def _begin(home: OrderingHome, stub: StubProcess, landed: int) -> None:
    """A start that died an hour ago, with every request begun and the first ones landed."""
    with closing(home.ledger()) as ledger:
        orders = ledger.orders(home.commit(ledger, quantity=1).book_id)
        ledger.set_orders_sent([order.order_id for order in orders], WallClock().now() - LONG_AGO)
    for order in orders[:landed]:
        _ask(stub.url, "POST", "/v2/orders", {}, _body(order.order_id, order.instrument))


def _body(order_id: str, symbol: str) -> dict[str, str]:
    form = {"type": "market", "time_in_force": "opg", "side": "buy", "qty": "1"}
    return {"client_order_id": order_id, "symbol": symbol, **form}


def _bare_seconds(stub: StubProcess, last: int) -> float:
    """How long the stub takes for the last requests when nothing else happens: asked again, orders under other ids."""
    asked = stub.state()["asked"][-last:]
    connection = HTTPConnection(urlsplit(stub.url).netloc)
    started = perf_counter()
    for row in asked:
        body = row["body"] and {**row["body"], "client_order_id": row["body"]["client_order_id"][::-1], "side": "buy", "qty": "1"}
        _ask(stub.url, row["method"], row["path"], row["query"], body, connection)
    return perf_counter() - started


def _ask(url: str, method: str, path: str, query: dict[str, str], body: object, connection: HTTPConnection | None = None) -> None:
    asking = connection or HTTPConnection(urlsplit(url).netloc)
    keys = {"APCA-API-KEY-ID": KEY_ID, "APCA-API-SECRET-KEY": SECRET_KEY}
    asking.request(method, f"{path}?{urlencode(query)}", json.dumps(body) if body else None, keys)
    answer = asking.getresponse()
    if answer.status != 200:
        raise RuntimeError(f"{method} {path} was answered with {answer.status}: {answer.read()[:300]!r}")
    answer.read()


# one step


def _submit(home: OrderingHome, ledger: Ledger, desk: OrderDesk) -> float:
    decision = home.commit(ledger, quantity=1)
    started = perf_counter()
    ended = submit_decided(desk, decision)
    seconds = perf_counter() - started
    if ended.outcome != "traded":
        raise RuntimeError(f"It was to be traded, but it was {ended}")
    return seconds


def _recover(home: OrderingHome, ledger: Ledger, desk: OrderDesk) -> float:
    started = perf_counter()
    recover(desk, DAY)
    return perf_counter() - started


STEPS: dict[str, Callable[[OrderingHome, Ledger, OrderDesk], float]] = {
    "submit": _submit,
    "listed": _recover,
    "lost": _recover,
}


def main(step: str, folder: Path, url: str) -> None:
    import alpaca.trading.client  # noqa: F401 - the adapter imports it late

    home = _home(folder, url)
    stub = StubProcess(url)
    with closing(home.ledger()) as ledger:
        desk = home.desk(ledger, deadline_s=SUBMIT_DEADLINE_S)
        with closing(desk.broker):
            if step == "submit":
                recover(desk, DAY)
            before = len(stub.state()["asked"])
            seconds = STEPS[step](home, ledger, desk)
    print(json.dumps({"seconds": seconds, "asked": len(stub.state()["asked"]) - before}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), sys.argv[3])
