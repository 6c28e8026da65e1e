"""Orders that wait for a person: never more than one at the broker, and a sentence why not."""

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from nightdesk.cli import approving
from nightdesk.cli.approving import answered
from nightdesk.clock import WallClock
from nightdesk.consent.answer import Answer, append_answer
from nightdesk.consent.evidence import Close
from nightdesk.consent.waiting import evidence_named, waiting
from nightdesk.consent.words import consent_notice, facts
from nightdesk.errors import Misconfigured, NightdeskError, OutOfSync
from nightdesk.ledger.halts import submit_halt
from tests.desks import played
from tests.forks import FORKS
from tests.homes import ledgers_of
from tests.integration.test_cli import run, run_here
from tests.strategy_documents import NO_MLFLOW
from tests.waiting_books import BOOK, MONDAY, TUESDAY, Desk, approve_at_the_barrier, confirming, submitted_here

AT = datetime(2018, 12, 3, 22, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def monday(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    """Monday was played; its order waits."""
    desk = Desk(tmp_path_factory.mktemp("monday"))
    report = desk.day(MONDAY)
    assert (report.outcome, report.exit_code) == ("waiting", 0)
    return desk


@pytest.fixture
def desk(monday: Desk, tmp_path: Path) -> Desk:
    return monday.copied_to(tmp_path)


@pytest.fixture
def in_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What `nightdesk submit` does in a process of its own is done in this one, which is quicker."""
    monkeypatch.setattr(approving, "submitted_by", submitted_here)


def refusal(desk: Desk, name: str = "", answer: Answer = "approve", reason: str = "") -> NightdeskError:
    """Why an answer does not count; nothing new was kept and nothing has left."""
    before = desk.at_the_broker()
    with pytest.raises(NightdeskError) as refused:
        answered(desk.here, name or desk.decision().sha256, answer, "ana", reason)
    assert desk.at_the_broker() == before
    return refused.value


def test_a_day_that_waits_says_how_to_consent_and_sends_nothing(desk: Desk) -> None:
    (order,) = desk.orders()
    (ended,) = desk.runs()
    short = desk.decision().sha256[:12]
    assert (order.status, desk.at_the_broker(), ended.outcome) == ("intent", 0, "waiting")
    assert f"nightdesk approve {short}" in ended.reason and "09:25 New York time on Tuesday 4 December 2018" in ended.reason


def test_an_approval_has_the_order_submitted_at_once(desk: Desk) -> None:
    sentence, ended = answered(desk.here, desk.decision().sha256[:12], "approve", "ana")
    (order,) = desk.orders()
    assert (order.status, desk.at_the_broker(), ended.outcome, ended.exit_code) == ("accepted", 1, "traded", 0)
    assert sentence == f"Approved: buy {order.quantity:f} SPXSIM. buy {order.quantity:f} SPXSIM is accepted by the broker."
    run_row = desk.runs()[-1]
    assert (run_row.outcome, run_row.detail) == ("traded", {"kind": "submit"})
    assert desk.waiting().evidence == ()
    twice = refusal(desk)
    assert "was approved already, by ana at" in twice.message and "the first answer stands" in twice.message
    assert twice.exit_code == 2
    assert "approved already" in refusal(desk, answer="reject", reason="too late").message


@pytest.mark.usefixtures("in_one_process")
def test_a_rejection_cancels_the_order_and_the_book_says_why(desk: Desk) -> None:
    sentence, ended = answered(desk.here, desk.decision().sha256, "reject", "ana", "too large")
    (order,) = desk.orders()
    assert (order.status, order.reason, desk.at_the_broker()) == ("canceled", "rejected by ana: too large", 0)
    assert (ended.outcome, ended.exit_code) == ("no trade: not approved", 0)
    assert desk.runs()[-1].outcome == "no trade: not approved" and "No trade: not approved: rejected by ana" in sentence
    assert "was rejected already, by ana" in refusal(desk).message


def test_a_rejection_needs_a_reason_of_the_person(desk: Desk) -> None:
    assert "reason was ' '" in refusal(desk, answer="reject", reason=" ").message


def test_without_an_answer_the_order_expires_and_the_next_day_asks_anew(desk: Desk) -> None:
    first = desk.decision()
    report = desk.day(TUESDAY)
    old, new = desk.orders()
    assert (old.status, new.status, desk.at_the_broker(), report.outcome) == ("expired", "intent", 0, "waiting")
    assert [row.outcome for row in desk.runs()] == ["waiting", "waiting"]
    superseded = refusal(desk, first.sha256)
    assert superseded.exit_code == 2 and "no longer counts: the book has decided again, for 2018-12-04" in superseded.message
    (evidence,) = desk.waiting().evidence
    assert evidence.not_approved == (f"2018-12-03: buy {old.quantity:f} SPXSIM: never left the desk before its open",)


@pytest.mark.usefixtures("in_one_process")
def test_after_a_halt_nothing_can_be_approved_but_all_can_be_rejected(desk: Desk) -> None:
    submit_halt(desk.here.ledgers, BOOK, "bob", AT, "a rumour")
    refused = refusal(desk)
    assert refused.exit_code == 4 and "is HALTED by bob (a rumour)" in refused.message
    (evidence,) = desk.waiting().evidence
    assert evidence.halted and evidence.state == "HALTED by bob: a rumour"
    answered(desk.here, desk.decision().sha256, "reject", "ana", "as bob says")
    assert [order.status for order in desk.orders()] == ["canceled"]


def test_a_halt_between_approval_and_submission_keeps_the_order_back(desk: Desk) -> None:
    append_answer(desk.here.ledgers, desk.decision().sha256, "approve", "ana", AT)
    submit_halt(desk.here.ledgers, "", "bob", AT, "a rumour")
    assert desk.submit().outcome == "no trade: halted" and desk.at_the_broker() == 0


TAMPERED = {
    "the document": ('update decisions set body = replace(body, \'"quantity":"35"\', \'"quantity":"70"\')', "was changed"),
    "the envelope": ("update decisions set envelope = replace(envelope, '\"confirm\"', '\"automatic\"')", "does not follow"),
    "the order's quantity": ("update orders set quantity = '70'", "quantity was 35, is 70"),
    "the order's instrument": ("update orders set instrument = 'OTHER'", "instrument was SPXSIM, is OTHER"),
}


@pytest.mark.parametrize("what", TAMPERED)
def test_what_is_not_as_it_was_decided_cannot_be_approved(what: str, desk: Desk) -> None:
    (order,) = desk.orders()
    assert f"{order.quantity:f}" == "35"
    sha256 = desk.decision().sha256
    statement, why = TAMPERED[what]
    desk.edit(statement)
    refused = refusal(desk, sha256)
    assert isinstance(refused, OutOfSync) and refused.exit_code == 6 and why in refused.message
    shown = desk.waiting()
    assert shown.evidence == () and (why in "".join(shown.broken) or what == "the envelope")
    desk.submit()
    assert desk.at_the_broker() == 0


def test_an_order_that_was_edited_after_its_approval_does_not_leave(desk: Desk) -> None:
    append_answer(desk.here.ledgers, desk.decision().sha256, "approve", "ana", AT)
    desk.edit("update orders set quantity = '34'")
    ended = desk.submit()
    assert ended.exit_code == 6 and "is not what was decided" in ended.reason and desk.at_the_broker() == 0


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("f" * 64, "one of those that `nightdesk consent` lists"),
        ("abc", "the first 12 or more characters"),
        ("%" * 12, "the first 12 or more characters"),
        ("A" * 12, "the first 12 or more characters"),
        ("", "the first 12 or more characters"),
    ],
)
def test_a_name_of_no_decision_is_refused(name: str, why: str, desk: Desk) -> None:
    with pytest.raises(Misconfigured, match=why):
        append_answer(desk.here.ledgers, name, "approve", "ana", AT)


@pytest.mark.timeout(300)
def test_two_approvals_at_once_make_one_order_and_one_refusal(desk: Desk) -> None:
    start, said = FORKS.Barrier(2), FORKS.Queue()
    sha256 = desk.decision().sha256
    both = [FORKS.Process(target=approve_at_the_barrier, args=(desk.here, sha256, start, said)) for _ in range(2)]
    for process in both:
        process.start()
    sentences = sorted(said.get(timeout=200) for _ in both)
    for process in both:
        process.join(timeout=30)
    assert desk.at_the_broker() == 1
    assert sentences[0].startswith("Approved: buy 35 SPXSIM") and "was approved already" in sentences[1]


def test_a_backfill_of_a_strategy_that_asks_goes_on_without_a_person(tmp_path: Path) -> None:
    report = played(confirming(tmp_path), MONDAY, tmp_path / "home", "backfill", mlflow_uri=NO_MLFLOW)
    assert report.outcome == "traded" and [row["status"] for row in report.orders] == ["accepted"]


# what a person sees


def test_evidence_says_what_the_ledger_knows(desk: Desk) -> None:
    (evidence,) = desk.waiting().evidence
    (order,) = evidence.orders
    close = 2790.370117  # ^GSPC on 2018-12-03
    assert (order.side, order.quantity, order.instrument, order.reference_price) == ("buy", 35, "SPXSIM", close)
    assert order.value == pytest.approx(35 * close) and order.share == pytest.approx(0.9766295)
    assert (order.newer, order.drift, evidence.deadline) == (None, None, None)
    assert evidence.opens_at == datetime(2018, 12, 4, 14, 30, tzinfo=UTC)
    uses = {row.key: (row.used, row.allowed) for row in evidence.limits}
    assert uses["max_order_notional"] == (pytest.approx(97662.95), 250000)
    assert uses["max_position_share"] == (pytest.approx(0.9766295), 1.0)
    assert (uses["max_orders_per_day"], uses["max_drawdown"]) == ((1, 500), (0.0, 0.5))
    assert (evidence.gate_passed, evidence.estimator, evidence.cutoff) == (
        True,
        "sklearn.linear_model.LogisticRegression",
        "2018-12-03",
    )
    assert evidence.test_baseline is not None and evidence.test_accuracy is not None and evidence.not_approved == ()


def test_evidence_shows_the_drift_from_a_newer_close(desk: Desk) -> None:
    newer = {"SPXSIM": Close(date(2018, 12, 4), 2700.059)}
    evidence = evidence_named(desk.here.ledgers, desk.decision().sha256, lambda _: newer)
    assert evidence.orders[0].drift == pytest.approx(2700.059 / 2790.370117 - 1)
    assert dict(facts(evidence))["Price since"] == "SPXSIM: -3.24%, 2,700.06 USD at the close of 2018-12-04"


def test_the_notice_names_the_order_the_deadline_and_the_commands(desk: Desk) -> None:
    (evidence,) = desk.waiting().evidence
    title, text = consent_notice(evidence)
    assert title == "Consent wanted: cheap (paper), buy 35 SPXSIM"
    short = evidence.decision_sha256[:12]
    for words in (f"nightdesk approve {short}", f"nightdesk reject {short}", "97,662.95 USD", "Answer by: ", "no order leaves"):
        assert words in text


def test_end_date_and_drawdown_count_in_the_evidence(tmp_path: Path) -> None:
    desk = Desk(tmp_path, limits__end_date="2018-12-14")
    desk.day(MONDAY)
    (evidence,) = desk.waiting().evidence
    assert (evidence.end_date, evidence.days_to_end_date) == (date(2018, 12, 14), 10)


# the commands


@pytest.mark.usefixtures("in_one_process")
def test_commands_list_ask_and_refuse(desk: Desk, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("LOGNAME", "ana")
    short = desk.decision().sha256[:12]
    code, out, _ = run_here(["consent"], desk.home, monkeypatch, capsys)
    assert code == 0 and f"nightdesk approve {short}" in out and "buy 35 SPXSIM, about 97,662.95 USD" in out
    code, out, _ = run_here(["consent", "--json"], desk.home, monkeypatch, capsys)
    assert code == 0 and '"quantity": 35.0' in out and '"broken": []' in out
    monkeypatch.setattr("typer.confirm", lambda _: False)
    code, out, _ = run_here(["approve", short], desk.home, monkeypatch, capsys)
    assert (
        code == 0 and "Nothing was approved" in out and desk.ledger(lambda ledger: ledger.consent(desk.decision().sha256)) is None
    )
    code, out, _ = run_here(["reject", short, "--reason", "not today"], desk.home, monkeypatch, capsys)
    assert code == 0 and "Rejected: buy 35 SPXSIM" in out and "rejected by ana: not today" in out
    code, out, err = run_here(["approve", short, "--yes"], desk.home, monkeypatch, capsys)
    assert (code, out) == (2, "") and "was rejected already, by ana" in err
    code, out, _ = run_here(["consent"], desk.home, monkeypatch, capsys)
    assert (code, out) == (0, "Nothing waits for consent.\n")


def test_approve_command_submits_and_prints_what_came_of_it(desk: Desk) -> None:
    done = run(["approve", desk.decision().sha256[:12], "--yes"], desk.home, NIGHTDESK_MLFLOW_URI=NO_MLFLOW)
    assert (
        done.returncode == 0 and done.stdout.endswith("buy 35 SPXSIM is accepted by the broker.\n") and desk.at_the_broker() == 1
    )


def test_consent_in_an_empty_home_says_that_nothing_waits(tmp_path: Path) -> None:
    assert waiting(ledgers_of(tmp_path), WallClock().now(), lambda _: {}).evidence == ()
