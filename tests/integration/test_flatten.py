"""A person closes everything: `flatten` is a second attempt at the day's decision, sent once whatever dies on the way."""

import shutil
import signal
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from nightdesk.brokers.paper import PaperBroker
from nightdesk.cli.stop import stop
from nightdesk.day.flatten import flatten_book
from nightdesk.day.lineage import traced_order, traced_session
from nightdesk.day.replay import replays
from nightdesk.errors import Misconfigured, TryAgain
from nightdesk.ledger.halts import submit_halt
from schemas.records import Consent, Order
from schemas.reports import DayReport
from tests.desks import played, settings_in
from tests.faults.flatten_player import AT, BOUNDARIES, flatten_and_die
from tests.forks import FORKS, start_fork_server
from tests.homes import copy_ledgers, ledger_in, ledgers_of
from tests.strategy_documents import NO_MLFLOW, saved, seed, with_key

BOOK = "paper/cheap/cheap"
MONDAY, TUESDAY, THURSDAY = "2018-12-03", "2018-12-04", "2018-12-06"


def strategy(folder: Path, **changes: object) -> str:
    """A strategy that buys on Monday."""
    document = seed()
    for name, value in changes.items():
        document = with_key(document, name.replace("__", "."), value)
    return saved(document, folder)


def play(path: str, session: str, home: Path) -> DayReport:
    return played(path, session, home, mlflow_uri=NO_MLFLOW)


def flatten(path: str, home: Path) -> tuple[str, int]:
    made = flatten_book(path, "paper", "ann", "enough", settings_in(home, mlflow_uri=NO_MLFLOW))
    return made.outcome, made.exit_code


def orders(home: Path) -> list[Order]:
    ledger = ledger_in(home)
    found = sorted(ledger.orders(BOOK), key=lambda order: (order.decided_session, order.attempt))
    ledger.close()
    return found


def approve(home: Path, report: DayReport) -> None:
    ledger = ledger_in(home)
    ledger.append_consent(Consent(report.decision_sha256, BOOK, report.session, "approve", "bob", AT))
    ledger.close()


def holding(folder: Path, **changes: object) -> tuple[str, Path]:
    """A book that bought at Tuesday's open and has decided on Tuesday to hold."""
    path, home = strategy(folder, **changes), folder / "home"
    report = play(path, MONDAY, home)
    if report.outcome == "waiting":
        approve(home, report)
        play(path, MONDAY, home)
    assert list(play(path, TUESDAY, home).holdings) == ["SPXSIM"]
    return path, home


def test_what_was_bought_today_is_called_back_and_nothing_is_sold_that_is_not_held(tmp_path: Path) -> None:
    path, home = strategy(tmp_path), tmp_path / "home"
    assert play(path, MONDAY, home).outcome == "traded"
    assert flatten(path, home) == ("no change", 0)
    (order,) = orders(home)
    assert (order.status, order.reason) == ("canceled", "flattened by ann: enough")
    following = play(path, TUESDAY, home)
    assert (following.holdings, following.orders, following.control["state"]) == ({}, (), "REDUCING")


def test_all_that_is_held_is_sold_at_the_next_open_by_a_second_attempt_that_needs_no_approval(tmp_path: Path) -> None:
    path, home = holding(tmp_path, broker__execution="confirm")
    (bought,) = orders(home)
    assert flatten(path, home) == ("traded", 0)
    _, sold = orders(home)
    assert (sold.quantity, sold.status, sold.attempt) == (-bought.quantity, "accepted", 2)
    assert flatten(path, home) == ("traded", 0)
    assert len(orders(home)) == 2, "a second flatten finds it on its way"

    ledger = ledger_in(home)
    first, second = (ledger.decision(BOOK, date.fromisoformat(TUESDAY), attempt) for attempt in (1, 2))
    assert first is not None and second is not None
    consent = ledger.consent(second.sha256)
    assert ledger.broken_links(BOOK) == {}
    ledger.close()
    assert "flatten" not in first.body
    assert second.body["flatten"] == {"attempt": 2, "who": "ann", "why": "enough"}
    assert consent is not None and (consent.answer, consent.who, consent.reason) == ("approve", "ann", "enough")
    here = settings_in(home, mlflow_uri=NO_MLFLOW)
    assert [(str(row.session), row.difference) for row in replays(path, "paper", None, here)] == [
        (MONDAY, ""),
        (TUESDAY, ""),
        (TUESDAY, ""),
    ]
    newest = traced_session(path, date.fromisoformat(TUESDAY), "paper", here)["decision"]
    assert traced_order(sold.order_id, here)["decision"] == newest
    assert isinstance(newest, dict) and newest["sha256"] == second.sha256
    assert traced_order(bought.order_id, here)["session"] == MONDAY

    again = play(path, TUESDAY, home)
    assert again.resumed and [row["side"] for row in again.orders] == ["sell"]
    following = play(path, THURSDAY, home)
    assert following.holdings == {} and [fill["side"] for fill in following.fills] == ["sell"]


def test_a_days_own_order_that_closes_all_is_left_on_its_way(tmp_path: Path) -> None:
    path, home = holding(tmp_path, limits__end_date=TUESDAY)
    closing = [order for order in orders(home) if order.quantity < 0]
    assert [order.status for order in closing] == ["accepted"]
    assert flatten(path, home) == ("traded", 0)
    assert [order for order in orders(home) if order.quantity < 0] == closing


def test_the_size_of_an_order_that_closes_is_no_hindrance_to_a_person_but_is_one_to_a_day(tmp_path: Path) -> None:
    _, home = holding(tmp_path)
    narrow = strategy(tmp_path / "narrow", limits__max_order_notional=1000.0, limits__end_date=TUESDAY)
    report = play(narrow, THURSDAY, home)
    assert (report.outcome, report.orders) == ("no trade: limit", ())
    assert flatten(narrow, home) == ("traded", 0)
    assert [order.attempt for order in orders(home) if order.quantity < 0] == [2]


def test_a_halt_of_every_book_stands_above_a_flatten_and_is_named(tmp_path: Path) -> None:
    path, home = holding(tmp_path)
    submit_halt(ledgers_of(home), "", "bob", AT, "odd prices")
    assert flatten(path, home) == ("no trade: halted", 0)
    assert [order.quantity for order in orders(home) if order.quantity < 0] == []


def test_nothing_is_sold_while_the_end_of_an_order_is_not_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, home = strategy(tmp_path), tmp_path / "home"
    play(path, MONDAY, home)

    def away(*_: object) -> None:
        raise TryAgain("the broker is away")

    monkeypatch.setattr(PaperBroker, "find_order", away)
    with pytest.raises(TryAgain, match=r"REDUCING; nothing more was sent: .*the broker is away"):
        flatten(path, home)
    assert [order.status for order in orders(home)] == ["accepted"]


@pytest.fixture(scope="module")
def held(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    start_fork_server()
    yield holding(tmp_path_factory.mktemp("held"))


@pytest.mark.parametrize("boundary", BOUNDARIES)
def test_a_flatten_that_is_killed_and_run_again_sells_once(boundary: str, held: tuple[str, Path], tmp_path: Path) -> None:
    path, home = held[0], tmp_path / "home"
    shutil.copytree(held[1], home)
    copy_ledgers(held[1], home)
    child = FORKS.Process(target=flatten_and_die, args=(path, home, boundary))
    child.start()
    child.join(timeout=60)
    assert child.exitcode == -signal.SIGKILL
    assert flatten(path, home) == ("traded", 0)
    sales = [order for order in orders(home) if order.quantity < 0]
    assert [order.status for order in sales] == ["accepted"]
    report = play(path, THURSDAY, home)
    assert report.holdings == {} and [Decimal(str(fill["quantity"])) for fill in report.fills] == [-sales[0].quantity]


def test_stop_says_what_it_did_whether_or_not_prefect_is_at_hand(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path, home = strategy(tmp_path), tmp_path / "home"
    play(path, MONDAY, home)
    here = settings_in(home, mlflow_uri=NO_MLFLOW, prefect_api_url="http://127.0.0.1:9/api")
    monkeypatch.setattr("nightdesk.settings.settings", lambda: here)
    with pytest.raises(Misconfigured, match="--exit was 'sell', allowed: keep, cancel or flatten"):
        stop(path, "sell", "enough")
    stop(path, "cancel", "enough")
    said = capsys.readouterr().out.splitlines()
    (order,) = orders(home)
    assert (order.status, said[0]) == ("canceled", f"{order.order_id}: canceled")
    assert said[1].startswith("HALTED: the paper book") and "No Prefect server can be reached" in said[2]
    stop(path, "flatten", "all of it")
    assert capsys.readouterr().out.splitlines()[-1] == "No change: the book holds nothing, and no order of it is open"
    ledger = ledger_in(home)
    assert [(row.state, row.reason) for row in ledger.controls(BOOK)] == [("HALTED", "enough"), ("REDUCING", "all of it")]
    ledger.close()
