"""Alpaca's stub as a process of its own, for tests that kill what talks to it."""

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class StubProcess:
    """A running stub at `url`. What moves it answers its state: now, cash, positions, orders, activities, asked, ..."""

    url: str

    def state(self) -> dict[str, Any]:
        return self._post("state")

    def orders(self) -> list[dict[str, Any]]:
        """All orders that it ever took, as on the wire, oldest first; also those that it does not show yet."""
        orders: list[dict[str, Any]] = self.state()["orders"]
        return orders

    def asked(self, method: str, path: str = "/v2/orders") -> list[dict[str, Any]]:
        """The requests that arrived, with `query` and `body`."""
        return [row for row in self.state()["asked"] if (row["method"], row["path"]) == (method, path)]

    def set_time(self, now: datetime) -> dict[str, Any]:
        """Let the account's time pass, with every open and close on the way."""
        return self._post("time", now=now.isoformat())

    def show_open(self, session: date, symbol: str, price: float | None, dividend: float = 0, split: float = 1) -> dict[str, Any]:
        return self._post("open", session=str(session), symbol=symbol, price=price, dividend=dividend, split=split)

    def book(self, kind: str, name: str, amount: float) -> dict[str, Any]:
        """An activity without a trade, as a deposit (CSD)."""
        return self._post("book", kind=kind, name=name, amount=amount)

    def rename(self, old: str, new: str) -> dict[str, Any]:
        return self._post("rename", old=old, new=new)

    def fault(self, mode: str, **changes: Any) -> dict[str, Any]:
        """Switch a mode of tests/alpaca_faults.py on; `times`, `method`, `path` and `appears_after_s` may be changed."""
        return self._post("fault", mode=mode, **changes)

    def set(self, **fields: Any) -> dict[str, Any]:
        """Numbers of `AlpacaStub`: budget, minute_s, appears_after_s, skew (in seconds), most_a_page."""
        return self._post("set", **fields)

    def set_account(self, **fields: Any) -> dict[str, Any]:
        """Fields of `AlpacaAccount`: cash, multiplier, flags, whole_only, untradable, unlisted, pays_after, ..."""
        return self._post("account", **fields)

    def _post(self, name: str, /, **body: Any) -> dict[str, Any]:
        request = Request(f"{self.url}/stub/{name}", json.dumps(body).encode(), {"Content-Type": "application/json"})
        with urlopen(request, timeout=30) as answer:
            state: dict[str, Any] = json.load(answer)
        return state


@contextmanager
def stub_process(now: datetime, cash: float = 10_000, validate: bool = False) -> Iterator[StubProcess]:
    """A stub on a free port whose account stands at `now`, tz-aware; it ends with the block, or with its parent."""
    command = [sys.executable, "-m", "tests.alpaca_stub", "--now", now.isoformat(), "--cash", str(cash)]
    with subprocess.Popen(
        [*command, *(["--validate"] if validate else [])], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None and process.stdout is not None
        try:
            yield StubProcess(process.stdout.readline().strip())
        finally:
            process.stdin.close()
            process.wait(30)
