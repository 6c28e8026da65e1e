"""Days under limits and halts: what leaves, what is held back, and what the desk says of it."""

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from nightdesk.brokers.paper import PaperBroker
from nightdesk.day.opening import open_day
from nightdesk.day.replay import replays
from nightdesk.ledger.file import canonical_json
from nightdesk.ledger.store import Ledger
from schemas.records import Order
from schemas.reports import DayReport
from tests.desks import played, settings_in
from tests.forks import FORKS
from tests.homes import ledger_environment, ledger_in
from tests.strategy_documents import NO_MLFLOW, saved, seed, two_instruments, with_key

BOOK = "paper/cheap/cheap"
MONDAY, TUESDAY, THURSDAY, FRIDAY = "2018-12-03", "2018-12-04", "2018-12-06", "2018-12-07"
NIGHTDESK = [sys.executable, "-c", "from nightdesk.cli import main; main()"]


def strategy(folder: Path, instruments: int = 1, **limits: object) -> str:
    """A strategy that is long from Monday on, with these limits."""
    document = two_instruments(seed()) if instruments == 2 else seed()
    for name, value in limits.items():
        document = with_key(document, f"limits.{name}", value)
    return saved(document, folder)


def play(path: str, session: str, home: Path) -> DayReport:
    return played(path, session, home, mlflow_uri=NO_MLFLOW)


def nightdesk(home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, where neither Prefect nor MLflow nor a network answers."""
    dead = {"NIGHTDESK_PREFECT_API_URL": "http://127.0.0.1:9/api", "NIGHTDESK_MLFLOW_URI": NO_MLFLOW, "NIGHTDESK_HOME": str(home)}
    command = [*NIGHTDESK, *words]
    return subprocess.run(
        command, env=os.environ | dead | ledger_environment(home), capture_output=True, text=True, timeout=110, check=False
    )


def orders(home: Path) -> list[Order]:
    ledger = ledger_in(home)
    found = ledger.orders(BOOK)
    ledger.close()
    return found


def before_submission(patch: pytest.MonkeyPatch, act: Callable[[], None]) -> list[str]:
    """Do something after the decision was committed and before the first order leaves; the ids of what is sent then."""
    sent: list[str] = []
    honest_look, honest_submit = PaperBroker.capabilities, PaperBroker.submit_order
    done: list[bool] = []

    def look(broker: PaperBroker) -> Any:
        if not done:
            done.append(True)
            act()
        return honest_look(broker)

    def submit(broker: PaperBroker, request: Any) -> Any:
        sent.append(request.order_id)
        return honest_submit(broker, request)

    patch.setattr(PaperBroker, "capabilities", look)
    patch.setattr(PaperBroker, "submit_order", submit)
    return sent


def test_a_halt_by_another_process_between_decide_and_submit_lets_no_request_leave(tmp_path: Path) -> None:
    path, home = strategy(tmp_path), tmp_path / "home"
    with pytest.MonkeyPatch.context() as patch:
        sent = before_submission(patch, lambda: print(nightdesk(home, "halt", "--reason", "odd prices").stdout))
        report = play(path, MONDAY, home)
    assert (sent, report.outcome, report.exit_code) == ([], "no trade: halted", 0)
    assert "odd prices" in report.reason and report.control["state"] == "HALTED"
    assert [order.status for order in orders(home)] == ["intent"]

    again = play(path, MONDAY, home)  # another start: still halted
    assert (again.outcome, [order.status for order in orders(home)]) == ("no trade: halted", ["intent"])
    assert nightdesk(home, "resume", "--reason", "prices were right").returncode == 0
    released = play(path, MONDAY, home)
    assert (released.outcome, released.resumed, released.control) == ("traded", True, {})
    assert [order.status for order in orders(home)] == ["accepted"]


def test_an_intent_that_stayed_halted_past_its_open_expires(tmp_path: Path) -> None:
    path, home = strategy(tmp_path), tmp_path / "home"
    with pytest.MonkeyPatch.context() as patch:
        before_submission(patch, lambda: print(nightdesk(home, "halt", "--reason", "odd prices").stdout))
        play(path, MONDAY, home)
    report = play(path, TUESDAY, home)
    assert (report.outcome, report.holdings, report.orders) == ("no trade: halted", {}, ())
    assert [order.status for order in orders(home)] == ["expired"]


def test_a_halted_book_holds_what_it_has_and_trades_again_after_its_release(tmp_path: Path) -> None:
    path, home = strategy(tmp_path), tmp_path / "home"
    play(path, MONDAY, home)
    assert nightdesk(home, "halt", "--book", BOOK, "--reason", "a walk").returncode == 0
    halted = play(path, TUESDAY, home)
    assert (halted.outcome, halted.orders) == ("no trade: halted", ())
    assert list(halted.holdings) == ["SPXSIM"]
    shown = json.loads(nightdesk(home, "status", "--json").stdout)["books"][0]
    assert (shown["state"], shown["why"]) == ("HALTED", "a walk") and shown["who"]
    assert "HALTED by" in nightdesk(home, "status").stdout
    assert nightdesk(home, "resume", "--book", BOOK, "--reason", "back").returncode == 0
    assert play(path, THURSDAY, home).outcome in ("traded", "no change")


def test_resume_where_nothing_is_halted_is_one_sentence_and_exit_code_2(tmp_path: Path) -> None:
    ended = nightdesk(tmp_path, "resume", "--reason", "back")
    assert ended.returncode == 2 and "Nothing to release" in ended.stderr and "Traceback" not in ended.stderr


def test_a_breached_daily_loss_halts_the_book_until_a_person_releases_it(tmp_path: Path) -> None:
    path, home = strategy(tmp_path, max_daily_loss=0.025), tmp_path / "home"
    play(path, MONDAY, home)
    halted = play(path, TUESDAY, home)  # the S&P 500 fell by 3.24 % on 2018-12-04
    assert halted.outcome == "no trade: halted" and list(halted.holdings) == ["SPXSIM"]
    assert "limits.max_daily_loss 2.50%" in halted.reason and halted.control["who"] == "nightdesk"
    assert play(path, THURSDAY, home).outcome == "no trade: halted"
    ledger = ledger_in(home)
    assert [(row.state, row.who) for row in ledger.controls(BOOK)] == [("HALTED", "nightdesk")]
    ledger.close()
    assert nightdesk(home, "resume", "--reason", "seen").returncode == 0
    assert play(path, FRIDAY, home).outcome != "no trade: halted"


@pytest.mark.parametrize("limits", [{"max_drawdown": 0.01}, {"end_date": TUESDAY}], ids=str)
def test_a_drawdown_and_the_end_date_close_the_book_and_open_nothing_more(limits: dict[str, object], tmp_path: Path) -> None:
    path, home = strategy(tmp_path, **limits), tmp_path / "home"
    assert play(path, MONDAY, home).outcome == "traded"
    closing = play(path, TUESDAY, home)
    assert (closing.outcome, [order["side"] for order in closing.orders]) == ("traded", ["sell"])
    assert "REDUCING by nightdesk" in closing.reason and next(iter(limits)) in closing.reason
    closed = play(path, THURSDAY, home)
    assert (closed.outcome, closed.holdings, closed.orders) == ("no trade: halted", {}, ())
    here = settings_in(home, mlflow_uri=NO_MLFLOW)
    assert [made.difference for made in replays(path, "paper", None, here)] == ["", "", ""]


def test_decisions_under_a_halt_are_replayed_to_the_same_bytes_also_after_the_release(tmp_path: Path) -> None:
    path, home = strategy(tmp_path, max_daily_loss=0.025), tmp_path / "home"
    play(path, MONDAY, home)
    play(path, TUESDAY, home)
    nightdesk(home, "resume", "--reason", "seen")
    nightdesk(home, "halt", "--reason", "again")
    play(path, THURSDAY, home)
    nightdesk(home, "resume", "--reason", "seen again")
    here = settings_in(home, mlflow_uri=NO_MLFLOW)
    assert [made.difference for made in replays(path, "paper", None, here)] == ["", "", ""]


def tampered(home: Path, **changes: object) -> None:
    """Another hand in the ledger between the commit and the request: the orders have these values now."""
    ledger = ledger_in(home)
    with ledger.engine.begin() as connection:
        for name, value in changes.items():
            connection.execute(sa.text(f"update orders set {name} = :value"), {"value": value})
    ledger.close()


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"quantity": "Infinity"}, "quantity was Decimal('Infinity')"),
        ({"quantity": "NaN"}, "quantity was Decimal('NaN')"),
        ({"quantity": "-0"}, "quantity was Decimal('-0')"),
        ({"quantity": "40000"}, "limits.max_order_notional"),
        ({"reference_price": "2400"}, "limits.price_collar"),
        ({"reference_price": "Infinity"}, "price was Decimal('Infinity')"),
        ({"instrument": "GME"}, "none of the strategy's instruments"),
        ({"quantity": "-1"}, "limits.allow_short"),
    ],
    ids=str,
)
def test_the_final_request_is_checked_again_immediately_before_it_leaves(
    changes: dict[str, object], said: str, tmp_path: Path
) -> None:
    path, home = strategy(tmp_path), tmp_path / "home"
    with pytest.MonkeyPatch.context() as patch:
        sent = before_submission(patch, lambda: None)
        honest = Ledger.commit_decision

        def commit(ledger: Ledger, *args: Any) -> bool:
            made = honest(ledger, *args)
            tampered(home, **changes)
            return made

        patch.setattr(Ledger, "commit_decision", commit)
        report = play(path, MONDAY, home)
    assert (sent, report.outcome, report.exit_code) == ([], "no trade: limit", 4)
    assert said in report.reason


def test_orders_of_the_account_are_counted_in_the_ledger_and_a_second_one_on_a_side_is_held_back(tmp_path: Path) -> None:
    path, home = strategy(tmp_path, max_orders_per_instrument=1), tmp_path / "home"
    assert play(path, MONDAY, home).outcome == "traded"
    ledger = ledger_in(home)
    (first,) = ledger.orders(BOOK)
    made = ledger.decision(BOOK, first.decided_session)
    assert made is not None
    second = replace(first, order_id="second", attempt=2, status="intent", quantity=Decimal(1))
    body = {**made.body, "reason": "again"}
    sha256 = hashlib.sha256(canonical_json(body).encode()).hexdigest()
    ledger.commit_decision(replace(made, attempt=2, body=body, sha256=sha256), [second])
    ledger.close()
    with pytest.MonkeyPatch.context() as patch:
        sent = before_submission(patch, lambda: None)
        report = play(path, MONDAY, home)
    assert (sent, report.outcome, report.exit_code) == ([], "no trade: limit", 4)
    assert "on the same side was sent" in report.reason and "limits.max_orders_per_instrument 1" in report.reason


def test_more_orders_than_the_account_may_send_keep_the_whole_decision_back(tmp_path: Path) -> None:
    path, home = strategy(tmp_path, instruments=2, max_orders_per_day=1), tmp_path / "home"
    report = play(path, MONDAY, home)
    assert (report.outcome, report.orders) == ("no trade: limit", ())
    assert "limits.max_orders_per_day 1" in report.reason


def test_a_halt_between_two_orders_keeps_the_second_back_and_says_so(tmp_path: Path) -> None:
    path, home = strategy(tmp_path, instruments=2), tmp_path / "home"
    honest = PaperBroker.submit_order
    sent: list[str] = []

    def submit(broker: PaperBroker, request: Any) -> Any:
        sent.append(request.instrument)
        answer = honest(broker, request)
        nightdesk(home, "halt", "--reason", "enough")
        return answer

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(PaperBroker, "submit_order", submit)
        report = play(path, MONDAY, home)
    assert len(sent) == 1 and report.outcome == "traded"
    assert "held back" in report.reason and "enough" in report.reason
    assert sorted(order.status for order in orders(home)) == ["accepted", "intent"]


def halt_and_die(home: Path) -> None:
    os.environ["NIGHTDESK_HOME"] = str(home)
    nightdesk(home, "halt", "--reason", "stop")
    os.kill(os.getpid(), 9)


def test_a_halt_outlives_the_process_that_set_it(tmp_path: Path) -> None:
    path, home = strategy(tmp_path), tmp_path / "home"
    child = FORKS.Process(target=halt_and_die, args=(home,))
    child.start()
    child.join(timeout=120)
    assert child.exitcode == -9
    assert play(path, MONDAY, home).outcome == "no trade: halted"


def test_a_late_day_still_keeps_the_state_that_its_loss_calls_for(tmp_path: Path) -> None:
    path, home = strategy(tmp_path, max_daily_loss=0.025), tmp_path / "home"
    play(path, MONDAY, home)
    play(path, THURSDAY, home)  # Tuesday was missed; the loss is among what no decision has seen
    here = settings_in(home, mlflow_uri=NO_MLFLOW)
    with open_day(path, date(2018, 12, 7), "paper", "manual", False, here) as day:
        control = day.desk.ledger.control(BOOK)  # type: ignore[union-attr]  # a session of the sample
    assert control is not None and control.state == "HALTED"
