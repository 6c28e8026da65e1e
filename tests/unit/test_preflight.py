"""What must be so before a strategy trades live: each thing that is missing names itself, and nothing is changed."""

import io
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from pydantic import SecretStr

from nightdesk.cli import live_checks
from nightdesk.cli.deployments import lacking
from nightdesk.cli.live import live
from nightdesk.cli.preflight import Line, preflight
from nightdesk.clock import WallClock
from nightdesk.errors import Misconfigured
from nightdesk.ledger import tables
from nightdesk.ledger.halts import submit_halt, submit_live
from nightdesk.ledger.status import book_statuses
from nightdesk.ledger.store import Ledger
from nightdesk.orders.recover import recover
from nightdesk.settings import Settings
from nightdesk.wiring.orders import new_book, open_ledger, open_order_desk
from schemas.evidence import Evidence, GateResult, gate_document
from schemas.records import Mark, Mode, ModelRef, OutsideChange
from schemas.strategy import Strategy
from tests.alpaca_account import AlpacaAccount
from tests.alpaca_data_server import KEY_ID, SECRET_KEY
from tests.alpaca_faults import Fault, having
from tests.alpaca_openapi import what_is_wrong
from tests.alpaca_stub import AlpacaStub, serving
from tests.alpaca_world import evening
from tests.ledgers import in_one_transaction
from tests.paper_market import SESSIONS
from tests.strategy_documents import Document, saved, seed, with_key

NUMBER = AlpacaAccount.number
TODAY = evening(SESSIONS[0])
OWN = {
    "broker.name": "alpaca",
    "broker.account_number": NUMBER,
    "market.source": "yahoo",
    "limits.max_order_notional": 50_000.0,
    "limits.max_position_share": 1.0,
    "limits.max_daily_loss": 0.05,
    "limits.max_drawdown": 0.2,
    "limits.end_date": str(SESSIONS[0] + timedelta(days=200)),
}


def live_document() -> Document:
    document = seed()
    for key, value in OWN.items():
        document = with_key(document, key, value)
    return document


@dataclass
class Case:
    """A strategy that may go live, in a home where it was played on paper; a test spoils one thing."""

    home: Path
    stub: AlpacaStub
    document: Document = field(default_factory=live_document)
    settings: dict[str, Any] = field(default_factory=dict)

    @property
    def strategy(self) -> Strategy:
        return Strategy.model_validate(self.document)

    @property
    def here(self) -> Settings:
        keys = {"alpaca_key_id": KEY_ID, "alpaca_secret_key": SecretStr(SECRET_KEY)}
        return Settings(**{"home": self.home, "alpaca_url": self.stub.url, "live_account": NUMBER, **keys, **self.settings})

    def set(self, key: str, value: object) -> None:
        self.document = with_key(self.document, key, value)

    def ledger(self, mode: Mode) -> Ledger:
        ledger = open_ledger(mode, self.here)
        ledger.open_book(new_book(self.strategy, mode))
        return ledger

    def play_on_paper(self, sessions: int, gate: str) -> None:
        money, book = Decimal(100), new_book(self.strategy, "paper").book_id
        with closing(self.ledger("paper")) as ledger:
            days = [SESSIONS[0] - timedelta(days=number) for number in range(sessions)]
            ledger.append_marks([Mark(book, day, money, Decimal(0), money, money, None) for day in days])
            ends = dict.fromkeys(("train_first", "train_last", "test_first", "test_last"))
            hashes = {"config_sha256": self.strategy.learning_sha256, "data_sha256": "", "sha256": "", "file_sha256": ""}
            fit: Any = {"model_id": "m", "book_id": book, "estimator": "e", "cutoff": SESSIONS[0], "file": "", **ends, **hashes}
            ledger.append_model(ModelRef(**fit, status=gate, reason="test accuracy 0.528 is above 0.500"), promote=False)

    def backtest_said(self, **passed: bool) -> None:
        """A backtest of the strategy as it is now, with what each gate said."""
        gates = [GateResult(name, "m", ok, 250, 0.1, 0.0, {}, "" if ok else "250 more sessions.") for name, ok in passed.items()]
        hashes, days = (self.strategy.config_sha256, self.strategy.target_sha256), (SESSIONS[0], SESSIONS[0])
        with closing(self.ledger("paper")) as ledger:
            said = [gate_document(gate) for gate in gates]
            ledger.append_evidence(Evidence(*hashes, self.strategy.name, *days, "", said, TODAY))

    def lines(self) -> dict[str, Line]:
        return {line.name: line for line in preflight(self.strategy, self.here)}


@pytest.fixture
def case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    account = AlpacaAccount(TODAY, cash=Decimal(100_000), multiplier=1)
    monkeypatch.setattr(WallClock, "now", lambda _: TODAY)
    monkeypatch.setattr(live_checks, "lacking", lambda _: "")
    with serving(AlpacaStub(account, what_is_wrong)) as stub:
        made = Case(tmp_path / "home", stub)
        made.play_on_paper(21, "passed")
        made.backtest_said(accuracy=True, excess=True)
        yield made
        assert {row.method for row in stub.asked} <= {"GET"}, "it only looks"
        assert stub.invalid == []


def test_all_is_right_for_a_strategy_that_says_all_that_is_asked(case: Case) -> None:
    lines = case.lines()
    assert [line for line in lines.values() if not line.ok] == []
    assert "stand in for Alpaca" in lines["address"].found and "accuracy, excess passed" in lines["evidence"].found
    assert not (case.home / "ledger" / "live.sqlite").exists() and not (case.home / "broker").exists()


def halted(case: Case) -> None:
    case.ledger("live").close()
    submit_halt(case.home, new_book(case.strategy, "live").book_id, "ann", TODAY, "odd prices")


def changed_outside(case: Case) -> None:
    with closing(case.ledger("live")) as ledger:
        book = new_book(case.strategy, "live").book_id
        change = OutsideChange(book, "cash", SESSIONS[0], "", Decimal(0), Decimal(5), "5 USD came in", TODAY)
        in_one_transaction(ledger, lambda connection: _insert(connection, change))


def _insert(connection: sa.Connection, change: OutsideChange) -> None:
    connection.execute(sa.insert(tables.outside_changes), asdict(change))


def holds_more_than_the_broker(case: Case) -> None:
    """The book was opened when the account had more."""
    case.stub.account.cash = Decimal(150_000)
    with closing(open_ledger("live", case.here)) as ledger:
        desk = open_order_desk(case.strategy, "live", SESSIONS[0], ledger, case.here)
        with closing(desk.broker):
            recover(desk, SESSIONS[0])
    case.stub.account.cash = Decimal(149_000)


def lost(case: Case) -> None:
    """Paper was never played."""
    for file in (case.home / "ledger").glob("paper*"):
        file.unlink()


SPOILED: dict[str, tuple[Callable[[Case], object], str, str]] = {
    "paper broker": (lambda case: case.set("broker.name", "paper"), "broker", "broker.name was 'paper'"),
    "sample market": (lambda case: case.set("market.source", "sample"), "broker", "market.source was 'sample'"),
    "no number": (lambda case: case.set("broker.account_number", None), "switches", "broker.account_number is missing"),
    "one switch": (lambda case: case.settings.update(live_account=""), "switches", f"allowed: {NUMBER}"),
    "two accounts": (lambda case: case.settings.update(live_account="B2"), "switches", "NIGHTDESK_LIVE_ACCOUNT was 'B2'"),
    "paper's address": (
        lambda case: case.settings.update(alpaca_url="https://paper-api.alpaca.markets"),
        "address",
        "allowed: https://api.alpaca.markets",
    ),
    "another's address": (lambda case: case.settings.update(alpaca_url="https://api.example.com"), "address", "example.com"),
    "no keys": (lambda case: case.settings.update(alpaca_key_id=""), "keys", "APCA_API_KEY_ID"),
    "keys of paper": (lambda case: case.settings.update(alpaca_key_id="PK-PAPER"), "keys", "refused the keys"),
    "another account": (lambda case: setattr(case.stub.account, "number", "B2"), "account", "open the account B2"),
    "blocked": (lambda case: case.stub.account.flags.update(trading_blocked=True), "account", "takes no orders"),
    "currency": (
        lambda case: case.stub.faults.append(Fault(change=having(currency="EUR"), method="GET", path="/v2/account")),
        "account",
        "allowed: EUR",
    ),
    "clock": (lambda case: setattr(case.stub, "skew", timedelta(seconds=31)), "clock", "31 s apart"),
    "calendar": (
        lambda case: case.stub.faults.append(Fault(change=lambda rows: rows[1:], method="GET", path="/v2/calendar")),
        "calendar",
        "the broker has none",
    ),
    **{
        f"default {name}": ((lambda key: lambda case: case.set(key, None))(f"limits.{name}"), "limits", f"limits.{name}")
        for name in ("max_daily_loss", "max_drawdown", "end_date", "max_position_share")
    },
    "past end": (lambda case: case.set("limits.end_date", str(SESSIONS[0])), "limits", "limits.end_date was"),
    "capital": (lambda case: case.set("capital", 100_001), "capital", "100001"),
    "halted": (halted, "state", "HALTED by ann: odd prices"),
    "outside": (changed_outside, "outside", "5 USD came in"),
    "books": (holds_more_than_the_broker, "books", "150000"),
    "hardly played": (lost, "paper", "has played 0 sessions, wanted: 21"),
    "never fitted": (lost, "gate", "No model was fitted yet"),
    "no backtest": (
        lost,
        "evidence",
        "No backtest of this strategy file, as it is now, is on record: `nightdesk backtest cheap`",
    ),
    "other costs": (lambda case: case.set("costs.slippage_bps", 2.0), "evidence", "No backtest of this strategy file"),
    "a gate failed since": (
        lambda case: case.backtest_said(accuracy=True, excess=False),
        "evidence",
        "1 of 2 gates did not pass. excess: 250 more sessions.",
    ),
    "another model": (lambda case: case.set("model.train_fraction", 0.7), "gate", "by this strategy file: there is none"),
}


@pytest.mark.parametrize("name", SPOILED)
def test_what_is_missing_names_itself(name: str, case: Case) -> None:
    spoil, line, said = SPOILED[name]
    spoil(case)
    found = case.lines()[line]
    assert not found.ok and said in found.found, found
    assert found.waived_by == live_checks.WAIVABLE.get(line, ())


def test_without_a_prefect_server_it_says_how_to_start_one(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live_checks, "lacking", lacking)
    found = case.lines()["prefect"]
    assert not found.ok and "`nightdesk up` starts one" in found.found


def test_to_go_live_again_forgives_no_loss_and_releases_nothing(case: Case) -> None:
    book = new_book(case.strategy, "live")
    with closing(case.ledger("live")) as ledger:
        ledger.append_marks([Mark(book.book_id, date(2018, 12, 3), Decimal(1), Decimal(0), Decimal(1), Decimal(1), None)])
        submit_live(ledger, book, "ann", TODAY, "live: all of it")
        assert ledger.released_at(book.book_id) is None
        assert [(row.state, row.who, row.reason) for row in ledger.controls(book.book_id)] == [
            ("ACTIVE", "ann", "live: all of it")
        ]
    halted(case)
    with closing(case.ledger("live")) as ledger, pytest.raises(Misconfigured, match="HALTED by ann: odd prices"):
        submit_live(ledger, book, "ann", TODAY, "live: again")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


REFUSED = {
    "typed wrong": (Terminal("B2\n"), "", "the account's number was 'B2', allowed: PA3TESTACCT1"),
    "typed nothing": (Terminal("\n"), "", "the account's number was ''"),
    "given wrong": (Terminal(), "PA3TESTACCT", "the account's number was 'PA3TESTACCT'"),
    "nobody there": (io.StringIO(f"{NUMBER}\n"), "", "Nobody can type the account's number here"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_unless_the_accounts_number_is_typed_nothing_is_changed(
    name: str, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stdin, given, said = REFUSED[name]
    monkeypatch.setattr("nightdesk.settings.settings", lambda: case.here)
    monkeypatch.setattr("sys.stdin", stdin)
    with pytest.raises(Misconfigured, match=said):
        live(saved(case.document, tmp_path), "", given)
    assert not (case.home / "ledger" / "live.sqlite").exists()


def gate_failed(case: Case) -> None:
    case.backtest_said(accuracy=False)


@pytest.mark.parametrize(
    ("spoil", "override", "gates"),
    [(lost, "", ""), (lost, "  ", " "), (halted, "I know", "I know"), (gate_failed, "I know", ""), (lost, "", "I know")],
)
def test_what_is_missing_ends_it_and_each_override_waives_its_own_lines(
    spoil: Callable[[Case], object], override: str, gates: str, case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spoil(case)
    monkeypatch.setattr("nightdesk.settings.settings", lambda: case.here)
    with pytest.raises(
        Misconfigured, match=r"is not live, nothing was changed: (paper.*--override|state|evidence.*--override-gates)"
    ):
        live(saved(case.document, tmp_path), override, NUMBER, gates)


def test_an_override_is_kept_and_shown_until_the_strategy_goes_live_without_one(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nightdesk.settings.settings", lambda: case.here)
    monkeypatch.setattr("nightdesk.cli.deployments.deploy_live", lambda *_: ("daily",))
    case.backtest_said(accuracy=False)
    live(saved(case.document, tmp_path), "", NUMBER, "small and watched")
    shown = [row for row in book_statuses(case.home) if row["book"] == new_book(case.strategy, "live").book_id]
    assert "evidence: small and watched (" in shown[0]["override"]
    case.backtest_said(accuracy=True)
    live(saved(case.document, tmp_path), "", NUMBER)
    assert [row["override"] for row in book_statuses(case.home)] == ["", ""]
