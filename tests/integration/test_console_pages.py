"""What the console's pages say about books, who may read them, and that halt and resume are rows of the ledger."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
import sqlalchemy as sa

from benchmarks.console import NOW, MadeUp, save_book
from nightdesk.cli.console import _token
from nightdesk.console.app import Room, console_app
from nightdesk.console.course import Course
from nightdesk.console.events import missing_session, next_events
from nightdesk.errors import Misconfigured
from nightdesk.ledger import tables
from nightdesk.ledger.file import ledger_file
from nightdesk.ledger.store import Ledger
from schemas.findings import Restatement
from schemas.records import Book, Decision, PositionEvent


class Tags(HTMLParser):
    """The attributes of the script tags of a page, and the names of all attributes of all tags."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts: list[tuple[str, str | None]] = []
        self.attributes: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += attrs if tag == "script" else []
        self.attributes |= {name for name, _ in attrs}


HOSTILE = "<script>alert(1)</script>\"' onload=x"
SYMBOLS = ("AAA", HOSTILE, *(f"S{at:03d}" for at in range(38)))
TOKEN = "a-token-of-the-operator-1"


@dataclass
class Desk:
    home: Path
    book: Book

    def ledger(self) -> Ledger:
        return Ledger(ledger_file(self.home, "paper"))


class Client:
    """Requests to the application itself, without a socket; cookies are kept."""

    def __init__(self, room: Room) -> None:
        transport = httpx.ASGITransport(app=console_app(room))
        self._client = httpx.AsyncClient(transport=transport, base_url=room.address or f"http://127.0.0.1:{room.port}")

    def get(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._client.get(path, **options))

    def cookie(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self._client.cookies.items())

    def forget(self) -> None:
        self._client.cookies.clear()

    def ask(self, method: str, path: str) -> httpx.Response:
        return asyncio.run(self._client.request(method, path))

    def post(self, path: str, **options: Any) -> httpx.Response:
        return asyncio.run(self._client.post(path, **options))


def client_of(home: Path, **changes: str) -> Client:
    room = Room(home, 4300, "ana (page)", lambda: NOW, lambda _: {}, lambda *_: ("", None))
    return Client(replace(room, **changes))


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    home = tmp_path_factory.mktemp("made-up")
    book = save_book(home, MadeUp(HOSTILE, SYMBOLS, 30, 40, HOSTILE))
    with closing(Ledger(ledger_file(home, "paper"))) as ledger:
        run = ledger.recent_runs(book.book_id, 1)[0]
        ledger.append_restatements(run.run_id, [Restatement(date(2026, 11, 3), HOSTILE, "close", 1.5, 2.5, "")])
    return Desk(home, book)


@pytest.fixture
def page(desk: Desk) -> Client:
    return client_of(desk.home)


def address(desk: Desk) -> str:
    return f"/book?book={quote(desk.book.book_id, safe='')}"


def decisions(text: str) -> list[str]:
    return re.findall(r'href="(/decision\?sha256=[0-9a-f]{64})"', text)


def test_names_and_reasons_with_markup_stay_text_on_every_page(page: Client, desk: Desk) -> None:
    whole = page.get(address(desk)).text
    for shown in (page.get("/").text, whole, page.get(decisions(whole)[0]).text, page.get(address(desk) + "&positions=all").text):
        assert "&lt;script&gt;alert(1)" in shown
        tags = Tags(shown)
        assert tags.scripts == [("src", "/console.js"), ("defer", None)]
        assert [name for name in tags.attributes if name.startswith("on") or name == "style"] == []


def test_first_page_shows_the_day_the_course_and_what_comes_next(page: Client) -> None:
    shown = page.get("/").text
    for words in ("traded", "Friday 20 November 2026", "Since 2026-10-12", "Orders on their way", "Growth", "Nothing waits."):
        assert words in shown
    # Sunday 10:00 in New York; the market opens on Monday at 09:30
    assert 'data-until="2026-11-23T14:30:00+00:00">23 h 30 min</time>: the open for which 40 orders wait' in shown


def test_page_of_a_book_shows_positions_orders_decisions_limits_models_and_data(page: Client, desk: Desk) -> None:
    shown = page.get(address(desk)).text
    assert shown.count('class="status accepted"') + shown.count('class="status intent"') == 20  # the newest orders
    assert "All 40 positions" in shown and page.get(address(desk) + "&positions=all").text.count("of equity") >= 1
    for words in (
        "Largest order, of equity",
        "Sessions of loss in a row",
        "champion",
        "27 checks passed",
        "nothing",
        "Halt this book",
    ):
        assert words in shown
    older = re.findall(r"before=([0-9-]+)#days", shown)[0]
    assert (
        "2026-11-20" not in page.get(f"{address(desk)}&before={older}").text.partition('id="days"')[2].partition("</section>")[0]
    )


def test_a_decision_shows_its_chain_and_says_where_it_was_changed(page: Client, desk: Desk, tmp_path: Path) -> None:
    path = decisions(page.get(address(desk)).text)[0]
    shown = page.get(path).text
    for words in ("as it was committed", "test accuracy 0.530", "open_minus_close", "1,200 of AAA", "nightdesk trace"):
        assert words in shown
    book = save_book(tmp_path, MadeUp("small", ("AAA", "BBB"), 3, 1))
    with closing(Ledger(ledger_file(tmp_path, "paper"))) as ledger, ledger._writing() as connection:
        connection.exec_driver_sql("update orders set quantity = '99' where status = 'intent'")
    other = client_of(tmp_path)
    changed = other.get(decisions(other.get(f"/book?book={quote(book.book_id, safe='')}").text)[0]).text
    assert "is not what was decided: quantity was" in changed and "as it was committed" not in changed


def test_an_unknown_book_or_decision_is_not_found_and_says_so(page: Client) -> None:
    for path in ("/book?book=paper/x/y", f"/decision?sha256={'0' * 64}", "/decision?sha256=0"):
        assert page.get(path).status_code == 404
    unread = page.get("/book?book=x&before=yesterday")
    assert unread.status_code == 422 and "The address cannot be read: before." in unread.text and "yesterday" not in unread.text
    lost = page.get("/nowhere")
    assert (lost.status_code, lost.headers["x-frame-options"]) == (404, "DENY") and "There is no such page." in lost.text


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PUT", "DELETE", "CONNECT"])
@pytest.mark.parametrize("path", ["/", "/control"])
def test_no_other_method_is_answered(method: str, path: str, page: Client) -> None:
    refused = page.ask(method, path)
    assert (refused.status_code, refused.headers["allow"]) == (405, "GET" if path == "/" else "POST")
    assert refused.headers["x-frame-options"] == "DENY" and "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize(
    "path, status",
    [
        (f"/book?book={'a' * 2048}", 414),
        (f"/{'a' * 2048}", 414),
        ("/book?book=%00", 400),
        (f"/decision?sha256={'%00' * 64}", 400),
        ("/..%2f..%2f..%2fetc/passwd", 404),
        ("/console.css/../../app.py", 404),
        ("/book?book=../../../etc/passwd", 404),
        ("/book?book=%ff%fe", 404),
    ],
)
def test_addresses_that_are_none_of_ours_are_refused_shortly(path: str, status: int, page: Client) -> None:
    answer = page.get(path)
    assert (answer.status_code, answer.headers["x-content-type-options"]) == (status, "nosniff")
    assert len(answer.text) < 2_000 and "root:" not in answer.text and "import" not in answer.text


def test_an_empty_home_says_what_to_do_first(tmp_path: Path) -> None:
    shown = client_of(tmp_path).get("/").text
    assert "No book yet" in shown and "nightdesk day" in shown and not (tmp_path / "ledger").exists()


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Desk]:
    yield Desk(tmp_path, save_book(tmp_path, MadeUp("small", ("AAA", "BBB"), 3, 1)))


@pytest.mark.parametrize(
    "outcome, code, tone",
    [("traded", 0, "good"), ("no trade: halted", 0, "wait"), ("waiting", 0, "wait"), ("failed: log", 7, "bad")],
)
def test_a_day_that_was_kept_from_trading_is_not_shown_as_a_good_one(outcome: str, code: int, tone: str, small: Desk) -> None:
    with closing(small.ledger()) as ledger, ledger.engine.begin() as connection:
        connection.execute(sa.update(tables.runs).values(outcome=outcome, exit_code=code))
    assert f'<p class="outcome {tone}"><b>{outcome}</b>' in client_of(small.home).get("/").text


def control_form(client: Client, path: str, wanted: str) -> dict[str, str]:
    (block,) = re.findall(rf'<form method="post" action="/control" class="{wanted}">.*?</form>', client.get(path).text, re.DOTALL)
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', block)) | {"reason": "a test"}


def test_halt_and_release_of_a_book_are_rows_with_name_and_reason(small: Desk) -> None:
    client = client_of(small.home)
    fields = control_form(client, address(small), "halt")
    assert "HALTED: paper/small/small." in client.post("/control", data=fields).text
    with closing(small.ledger()) as ledger:
        (row,) = ledger.controls(small.book.book_id)
    assert (row.state, row.who, row.reason) == ("HALTED", "ana (page)", "a test")
    assert client.post("/control", data=fields).status_code == 403  # the token is used up
    shown = client.get(address(small)).text
    assert "HALTED by ana (page)" in shown and "Halt this book" not in shown
    assert client.post("/control", data=control_form(client, address(small), "resume")).status_code == 200
    with closing(small.ledger()) as ledger:
        assert ledger.control(small.book.book_id) is None


def test_halt_of_every_book_holds_until_it_is_released_on_the_first_page(small: Desk) -> None:
    client = client_of(small.home)
    assert client.post("/control", data=control_form(client, "/", "halt")).status_code == 200
    assert "release that on the first page" in client.get(address(small)).text
    assert client.post("/control", data=control_form(client, "/", "resume")).status_code == 200
    with closing(small.ledger()) as ledger:
        assert ledger.control(small.book.book_id) is None


@pytest.mark.parametrize(
    "changes", [{"token": ""}, {"token": "x" * 43}, {"book": ""}, {"control": "resume"}, {"control": "delete"}, {"reason": " "}]
)
def test_a_control_needs_its_own_token_and_a_reason(changes: dict[str, str], small: Desk) -> None:
    client = client_of(small.home)
    refused = client.post("/control", data=control_form(client, address(small), "halt") | changes)
    assert refused.status_code == (409 if "reason" in changes else 403)
    with closing(small.ledger()) as ledger:
        assert ledger.controls(small.book.book_id) == ledger.controls("") == []


def test_what_renews_a_page_takes_no_tokens_from_the_forms_that_are_shown(small: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("nightdesk.console.tokens.VIEWS", 2)
    client = client_of(small.home)
    fields = control_form(client, address(small), "halt")
    for _ in range(3):
        renewed = client.get(address(small), headers={"X-Live": "1"})
    assert re.findall(r'name="token" value="([^"]*)"', renewed.text) == [""]
    assert client.post("/control", data=fields).status_code == 200


@pytest.mark.parametrize("path", ["/", "/console.js", "/book?book=x"])
@pytest.mark.parametrize(
    "headers, status",
    [
        ({"Host": "evil.example"}, 421),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}, 403),
        ({"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "cors"}, 403),
    ],
)
def test_another_site_can_read_no_page(headers: dict[str, str], status: int, path: str, page: Client) -> None:
    assert page.get(path, headers=headers).status_code == status


def test_a_link_from_another_site_may_be_followed(page: Client) -> None:
    assert page.get("/", headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}).status_code == 200


def test_behind_a_proxy_nothing_is_shown_before_the_token(small: Desk) -> None:
    client = client_of(small.home, address="https://desk.example", token=TOKEN)
    for path in ("/", address(small), "/console.js"):
        asked = client.get(path)
        assert (asked.status_code, asked.headers["location"]) == (303, "/login") and "small" not in asked.text
    own = {"Origin": "https://desk.example", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/control", data={"control": "halt"}, headers=own).status_code == 401
    for wrong in ("", "x", TOKEN[:-1], TOKEN + "x", "é"):
        assert client.post("/login", data={"token": wrong}, headers=own).status_code == 403
    shown = client.post("/login", data={"token": TOKEN}, headers=own)
    cookie = shown.headers["set-cookie"]
    assert (
        shown.status_code == 303
        and all(word in cookie for word in ("HttpOnly", "Secure", "SameSite=strict"))
        and TOKEN not in cookie
    )
    assert "paper/<wbr>small" in client.get("/").text
    assert client.post("/login", data={"token": TOKEN}, headers={"Origin": "http://desk.example"}).status_code == 403
    assert "<script" not in client.get("/login").text  # it would be answered with this page
    stranger = client_of(small.home, address="https://desk.example", token=TOKEN)
    assert stranger.get("/", headers={"Cookie": f"nightdesk={'x' * 43}"}).status_code == 303


def test_a_stranger_who_guesses_cannot_keep_who_has_the_token_from_a_halt(small: Desk) -> None:
    client = client_of(small.home, address="https://desk.example", token=TOKEN)
    assert client.post("/login", data={"token": TOKEN}).status_code == 303
    cookie = client.cookie()
    client.forget()
    answers = [client.post("/login", data={"token": "a guess"}).status_code for _ in range(31)]
    assert (answers.count(403), answers[-1]) == (29, 429)
    assert client.post("/login", data={"token": TOKEN}).status_code == 429
    own = {"Cookie": cookie}
    assert client.post("/control", data={"control": "halt"}, headers=own).status_code == 403  # it was heard: no token of a form


@pytest.mark.parametrize(
    "host, where, message",
    [
        ("0.0.0.0", "", "lets others reach the page"),
        ("desk", "", "allowed: an IP address"),
        ("127.0.0.1", "desk.example", "allowed: a scheme and a host"),
        ("127.0.0.1", "https://desk.example/nightdesk", "allowed: a scheme and a host"),
        ("127.0.0.1", "https://ana@desk.example", "allowed: a scheme and a host"),
    ],
)
def test_nothing_listens_outside_this_machine_without_an_address_and_a_token(host: str, where: str, message: str) -> None:
    with pytest.raises(Misconfigured, match=message):
        _token(host, where, "")


def test_a_token_is_asked_for_wherever_an_address_is_given() -> None:
    assert _token("127.0.0.1", "", TOKEN) == ""
    assert _token("0.0.0.0", "http://10.0.0.5:4300", TOKEN) == TOKEN
    assert len(_token("127.0.0.1", "https://desk.example", "")) == 43  # 256 bits


def test_course_counts_a_deposit_as_there_before_the_open() -> None:
    days = [date(2026, 11, 2), date(2026, 11, 3), date(2026, 11, 4)]
    course = Course(list(zip(days, (100.0, 110.0, 198.0), (100.0, 0.0, 110.0), (100.0, 105.0, None), strict=True)))
    # +10 %, then 198 of 110 + 110: -10 %
    assert course.total == pytest.approx(-0.01) and course.day == pytest.approx(-0.10)
    assert course.drawdown == pytest.approx(0.10) and course.losing_sessions == 1 and course.market == pytest.approx(0.05)


def a_decision(desk: Desk) -> Decision:
    with closing(desk.ledger()) as ledger:
        found = ledger.last_decision(desk.book.book_id)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "now, what, at",
    [
        # Thanksgiving 2026 is 26 November; on the 27th New York closes at 13:00
        ("2026-11-25T15:00", "closes (Wednesday)", "2026-11-25T21:00"),
        ("2026-11-25T22:00", "opens (Friday)", "2026-11-27T14:30"),
        ("2026-11-27T15:00", "closes (Friday)", "2026-11-27T18:00"),
        ("2026-11-28T15:00", "opens (Monday)", "2026-11-30T14:30"),
    ],
)
def test_next_event_follows_the_exchange_around_thanksgiving(now: str, what: str, at: str, small: Desk) -> None:
    event = next_events(a_decision(small), [], False, datetime.fromisoformat(now).replace(tzinfo=UTC))[0]
    assert what in event.what and event.at == datetime.fromisoformat(at).replace(tzinfo=UTC)


def test_a_session_that_nobody_played_is_named(small: Desk) -> None:
    decision, friday = a_decision(small), date(2026, 11, 20)
    monday_evening = datetime(2026, 11, 23, 21, 15, tzinfo=UTC) + timedelta(hours=2)
    assert missing_session(decision, friday, monday_evening - timedelta(minutes=1)) is None
    assert missing_session(decision, friday, monday_evening) == date(2026, 11, 23)
    stands = replace(decision, envelope={**decision.envelope, "clock_stands": True})
    assert missing_session(stands, friday, monday_evening) is None


def test_what_is_held_is_the_exact_sum_of_events_and_leaves_out_what_is_flat(small: Desk) -> None:
    name, day = small.book.book_id, date(2026, 11, 20)
    quantities = {"C": ["0.1", "0.2", "-0.000000001"], "D": ["0.3", "-0.1", "-0.2"]}
    events = [
        PositionEvent(f"{symbol}{at}", name, day, symbol, "fill", Decimal(text))
        for symbol, texts in quantities.items()
        for at, text in enumerate(texts)
    ]
    with closing(small.ledger()) as ledger:
        ledger.append_events(positions=events)
        held = ledger.held(name)
    assert held["C"] == Decimal("0.299999999") and "D" not in held
