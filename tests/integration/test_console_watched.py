"""What the console's pages say of gaps, drift, the heartbeat, gates and promotions."""

import re
from contextlib import closing
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from benchmarks.console import NOW, MadeUp, save_book
from schemas.evidence import Evidence, GateResult, Replacement, gate_document
from schemas.records import Book, Gap, Run
from schemas.strategy import Strategy
from tests.integration.test_console_pages import HOSTILE, Desk, a_decision, address, client_of

FRIDAY, TOLD_AT = date(2026, 11, 20), datetime(2026, 11, 20, 23, 0, tzinfo=UTC)


@pytest.fixture
def small(tmp_path: Path) -> Desk:
    return Desk(tmp_path, save_book(tmp_path, MadeUp("small", ("AAA", "BBB"), 3, 1)))


def section(text: str, heading: str) -> str:
    """The section of a page under a heading, as text without tags."""
    (found,) = re.findall(rf'<section[^>]*aria-labelledby="{heading}">.*?</section>', text, re.DOTALL)
    return " ".join(re.sub(r"<[^>]*>", " ", found).split())


def told(book: Book, session: date, at: datetime) -> Run:
    return Run(
        f"told-{session}",
        book.book_id,
        session,
        "scheduled",
        True,
        at,
        at,
        "no report",
        f"No report for {session}.",
        7,
        "",
        {"kind": "heartbeat"},
    )


def day_run(book: Book, session: date, **changes: Any) -> Run:
    return replace(Run(f"day-{session}", book.book_id, session, "scheduled", True, TOLD_AT, TOLD_AT, "traded"), **changes)


def gate(name: str, passed: bool, needed: str = "") -> dict[str, Any]:
    return gate_document(GateResult(name, "a test of this page", passed, 63, 0.5, 0.5, {}, needed))


def test_live_against_expected_shows_last_gap_sums_and_no_alarm_within_the_tolerance(small: Desk) -> None:
    client = client_of(small.home)
    shown = section(client.get(address(small)).text, "expected")
    # two sessions have a gap of -0.3 slippage and -0.2 fees each, on a million of equity
    for words in ("slippage \N{MINUS SIGN}0.30 \N{MINUS SIGN}0.60", "fees \N{MINUS SIGN}0.20 \N{MINUS SIGN}0.40"):
        assert words in shown
    assert (
        "gap \N{MINUS SIGN}0.50 \N{MINUS SIGN}1.00" in shown
        and "within the tolerance of 50" in shown
        and "2 sessions compared" in shown
    )
    first = client.get("/").text
    assert "Live against expected" not in first and "Moved away" not in first and "No report" not in first


def test_a_gap_above_the_tolerance_is_a_word_on_the_first_page(small: Desk) -> None:
    gap = {name: Decimal(0) for name in ("data", "decision", "timing", "fees", "skipped", "outside")}
    after = Gap(
        small.book.book_id,
        date(2026, 11, 23),
        Decimal(10_000),
        Decimal(0),
        Decimal(-51),
        slippage=Decimal(-51),
        note=HOSTILE,
        **gap,
    )
    with closing(small.ledger()) as ledger:
        ledger.append_gaps([after])
    client = client_of(small.home)
    assert "The gap is 51.0 basis points of equity; tolerated are 50." in client.get("/").text
    shown = client.get(address(small)).text
    assert "above the tolerance of 50" in section(shown, "expected") and "&lt;script&gt;alert(1)" in shown
    assert "<script>" not in shown


@pytest.mark.parametrize(("index", "word", "warns"), [(0.6, "moved", True), (0.3, "within chance", False)])
def test_drift_of_the_newest_run_is_shown_and_what_has_moved_is_on_the_first_page(
    index: float, word: str, warns: bool, small: Desk
) -> None:
    with closing(small.ledger()) as ledger:
        row = {"index": index, "chance": 0.35, "word": word}
        drift = {"window": ["2010-01-04", "2014-12-31"], "sessions": 63, "inputs": {HOSTILE: row}, "predictions": {}}
        ledger.append_run(day_run(small.book, date(2026, 11, 23), detail={"drift": drift}))
        ledger.append_run(day_run(small.book, date(2026, 11, 23), run_id="sent", started_at=NOW, detail={"kind": "submit"}))
    client = client_of(small.home)
    first, shown = client.get("/").text, client.get(address(small)).text
    assert ("Moved away from the training window" in first) is warns
    assert f"{word} {index:.2f} 0.35" in section(shown, "drift") and "predictions nothing to compare n/a n/a" in section(
        shown, "drift"
    )
    assert "<script>" not in first + shown and "&lt;script&gt;" in shown


def test_a_session_that_the_heartbeat_told_of_warns_until_a_day_has_reported_it(small: Desk) -> None:
    monday = date(2026, 11, 23)
    with closing(small.ledger()) as ledger:
        ledger.append_run(told(small.book, monday, TOLD_AT + timedelta(days=3)))
        ledger.append_run(day_run(small.book, monday, run_id="dead", finished_at=None, outcome=""))
        ledger.append_run(day_run(small.book, monday, run_id="sent", detail={"kind": "submit"}))
    client = client_of(small.home)
    for path in ("/", address(small)):
        assert client.get(path).text.count(f"No report for {monday}.") == 1
    assert f"{monday}: no report" in section(client.get(address(small)).text, "days")
    with closing(small.ledger()) as ledger:
        ledger.append_run(day_run(small.book, monday, started_at=NOW))
    assert "No report for" not in client.get("/").text
    shown = client.get(address(small)).text
    assert "No report for" not in shown and f"{monday}: had no report then, has one now" in section(shown, "days")


def test_a_heartbeats_row_does_not_hide_how_the_last_day_ended(small: Desk) -> None:
    with closing(small.ledger()) as ledger:
        ledger.append_run(told(small.book, date(2026, 11, 23), TOLD_AT))
    assert "<b>traded</b>" in client_of(small.home).get("/").text


def test_gates_of_fit_and_backtest_challengers_and_promotions_are_shown_as_text(small: Desk) -> None:
    decision, now = a_decision(small), datetime(2026, 11, 21, tzinfo=UTC)
    strategy = Strategy.model_validate(decision.envelope["strategy"])
    save_book(small.home, MadeUp("other", ("AAA", "BBB"), 3, 1))
    save_book(small.home, MadeUp("elsewhere", ("AAA", "BBB", "CCC"), 3, 1))
    with closing(small.ledger()) as ledger:
        fit = replace(
            ledger.recent_models(small.book.book_id, 1)[0],
            model_id="new",
            cutoff=FRIDAY,
            gates=[gate("accuracy", False, HOSTILE)],
        )
        ledger.append_model(fit, promote=False)
        for passed in (False, True):
            gates = [gate("excess return", passed)]
            ledger.append_evidence(Evidence(strategy.config_sha256, "", "small", FRIDAY, FRIDAY, "", gates, now))
        said = {"gate": gate("challenger", False, "400 sessions more.")}
        ledger.append_replacement(
            Replacement(0, "small", "promotion", "/small.toml", HOSTILE, "", "", "", "", said, "ana", now, "because " + HOSTILE)
        )
    text = client_of(small.home).get(address(small)).text
    shown = section(text, "models")
    for words in (
        "accuracy: not passed",
        "excess return: passed",
        "other 3 sessions",
        "promotion of &lt;script&gt;",
        "not passed: bound 0.5, limit 0.5; 63 sessions",
        "400 sessions more.",
        "Without enough evidence: because &lt;script&gt;",
        "not finished",
    ):
        assert words in shown
    assert "elsewhere" not in shown and "excess return: not passed" not in shown
    assert "<script>" not in text and "&lt;script&gt;" in text
