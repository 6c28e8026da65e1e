"""Frozen records of what a book decided, ordered, holds and may do. No pandas: the process that orders imports these."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

Mode = Literal["paper", "live", "backfill"]
Origin = Literal["scheduled", "manual", "backfill", "reconstructed"]
OrderStatus = Literal["intent", "accepted", "filled", "rejected", "expired", "canceled", "unknown"]
State = Literal["ACTIVE", "REDUCING", "HALTED"]
Json = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Book:
    """One account, one mode, one strategy. `capital` is the opening deposit; `opened` the first session, None before it."""

    book_id: str
    account: str
    mode: Mode
    strategy: str
    currency: str
    capital: Decimal
    opened: date | None = None


@dataclass(frozen=True, slots=True)
class Order:
    """One order. `quantity` is signed (plus buys). `order_id` is the client order id, a function of what it is for.

    "intent": no request was begun. "unknown": one was, at `sent_at`, and nobody knows what became of it.
    """

    order_id: str
    book_id: str
    decided_session: date
    execution_session: date
    instrument: str
    instrument_id: str
    leg: str
    attempt: int
    quantity: Decimal
    time_in_force: str
    reference_price: Decimal
    origin: Origin
    decision_sha256: str
    status: OrderStatus = "intent"
    reason: str = ""
    sent_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Fill:
    """One fill at the open of `session`. `price` includes slippage; `commission` and `slippage` are costs, >= 0."""

    fill_id: str
    order_id: str
    book_id: str
    session: date
    instrument: str
    quantity: Decimal
    price: Decimal
    commission: Decimal
    slippage: Decimal
    note: str = ""


@dataclass(frozen=True, slots=True)
class PositionEvent:
    """A change of holdings: fill, split, transfer, adoption or delisting. Holdings are the sum of these."""

    event_id: str
    book_id: str
    session: date
    instrument: str
    kind: Literal["fill", "split", "transfer", "adoption", "delisting"]
    quantity: Decimal
    reference: str = ""


@dataclass(frozen=True, slots=True)
class CashEvent:
    """A change of cash; cash is the sum of these. "rounding" is what a broker that books whole cents differs by, "split" what was
    paid for a fraction of a share, "adoption" what a trade came to that a person took over."""

    event_id: str
    book_id: str
    session: date
    kind: Literal["deposit", "trade", "commission", "fee", "dividend", "interest", "rounding", "split", "adoption"]
    amount: Decimal
    currency: str
    reference: str = ""


@dataclass(frozen=True, slots=True)
class Mark:
    """A book at the close of `session`: equity = cash + positions_value. `flow` came in before the open."""

    book_id: str
    session: date
    cash: Decimal
    positions_value: Decimal
    equity: Decimal
    flow: Decimal
    benchmark: Decimal | None
    marked_late: bool = False


@dataclass(frozen=True, slots=True)
class Gap:
    """What a book made in `session` beside what its model expected, without flows. The parts from `data` to `outside` add up to
    actual - expected; `note` says what of the decision could not be, or was not, as it was. `equity` is that before the open."""

    book_id: str
    session: date
    equity: Decimal
    expected: Decimal
    actual: Decimal
    data: Decimal
    decision: Decimal
    timing: Decimal
    slippage: Decimal
    fees: Decimal
    skipped: Decimal
    outside: Decimal
    note: str = ""

    @property
    def gap(self) -> Decimal:
        return self.actual - self.expected

    @property
    def gap_bps(self) -> float:
        """The gap in basis points of equity; 0 where there was none."""
        return float(self.gap / self.equity) * 1e4 if self.equity else 0.0


@dataclass(frozen=True, slots=True)
class ModelRef:
    """One fit. `sha256` is that of canonical parameters and learned arrays; `file_sha256` that of the file on disk.

    `metrics` holds train_accuracy, test_accuracy, test_baseline (always the training majority), n_train, n_test and
    what else was scored; `status` is "passed" or "failed" (the gate), or "degenerate" (no usable fit; `reason` says why).
    `gates` are documents of `GateResult`, one for each honest gate that the fit was shown to.
    """

    model_id: str
    book_id: str
    estimator: str
    cutoff: date
    train_first: date | None
    train_last: date | None
    test_first: date | None
    test_last: date | None
    config_sha256: str
    data_sha256: str
    sha256: str
    file: str
    file_sha256: str
    status: Literal["passed", "failed", "degenerate"]
    reason: str
    metrics: Mapping[str, float] = field(default_factory=dict)
    mlflow_run_id: str = ""
    gates: Sequence[Json] = ()


@dataclass(frozen=True, slots=True)
class Decision:
    """One decision, final once committed. `body` is the canonical document whose SHA-256 names it; `envelope` holds run
    ids, versions and wall times, outside the hash. `chain_sha256` ties it to the book's decisions before it; "" until then."""

    book_id: str
    session: date
    execution_session: date
    attempt: int
    origin: Origin
    sha256: str
    body: Json
    envelope: Json
    chain_sha256: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """One attempt at a day: append-only, finished or not."""

    run_id: str
    book_id: str
    session: date | None
    origin: Origin
    orchestrated: bool
    started_at: datetime
    finished_at: datetime | None = None
    outcome: str = ""
    reason: str = ""
    exit_code: int = 0
    decision_sha256: str = ""
    detail: Json = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Control:
    """What a book may do from `at` on, who said so and why. `book_id` "" stands for every book of the ledger.

    HALTED: no order leaves. REDUCING: only orders that reduce a position. `session` is the book's last marked one then.
    """

    book_id: str
    state: State
    session: date | None
    who: str
    at: datetime
    reason: str


@dataclass(frozen=True, slots=True)
class Restriction:
    """What a limit did in a session: kept its orders back where `state` is "", else set the state of the book from then on."""

    session: date
    state: State | Literal[""]
    reason: str


@dataclass(frozen=True, slots=True)
class BrokerAccount:
    """An account as the ledger knows it: which broker it is at, and the number that the broker gave it."""

    account: str
    broker: str
    number: str


@dataclass(frozen=True, slots=True)
class Consent:
    """What a person said to a decision, named by the hash of its document: one answer, the first, stands."""

    decision_sha256: str
    book_id: str
    session: date
    answer: Literal["approve", "reject"]
    who: str
    at: datetime
    reason: str = ""


@dataclass(frozen=True, slots=True)
class OutsideChange:
    """Something at the broker that no order of the desk brought about. `reference` names it: `order/<id>`, `activity/<id>`,
    `position/<instrument>/<number>` or `cash/<number>`. It holds the book until a person has taken it over. What was there before
    the book was opened is kept as taken over by the desk itself, so that it is not found again."""

    book_id: str
    reference: str
    session: date
    instrument: str
    quantity: Decimal
    amount: Decimal
    sentence: str
    found_at: datetime
    adopted_at: datetime | None = None
    adopted_by: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class BookState:
    """A book after the close of `session`, reconciled with its broker. Holdings are signed quantities; flat ones are absent."""

    book_id: str
    session: date
    cash: Decimal
    equity: Decimal
    holdings: Mapping[str, Decimal]
