"""Days on the sample market as plain function calls."""

import json
from datetime import date
from itertools import pairwise
from pathlib import Path

import pytest

from nightdesk.day.opening import Closed, open_day
from nightdesk.day.play import play_day
from nightdesk.errors import Misconfigured
from nightdesk.ledger.file import ledgers_in
from nightdesk.ledger.status import book_statuses
from nightdesk.market.store import BarStore
from nightdesk.performance.report import as_document, from_document
from schemas.reports import DayReport
from tests.desks import played, settings_in, strategy_file
from tests.homes import ledger_in, ledgers_of
from tests.strategy_documents import NO_MLFLOW

WEEK = ["2018-12-20", "2018-12-21", "2018-12-24", "2018-12-26", "2018-12-27"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("week")


@pytest.fixture(scope="module")
def strategy(home: Path) -> str:
    return strategy_file(home)


@pytest.fixture(scope="module")
def week(home: Path, strategy: str) -> list[DayReport]:
    return [played(strategy, session, home) for session in WEEK]


def test_the_week_trades_and_every_order_fills_at_the_next_open(week: list[DayReport]) -> None:
    ordered = {order["order_id"]: order for report in week[:-1] for order in report.orders}
    filled = [fill for report in week for fill in report.fills]
    assert len(filled) == len(ordered) > 1
    for report, following in pairwise(week):
        assert len(report.orders) == len(following.fills)
        assert report.execution_session == following.session


def test_equity_is_cash_plus_holdings_at_the_close(week: list[DayReport], home: Path) -> None:
    closes = {"2018-12-20": 2467.419922, "2018-12-21": 2416.620117, "2018-12-24": 2351.100098, "2018-12-26": 2467.699951}
    for report in week[:-1]:
        value = report.cash + report.holdings.get("SPXSIM", 0.0) * closes[report.session.isoformat()]
        assert report.equity == pytest.approx(value, abs=0.005)


def test_a_fill_pays_the_open_and_the_slippage_and_one_basis_point(week: list[DayReport]) -> None:
    opens = {"2018-12-21": 2465.379883, "2018-12-24": 2400.560059, "2018-12-26": 2363.120117, "2018-12-27": 2442.500000}
    fills = [(report.session.isoformat(), fill) for report in week for fill in report.fills]
    for session, fill in fills:
        side = 1 if fill["side"] == "buy" else -1
        assert fill["price"] == pytest.approx(opens[session] * (1 + side * 1e-4), rel=1e-9)
        assert fill["commission"] == pytest.approx(fill["quantity"] * fill["price"] * 1e-4, abs=1e-6)


def test_the_model_is_fitted_once_in_a_month_and_reused(week: list[DayReport]) -> None:
    assert [report.model["fitted_today"] for report in week] == [True, False, False, False, False]
    assert len({report.model["sha256"] for report in week}) == 1


def test_second_run_of_the_same_session_places_nothing_and_says_so(week: list[DayReport], strategy: str, home: Path) -> None:
    again = played(strategy, WEEK[-1], home)
    assert again.resumed and not week[-1].resumed
    assert again.decision_sha256 == week[-1].decision_sha256
    assert again.orders == week[-1].orders and again.equity == week[-1].equity
    with open_day(strategy, date(2018, 12, 27), "paper", "manual", False, settings_in(home)) as day:
        assert not isinstance(day, Closed)
        assert len(day.desk.broker.activities()) == 1 + sum(len(report.fills) for report in week)


def test_the_decision_on_disk_is_the_one_that_its_hash_names(week: list[DayReport]) -> None:
    import hashlib

    for report in week:
        assert hashlib.sha256(Path(report.look["decision"]).read_bytes()).hexdigest() == report.decision_sha256


def test_the_report_survives_the_way_to_json_and_back(week: list[DayReport]) -> None:
    for report in week:
        document = json.loads(json.dumps(as_document(report), allow_nan=False))
        assert as_document(from_document(document)) == document
    promised = {"session", "outcome", "reason", "decision_sha256", "signal", "orders", "holdings", "cash", "equity"}
    assert promised <= document.keys()


def test_status_shows_the_book_as_the_last_day_left_it(week: list[DayReport], home: Path) -> None:
    (row,) = book_statuses(ledgers_of(home))
    assert (row["session"], row["equity"], row["sessions"]) == (WEEK[-1], week[-1].equity, len(WEEK))


def test_paper_and_backfill_are_distinct_books_in_distinct_files(week: list[DayReport], strategy: str, home: Path) -> None:
    before = book_statuses(ledgers_of(home))[0]
    other = played(strategy, WEEK[0], home, mode="backfill")
    assert other.equity == 100_000.0 and other.decision_sha256 != week[0].decision_sha256
    assert {place.stem for place in ledgers_in(ledgers_of(home))} == {"paper", "backfill"}
    assert before in book_statuses(ledgers_of(home))


def test_without_a_session_the_sample_opens_in_2018_and_plays_the_next_one(tmp_path: Path) -> None:
    strategy, here = strategy_file(tmp_path), settings_in(tmp_path, mlflow_uri=NO_MLFLOW)
    sessions = [play_day(strategy, None, "paper", "manual", here).session for _ in range(3)]
    assert sessions == [date(2018, 1, 2), date(2018, 1, 3), date(2018, 1, 4)]


def test_a_market_that_was_played_to_its_end_has_no_next_session(tmp_path: Path) -> None:
    strategy = strategy_file(tmp_path)
    played(strategy, "2018-12-31", tmp_path, mlflow_uri=NO_MLFLOW)
    made = play_day(strategy, None, "paper", "manual", settings_in(tmp_path, mlflow_uri=NO_MLFLOW))
    assert isinstance(made, Closed) and made.outcome == "not a session" and "2018-12-31" in made.reason


def test_skipped_sessions_are_missed_and_marked_late(tmp_path: Path) -> None:
    strategy = strategy_file(tmp_path)
    played(strategy, "2018-12-20", tmp_path, mlflow_uri=NO_MLFLOW)
    last = played(strategy, "2018-12-26", tmp_path, mlflow_uri=NO_MLFLOW)
    with open_day(strategy, date(2018, 12, 26), "paper", "manual", False, settings_in(tmp_path, mlflow_uri=NO_MLFLOW)) as day:
        assert not isinstance(day, Closed)
        marks = day.desk.ledger.marks(day.desk.book.book_id)
        runs = {run.session: run.outcome for run in day.desk.ledger.runs(day.desk.book.book_id) if run.outcome == "missed"}
    assert [mark.marked_late for mark in marks] == [False, True, True, False]
    assert runs == {date(2018, 12, 21): "missed", date(2018, 12, 24): "missed"}
    assert last.sessions == 4


@pytest.mark.parametrize(
    ("session", "said"),
    [
        ("2018-12-30", "2018-12-28 and 2018-12-31"),
        ("2019-01-02", "from 1999-01-04 to 2018-12-31"),
        ("1998-12-31", "from 1999-01-04 to 2018-12-31"),
        ("2018-12-05", "2018-12-04 and 2018-12-06"),
    ],
)
def test_a_day_that_is_no_session_is_refused_with_its_range(session: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match=session) as refused:
        played(strategy_file(tmp_path), session, tmp_path, mlflow_uri=NO_MLFLOW)
    assert said in refused.value.message
    assert not (tmp_path / "store").exists() and book_statuses(ledgers_of(tmp_path)) == []


def test_a_session_that_the_book_has_passed_undecided_is_refused(week: list[DayReport], strategy: str, home: Path) -> None:
    with pytest.raises(Misconfigured, match="2018-12-27"):
        played(strategy, "2018-12-19", home)


def test_a_gate_that_fails_orders_nothing_and_says_why(tmp_path: Path) -> None:
    report = played(strategy_file(tmp_path, min_test_accuracy="0.99"), "2018-12-31", tmp_path, mlflow_uri=NO_MLFLOW)
    assert (report.outcome, report.exit_code, report.orders) == ("no trade: gate", 0, ())
    assert "is not above 0.990" in report.reason
    assert report.signal[0]["weight"] == 0.0


def test_a_gate_that_fails_later_closes_what_is_held(week: list[DayReport], tmp_path: Path) -> None:
    buyer = next(report for report in week if report.orders and report.orders[0]["side"] == "buy")
    path = strategy_file(tmp_path)
    played(path, buyer.session.isoformat(), tmp_path, mlflow_uri=NO_MLFLOW)
    strategy_file(tmp_path, min_test_accuracy="0.99")
    after = played(path, buyer.execution_session.isoformat(), tmp_path, mlflow_uri=NO_MLFLOW)
    assert after.outcome == "traded" and "no model may trade" in after.reason
    assert [order["side"] for order in after.orders] == ["sell"]


def test_a_breached_limit_commits_the_decision_without_orders(week: list[DayReport], tmp_path: Path) -> None:
    buyer = next(report for report in week if report.orders)
    report = played(strategy_file(tmp_path, max_order_notional="1000"), buyer.session.isoformat(), tmp_path, mlflow_uri=NO_MLFLOW)
    assert (report.outcome, report.exit_code, report.orders) == ("no trade: limit", 4, ())
    assert "limits.max_order_notional 1,000.00" in report.reason
    assert report.decision_sha256


def test_a_model_file_that_changed_on_disk_stops_the_day_before_any_order(week: list[DayReport], tmp_path: Path) -> None:
    strategy = strategy_file(tmp_path)
    played(strategy, "2018-12-20", tmp_path, mlflow_uri=NO_MLFLOW)
    (file,) = (tmp_path / "models").glob("*.skops")
    whole = file.read_bytes()
    file.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    report = played(strategy, "2018-12-21", tmp_path, mlflow_uri=NO_MLFLOW)
    assert (report.outcome, report.exit_code) == ("failed: retrain", 6)
    assert file.name in report.reason and report.orders == () and report.equity is not None


def test_bars_are_stored_once_however_often_a_day_runs(week: list[DayReport], home: Path) -> None:
    store = BarStore(home / "store" / "sample")
    assert store.last_session(["^GSPC"]) == date(2018, 12, 27)
    assert week[0].bars["new"] == 5025 and [report.bars["new"] for report in week[1:]] == [1, 1, 1, 1]


def test_a_fit_that_never_reached_mlflow_is_logged_when_its_session_runs_again(tmp_path: Path) -> None:

    strategy = strategy_file(tmp_path)
    first = played(strategy, "2018-12-20", tmp_path)
    ledger = ledger_in(tmp_path)
    ledger.set_mlflow_run(ledger.models("paper/cheap/cheap")[0].model_id, "")
    again = played(strategy, "2018-12-20", tmp_path, mlflow_uri=f"sqlite:///{tmp_path}/empty/mlflow.db")
    (model,) = ledger.models("paper/cheap/cheap")
    ledger.close()
    assert model.mlflow_run_id not in ("", first.model["mlflow_run_id"])
    assert again.decision_sha256 == first.decision_sha256 and again.model["sha256"] == first.model["sha256"]
