"""The book of record: exact, forward only, and shared by processes."""

import os
import re
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import given, settings
from hypothesis import strategies as st

from nightdesk.errors import Misconfigured
from nightdesk.ledger import tables
from nightdesk.ledger.book import book_id, cash, fill_events, holdings, order_id
from nightdesk.ledger.file import HEAD, canonical_json, ledger_file
from nightdesk.ledger.lock import only_writer
from nightdesk.ledger.reconcile import share_differences
from nightdesk.ledger.store import Ledger
from schemas.money import decimal
from schemas.records import CashEvent, Mark, PositionEvent
from tests import ledgers
from tests.forks import FORKS
from tests.ledgers import BOOK, DAY, NEXT, START, a_decision, a_fill, a_run, an_order

EXACT = Decimal("123456789.123456789")


@pytest.fixture
def sqlite(tmp_path: Path) -> Ledger:
    made = Ledger(tmp_path / "ledger.sqlite")
    made.open_book(BOOK)
    return made


def test_only_what_an_answer_said_does_not_wait_for_the_disk(ledger: Ledger) -> None:
    """SQLite: 2 is FULL, 1 is NORMAL, which in WAL mode syncs with a later commit."""
    asked, levels = (
        ("PRAGMA synchronous", (2, 1)) if isinstance(ledger.path, Path) else ("show synchronous_commit", ("on", "off"))
    )
    for synced in (True, False, True):
        with ledger._writing(synced) as connection:
            assert connection.exec_driver_sql(asked).scalar_one() == levels[not synced]


# numbers and instants


@pytest.mark.parametrize("value", [EXACT, -EXACT, Decimal("0.000000001"), Decimal("1E+5"), Decimal(0), Decimal("0.1")])
def test_decimals_come_back_exactly(ledger: Ledger, value: Decimal) -> None:
    ledger.append_events(cash=[CashEvent("e", BOOK.book_id, DAY, "deposit", value, "USD")])
    (event,) = ledger.cash_events(BOOK.book_id)
    assert isinstance(event.amount, Decimal)
    assert event.amount == value
    assert cash([event] * 3) == value * 3


def test_decimals_are_stored_as_text(ledger: Ledger) -> None:
    ledger.append_events(cash=[CashEvent("e", BOOK.book_id, DAY, "deposit", EXACT, "USD")])
    with ledger.engine.connect() as connection:
        typed = "typeof" if isinstance(ledger.path, Path) else "pg_typeof"
        row = connection.exec_driver_sql(f"select amount, cast({typed}(amount) as text) from cash_events").one()
    assert row == (str(EXACT), "text")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.1, "0.1"),
        (100.0, "100"),
        (1e-10, "0"),
        ("0.0000000005", "0"),
        ("0.0000000015", "0.000000002"),
        (-0.0, "0"),
        (2790.3699951171875, "2790.369995117"),
        (EXACT, str(EXACT)),
    ],
)
def test_a_float_becomes_the_nearest_decimal_of_nine_places(value: float | str | Decimal, expected: str) -> None:
    assert format(decimal(value), "f") == expected


def test_an_instant_without_a_time_zone_is_refused(ledger: Ledger) -> None:
    naive = datetime(2018, 12, 3, 21, 20)
    with pytest.raises(sa.exc.StatementError, match="must carry its time zone"):
        ledger.append_run(a_run(started_at=naive))
    assert ledger.runs(BOOK.book_id) == []


def test_instants_come_back_in_utc_to_the_microsecond(ledger: Ledger) -> None:
    ledger.append_run(a_run(started_at=START.astimezone(timezone(timedelta(hours=-5)))))
    (run,) = ledger.runs(BOOK.book_id)
    assert run.started_at == START
    assert run.started_at.tzinfo == UTC


# forward only


def test_first_committed_decision_stands_with_its_orders(ledger: Ledger) -> None:
    assert ledger.commit_decision(a_decision("a" * 64), [an_order("o-1")])
    assert not ledger.commit_decision(a_decision("b" * 64), [an_order("o-2"), an_order("o-3")])
    found = ledger.decision(BOOK.book_id, DAY)
    assert found and replace(found, chain_sha256="") == a_decision("a" * 64)
    assert [order.order_id for order in ledger.orders(BOOK.book_id)] == ["o-1"]


def test_decision_and_orders_are_committed_together_or_not_at_all(ledger: Ledger) -> None:
    ledger.commit_decision(a_decision(), [an_order("o-1")])
    with pytest.raises(sa.exc.IntegrityError):
        ledger.commit_decision(a_decision(session=NEXT), [an_order("o-2", decided=NEXT), an_order("o-1", decided=NEXT)])
    assert ledger.decision(BOOK.book_id, NEXT) is None
    assert [order.order_id for order in ledger.orders(BOOK.book_id)] == ["o-1"]


def test_a_higher_attempt_is_a_decision_of_its_own_and_the_one_that_counts(ledger: Ledger) -> None:
    assert ledger.commit_decision(a_decision("a" * 64), [])
    assert ledger.commit_decision(a_decision("b" * 64, attempt=2), [])
    found = ledger.decision(BOOK.book_id, DAY)
    assert found is not None and found.sha256 == "b" * 64


def test_last_decision_is_the_newest_before_a_session(ledger: Ledger) -> None:
    for number, session in enumerate((NEXT, DAY)):
        ledger.commit_decision(a_decision(f"{number:064d}", session=session), [])
    newest, before = ledger.last_decision(BOOK.book_id), ledger.last_decision(BOOK.book_id, before=NEXT)
    assert newest is not None and newest.session == NEXT
    assert before is not None and before.session == DAY
    assert ledger.last_decision(BOOK.book_id, before=DAY) is None


FORWARD = [("intent", "accepted"), ("intent", "unknown"), ("unknown", "accepted"), ("accepted", "filled"), ("unknown", "filled")]
FORWARD += [(was, ended) for was in ("intent", "accepted", "unknown") for ended in ("rejected", "expired")]
STATUSES = ("intent", "unknown", "accepted", "filled", "rejected", "expired")
BACKWARD = [(was, to) for was in STATUSES for to in STATUSES if was != to and (was, to) not in [*FORWARD, ("intent", "filled")]]


@pytest.mark.parametrize(("was", "to"), FORWARD)
def test_an_order_moves_forward(ledger: Ledger, was: str, to: str) -> None:
    ledger.commit_decision(a_decision(), [an_order(status=was)])
    ledger.set_order_status("o-1", to, "why")
    order = ledger.order("o-1")
    assert order is not None and (order.status, order.reason) == (to, "why")


@pytest.mark.parametrize(("was", "to"), BACKWARD)
def test_an_order_never_moves_back(ledger: Ledger, was: str, to: str) -> None:
    ledger.commit_decision(a_decision(), [an_order(status=was, reason="kept")])
    ledger.set_order_status("o-1", to, "why")
    order = ledger.order("o-1")
    assert order is not None and (order.status, order.reason) == (was, "kept")


def test_a_run_ends_once(ledger: Ledger) -> None:
    ledger.append_run(a_run())
    first = replace(a_run(), finished_at=START + timedelta(seconds=9), outcome="traded", reason="first", detail={"x": 1})
    ledger.finish_run(first)
    ledger.finish_run(replace(first, finished_at=START + timedelta(seconds=10), outcome="failed: report", reason="second"))
    assert ledger.runs(BOOK.book_id) == [first]


def test_runs_come_in_the_order_in_which_they_started(ledger: Ledger) -> None:
    later = START.replace(microsecond=0) + timedelta(seconds=1)
    for name, at in (("c", later), ("a", START), ("b", START.replace(microsecond=0))):
        ledger.append_run(a_run(name, at))
    assert [run.run_id for run in ledger.runs(BOOK.book_id)] == ["b", "a", "c"]


@pytest.mark.parametrize("change", [{"capital": Decimal(100001)}, {"currency": "EUR"}])
def test_capital_and_currency_of_an_opened_book_cannot_change(ledger: Ledger, change: dict[str, object]) -> None:
    with pytest.raises(Misconfigured, match="was opened with 100000 USD"):
        ledger.open_book(replace(BOOK, **change))
    assert ledger.book(BOOK.book_id) == BOOK


def test_the_same_capital_in_another_spelling_is_the_same_capital(ledger: Ledger) -> None:
    assert ledger.open_book(replace(BOOK, capital=Decimal("100000.00"))) == BOOK


def test_a_book_opens_on_one_session_for_good(ledger: Ledger) -> None:
    ledger.append_events(opened=(BOOK.book_id, DAY))
    ledger.append_events(opened=(BOOK.book_id, NEXT))
    book = ledger.book(BOOK.book_id)
    assert book is not None and book.opened == DAY


def test_the_same_events_twice_are_one(ledger: Ledger) -> None:
    ledger.commit_decision(a_decision(), [an_order()])
    fill = a_fill()
    position, flows = fill_events(fill, "USD")
    for _ in range(2):
        ledger.append_events([fill], [position], flows)
    assert ledger.fills(BOOK.book_id) == [fill]
    assert holdings(ledger.position_events(BOOK.book_id)) == {"SPY": Decimal(10)}
    assert cash(ledger.cash_events(BOOK.book_id)) == Decimal(-1001)


def test_events_are_recorded_all_or_none(ledger: Ledger) -> None:
    stray = a_fill(order_id="never-ordered")
    with pytest.raises(sa.exc.IntegrityError):
        ledger.append_events(fills=[stray], cash=[CashEvent("e", BOOK.book_id, DAY, "deposit", Decimal(1), "USD")])
    ledger.append_events(cash=[CashEvent("e", BOOK.book_id, DAY, "deposit", Decimal(2), "USD")])
    assert cash(ledger.cash_events(BOOK.book_id)) == 2


def test_the_first_mark_of_a_session_stands(ledger: Ledger) -> None:
    first = Mark(BOOK.book_id, DAY, Decimal(1), Decimal(2), Decimal(3), Decimal(0), None)
    ledger.append_marks([first])
    ledger.append_marks([replace(first, cash=Decimal(9)), replace(first, session=NEXT, benchmark=Decimal("7.5"))])
    assert ledger.marks(BOOK.book_id) == [first, replace(first, session=NEXT, benchmark=Decimal("7.5"))]


def test_a_record_of_no_book_is_refused(ledger: Ledger) -> None:
    with pytest.raises(sa.exc.IntegrityError):
        ledger.append_run(replace(a_run(), book_id="paper/no/book"))


# the file


def test_migration_gives_exactly_the_tables_of_the_metadata(ledger: Ledger) -> None:
    with ledger.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), tables.metadata) == []


def test_comparison_with_the_metadata_would_see_a_missing_column(sqlite: Ledger) -> None:
    with sqlite.engine.begin() as connection:
        connection.exec_driver_sql("alter table fills drop column note")
    with sqlite.engine.connect() as connection:
        assert len(compare_metadata(MigrationContext.configure(connection), tables.metadata)) == 1


def test_a_ledger_that_is_newer_than_the_code_is_refused_and_left_alone(sqlite: Ledger) -> None:
    newer, path = f"{int(HEAD) + 1:04d}", sqlite.path
    assert isinstance(path, Path)
    with sqlite.engine.begin() as connection:
        connection.exec_driver_sql(f"update alembic_version set version_num = '{newer}'")
    before = path.read_bytes()
    with pytest.raises(Misconfigured, match=f"schema {newer}, newer than {HEAD}"):
        Ledger(path)
    assert path.read_bytes() == before


def test_head_is_the_newest_migration() -> None:
    versions = Path(tables.__file__).parent / "migrations" / "versions"
    assert max(path.name[:4] for path in versions.glob("[0-9]*.py")) == HEAD


def test_opening_a_ledger_again_keeps_what_it_holds(ledger: Ledger) -> None:
    ledger.append_run(a_run())
    ledger.close()
    again = Ledger(ledger.path)
    assert again.books() == [BOOK]
    assert again.runs(BOOK.book_id) == [a_run()]
    again.require_sound()
    again.close()


def test_modes_lie_in_different_files(tmp_path: Path) -> None:
    assert len({ledger_file(tmp_path, mode) for mode in ("paper", "live", "backfill")}) == 3
    assert len({book_id(mode, "acct", "seed") for mode in ("paper", "live", "backfill")}) == 3


# processes at once


def run_at_once(target: object, *args: object, count: int) -> None:
    start = FORKS.Barrier(count)
    children = [FORKS.Process(target=target, args=(*args, start)) for _ in range(count)]
    for child in children:
        child.start()
    for child in children:
        child.join(timeout=60)
    assert [child.exitcode for child in children] == [0] * count


def test_processes_that_open_a_new_ledger_at_once_make_one(tmp_path: Path) -> None:
    run_at_once(ledgers.open_at_the_barrier, tmp_path / "new.sqlite", count=4)
    assert Ledger(tmp_path / "new.sqlite").books() == [BOOK]


def test_processes_that_read_then_write_at_once_lose_nothing(ledger: Ledger) -> None:
    ledger.commit_decision(a_decision(), [an_order(quantity="0")])
    run_at_once(ledgers.count_up, ledger.path, 50, count=4)
    order = ledger.order("o-1")
    assert order is not None and order.quantity == 200


def test_a_lock_is_held_by_one_at_a_time(tmp_path: Path) -> None:
    with only_writer(tmp_path, BOOK.book_id) as first:
        with only_writer(tmp_path, BOOK.book_id) as second, only_writer(tmp_path, "paper/acct/other") as other:
            assert first is not None and second is None and other is not None
        with only_writer(tmp_path, BOOK.book_id) as third:
            assert third is None
    with only_writer(tmp_path, BOOK.book_id) as after:
        assert after is not None


# identities of orders

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\n"), min_size=1, max_size=60)
PARTS = st.tuples(TEXT, st.dates(), TEXT, TEXT, st.integers(1, 10**6))
PRINT_ID = """
from datetime import date
from nightdesk.ledger.book import order_id
print(order_id("paper/a/s", date(2018, 12, 3), "spy", "1", 1))
"""


def test_an_order_id_is_the_same_in_every_process() -> None:
    made = set()
    for seed in ("0", "1", "2"):
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        child = subprocess.run([sys.executable, "-c", PRINT_ID], env=environment, capture_output=True, text=True, check=True)
        made.add(child.stdout.strip())
    assert made == {order_id("paper/a/s", DAY, "spy", "1", 1)}


@settings(max_examples=60, deadline=None)
@given(PARTS)
def test_an_order_id_is_short_and_plain_whatever_it_is_for(parts: tuple[str, date, str, str, int]) -> None:
    made = order_id(*parts)
    assert re.fullmatch(r"[A-Za-z0-9_-]{1,128}", made)
    assert made == order_id(*parts)


@settings(max_examples=60, deadline=None)
@given(PARTS, PARTS)
def test_order_ids_differ_where_any_one_part_differs(
    parts: tuple[str, date, str, str, int], others: tuple[str, date, str, str, int]
) -> None:
    for place, other in enumerate(others):
        changed = (*parts[:place], other, *parts[place + 1 :])
        assert (order_id(*changed) == order_id(*parts)) == (changed == parts)


def test_order_ids_of_names_that_look_alike_once_cleaned_differ() -> None:
    assert order_id("paper/a/s", DAY, "brk.b", "1", 1) != order_id("paper/a/s", DAY, "brk-b", "1", 1)
    assert order_id("paper/a/s", DAY, "x" * 200, "1", 1) != order_id("paper/a/s", DAY, "x" * 200, "1", 2)


def test_an_order_id_shows_the_book_and_the_session_to_a_person() -> None:
    made = order_id("paper/acct/seed", DAY, "spy", "1", 1)
    assert made.startswith("nd-paper-acct-seed-20181203-spy-1-1-")


# sums


def test_holdings_are_sums_and_flat_instruments_are_absent() -> None:
    rows = [("SPY", "1.5"), ("QQQ", "2"), ("SPY", "0.1"), ("QQQ", "-2")]
    events = [PositionEvent(str(n), "b", DAY, name, "fill", Decimal(q)) for n, (name, q) in enumerate(rows)]
    assert holdings(events) == {"SPY": Decimal("1.6")}
    assert holdings([]) == {}


def test_a_buy_costs_its_value_and_its_commission_and_a_sale_brings_its_value_less_it() -> None:
    bought, flows = fill_events(a_fill(quantity="10", price="100.25", commission="1.5"), "USD")
    assert (bought.quantity, [event.amount for event in flows]) == (10, [Decimal("-1002.5"), Decimal("-1.5")])
    sold, flows = fill_events(a_fill(quantity="-10", price="100.25", commission="1.5"), "USD")
    assert (sold.quantity, [event.amount for event in flows]) == (-10, [Decimal("1002.5"), Decimal("-1.5")])


def test_a_fill_without_commission_has_no_commission_event() -> None:
    assert [event.kind for event in fill_events(a_fill(commission="0"), "USD")[1]] == ["trade"]


@pytest.mark.parametrize(
    ("broker", "named"),
    [
        ({"SPY": Decimal(10)}, []),
        ({"SPY": Decimal("10.000000001")}, []),
        ({"SPY": Decimal("10.000000002")}, ["SPY"]),
        ({}, ["SPY"]),
        ({"SPY": Decimal(10), "QQQ": Decimal(1)}, ["QQQ"]),
    ],
)
def test_share_differences_name_what_differs(broker: dict[str, Decimal], named: list[str]) -> None:
    found = share_differences({"SPY": Decimal(10)}, broker)
    assert list(found) == named
    assert all(found[name][1] == broker.get(name, 0) for name in named)


def test_canonical_json_has_one_spelling_and_no_nan() -> None:
    assert canonical_json({"b": 0.1, "a": [None, "é"]}) == '{"a":[null,"é"],"b":0.1}'
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"a": float("nan")})
