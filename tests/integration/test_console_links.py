"""The ways from the console to Prefect and to MLflow: there where the desk wrote an address, and nowhere else."""

from contextlib import closing
from functools import partial
from html.parser import HTMLParser
from pathlib import Path

import httpx
import pytest
import sqlalchemy as sa

from benchmarks.console import MadeUp, save_book
from nightdesk.console.pages import link
from nightdesk.day.opening import Closed, open_day
from nightdesk.ledger import tables
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from nightdesk.tracking.tracker import run_page
from tests.desks import settings_in
from tests.homes import ledger_in
from tests.integration.test_console_pages import Desk, address, client_of, decisions

PREFECT = "http://127.0.0.1:4200/runs/flow-run/01999b2c-0000-7000-8000-000000000001"
MLFLOW = "https://mlflow.example:5000"
RUN_ID = "0690d4eed1f04ec6bcdeff44dc84c1d5"


class Links(HTMLParser):
    """Where the links of a page lead that leave it, with what they are called."""

    def __init__(self, answer: httpx.Response) -> None:
        super().__init__()
        self.away: list[tuple[str, str]] = []
        self.feed(answer.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        target = named.get("href", "/")
        if tag == "a" and target and target[0] not in "/#":
            self.away.append((target, named.get("aria-label", "")))


def save_addresses(home: Path, page: str, run_id: str) -> Desk:
    """A made-up book whose days all have a page in Prefect, and whose fits a run in MLflow."""
    desk = Desk(home, save_book(home, MadeUp("small", ("AAA", "BBB"), 3, 1)))
    with closing(Ledger(ledger_file(home, "paper"))) as ledger:
        newest, *_ = ledger.recent_runs(desk.book.book_id, 1)
        with ledger.engine.begin() as connection:
            connection.execute(sa.update(tables.runs).values(detail={**newest.detail, "page": page}))
        for fit in ledger.recent_models(desk.book.book_id, 9):
            ledger.set_mlflow_run(fit.model_id, run_id)
    return desk


def test_days_lead_to_prefect_and_fits_to_mlflow(tmp_path: Path) -> None:
    desk = save_addresses(tmp_path, PREFECT, RUN_ID)
    client = client_of(tmp_path, mlflow_page=partial(run_page, MLFLOW))
    assert Links(client.get("/")).away == [(PREFECT, "The run of 2026-11-20 in Prefect")]
    whole = client.get(address(desk))
    at_glance, *days, fit = Links(whole).away
    assert [at_glance, *days] == [(PREFECT, f"The run of 2026-11-{day} in Prefect") for day in (20, 20, 19, 18)]
    assert fit == (f"{MLFLOW}/#/runs/{RUN_ID}", "The fit of 2026-11-18 in MLflow")
    assert (f"{MLFLOW}/#/runs/{RUN_ID}", "") in Links(client.get(decisions(whole.text)[0])).away
    assert "default-src 'none'" in whole.headers["content-security-policy"]


@pytest.mark.parametrize(
    "page",
    [
        "javascript:alert(1)",
        "JAVASCRIPT:alert(1)//http://x",
        "data:text/html,<script>alert(1)</script>",
        "//evil.example/x",
        "http://ana:secret@127.0.0.1/x",
        'http://127.0.0.1/" onmouseover="alert(1)',
        "http://127.0.0.1/x\n",
    ],
)
def test_what_is_no_plain_address_is_no_link(page: str) -> None:
    assert (link(page), link(PREFECT)) == ("", PREFECT)


def test_hostile_addresses_in_a_ledger_lead_nowhere(tmp_path: Path) -> None:
    desk = save_addresses(tmp_path, "javascript:alert(1)", '"><script>alert(1)</script>')
    client = client_of(tmp_path, mlflow_page=partial(run_page, MLFLOW))
    whole = client.get(address(desk))
    away = [*Links(client.get("/")).away, *Links(whole).away, *Links(client.get(decisions(whole.text)[0])).away]
    assert {target for target, _ in away} == {f"{MLFLOW}/#/runs/%22%3E%3Cscript%3Ealert%281%29%3C%2Fscript%3E"}


def test_without_addresses_nothing_leads_away(tmp_path: Path) -> None:
    desk = Desk(tmp_path, save_book(tmp_path, MadeUp("small", ("AAA", "BBB"), 3, 1)))
    assert Links(client_of(tmp_path).get(address(desk))).away == []


def test_the_page_of_a_day_is_in_the_ledger_from_its_first_moment_and_stays(tmp_path: Path) -> None:
    home = tmp_path / "home"
    with open_day("sp500_svc", None, "paper", "manual", True, settings_in(home), PREFECT) as day:
        assert not isinstance(day, Closed) and day.page == PREFECT
        with closing(ledger_in(home)) as ledger:
            (begun,) = ledger.runs(day.run.book_id)
        day.end("failed: ingest", "a test")
        day.finish()
    with closing(ledger_in(home)) as ledger:
        (ended,) = ledger.runs(begun.book_id)
    assert begun.finished_at is None and (begun.detail["page"], ended.detail["page"]) == (PREFECT, PREFECT)
    assert ended.outcome == "failed: ingest" and "seconds" in ended.detail
