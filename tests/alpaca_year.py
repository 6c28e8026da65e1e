"""Sessions in a row at Alpaca's stub, where five percent of the reads and a quarter of the orders go wrong in one of many ways.

Whole days run in this process at 16:20, `submit` at 19:05, 08:45 and 09:20; a day that ends with "try again" is run again, as
Prefect does. Splits and dividends come with their bars, deposits are taken over as a person would. After every day that settled,
broker and ledger are held against each other.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from random import Random
from typing import Final

from nightdesk.adopting import Takeover, adopt, waiting_changes
from nightdesk.errors import TryAgain
from nightdesk.ledger.halts import submit_release
from tests.alpaca_account import NYSE, AlpacaAccount
from tests.alpaca_data_server import Reply, told
from tests.alpaca_desk import BOOK, AlpacaDesk, alpaca_desk, at
from tests.alpaca_faults import CLOSED, DROPPED, HTML, MODES, PAGE, SILENT, TIMED_OUT, Fault
from tests.alpaca_stub import AlpacaStub, Asked

SHARES: Final = {"GET": 0.05, "POST": 0.25}
"""How many of the requests to the broker go wrong. There are a hundred reads for each order."""
READS: Final = {
    "500": told(500, {"message": "internal server error occurred"}),
    "502-html": HTML,
    "504": TIMED_OUT,
    "429": Reply(429, b'{"code":42910000,"message":"rate limit exceeded"}', {"X-RateLimit-Remaining": "0"}),
    "drop": CLOSED,
    "drop-midway": DROPPED,
    "hang": SILENT,
    "200-empty": Reply(200),
    "200-truncated": Reply(200, b'[{"id": "61e69015-8549-4b'),
    "302": Reply(302, b"", {"Location": "/elsewhere"}),
    "401-html": Reply(401, PAGE, {"Content-Type": "text/html"}),
}
"""What a read may be answered with, whatever was asked."""
ELSEWHERE: Final = {"accept-then-504-always", "429-thrice", "duplicate-page", "half-day", "split-overnight", "symbol-renamed"}
"""Modes that are tested on their own: they last, or they move the market, which here its bars do."""


@dataclass
class FaultyStub(AlpacaStub):
    """A stub of which a share of the requests goes wrong, drawn from `chance`. `struck` counts how."""

    chance: Random = field(default_factory=Random)
    struck: Counter[str] = field(default_factory=Counter)

    def reply(self, asked: Asked) -> Reply:
        with self._lock:
            if self.chance.random() < SHARES.get(asked.method, 0.0):
                name, fault = self._drawn(asked)
                self.struck[f"{asked.method} {name}"] += 1
                self.faults = [fault]
            answer = super().reply(asked)
            self.faults = []
            return answer

    def _drawn(self, asked: Asked) -> tuple[str, Fault]:
        made = {name: mode() for name, mode in MODES.items() if name not in ELSEWHERE}
        fitting = {name: fault for name, fault in made.items() if (fault.method, fault.path) == (asked.method, asked.path)}
        if asked.method == "GET":
            fitting |= {name: Fault(reply, method="GET", path=asked.path, accepts=False) for name, reply in READS.items()}
        name = self.chance.choice(sorted(fitting))
        fault = fitting[name]
        return name, replace(fault, appears_after_s=0.6) if fault.appears_after_s else fault


@dataclass
class Tally:
    """What the sessions came to. `looked_days` are days at which a person had to act, with why; `looked_orders` the orders of
    unknown outcome at the last `submit` before their open."""

    days: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    looked_days: dict[date, str] = field(default_factory=dict)
    looked_orders: set[str] = field(default_factory=set)
    orders: Counter[str] = field(default_factory=Counter)


class Operator:
    """Who runs the desk: the schedule, and a person who looks when it says so."""

    def __init__(self, desk: AlpacaDesk, deposits: Sequence[date] = ()) -> None:
        self.desk, self.deposits, self.tally = desk, set(deposits), Tally()

    def live_through(self, sessions: Sequence[date]) -> Tally:
        for session in sessions:
            self._morning(session)
            if session in self.deposits:
                self.desk.move_to(at(session, 11, 0))
                self.desk.stub.account.book("CSD", "savings", Decimal(2000))
            self._evening(session)
        self._require_orders_out_are_intents_in()
        return self.tally

    def _morning(self, session: date) -> None:
        for hour, minute in ((8, 45), (9, 20)):
            self.desk.submit(session, hour, minute)
        with self.desk.ledger() as ledger:
            self.tally.looked_orders |= {order.order_id for order in ledger.orders(BOOK, statuses=("unknown",))}

    def _evening(self, session: date) -> None:
        report, tries = self.desk.day(session), 1
        while report.outcome.startswith("failed"):
            if tries > 3 or report.exit_code != TryAgain.exit_code:
                self.tally.looked_days.setdefault(session, report.reason)
                self._look()
            assert tries < 20, report.reason
            report, tries = self.desk.day_now(), tries + 1
        self.desk.require_equal()
        self.tally.days += 1
        self.tally.outcomes[report.outcome] += 1
        self.desk.submit(session)

    def _look(self) -> None:
        """What a person does: takes over what changed outside, as capital, and lets the desk go on."""
        takeover = Takeover(self.desk.strategy, "paper", capital=True, renames={})
        changes, _ = waiting_changes(takeover, self.desk.here)
        if not changes:
            return
        unexplained = [row.sentence for row in changes if "a deposit of 2,000.00 (CSD)" not in row.sentence]
        assert not unexplained, unexplained
        adopt(takeover, changes, "ana", "savings", self.desk.here)  # a look afterwards that goes wrong is the day's again
        submit_release(self.desk.here.home, BOOK, "ana", self.desk.now(), "savings")

    def _require_orders_out_are_intents_in(self) -> None:
        """Each intent that left is one order at the broker, with its quantity; none is there without an intent."""
        out: dict[str, list[Decimal]] = {}
        for row in self.desk.stub.account.orders:
            sign = 1 if row["side"] == "buy" else -1
            out.setdefault(row["client_order_id"], []).append(sign * Decimal(row["qty"]))
        with self.desk.ledger() as ledger:
            intents = {order.order_id: order for order in ledger.orders(BOOK)}
        assert out.keys() <= intents.keys()
        for name, order in intents.items():
            sent = order.status in ("accepted", "filled") or name in out
            assert out.get(name, []) == ([order.quantity] if sent else []), name
            assert order.sent_at is not None or not sent, name
            self.tally.orders[order.status] += 1


def next_sessions(first: date, count: int) -> list[date]:
    return [NYSE.after(first, number) if number else first for number in range(count)]


@dataclass(frozen=True)
class Lived:
    """How a stretch of sessions went: what the operator counted, and what went wrong on the wire."""

    tally: Tally
    struck: Counter[str]


def lived(
    folder: Path,
    sessions: Sequence[date],
    seed: int,
    splits: Mapping[date, float],
    dividends: Sequence[date],
    deposits: Sequence[date],
) -> Lived:
    """Live through sessions on a made-up market, with the faults of a seed."""
    stubs: list[FaultyStub] = []

    def new_stub(account: AlpacaAccount) -> AlpacaStub:
        stubs.append(FaultyStub(account, chance=Random(seed)))
        return stubs[0]

    with alpaca_desk(folder, sessions[0], sessions[-1], seed, dict.fromkeys(dividends, 0.37), splits, new_stub) as desk:
        return Lived(Operator(desk, deposits).live_through(sessions), stubs[0].struck)
