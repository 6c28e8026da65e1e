"""The page that takes a person's answer: by its own form only, once, and for what was shown."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from playwright.sync_api import Page, expect

from nightdesk.cli import approving
from nightdesk.cli.approving import answered
from nightdesk.clock import WallClock
from nightdesk.console.app import Room, console_app
from nightdesk.console.guard import POSTS_A_MINUTE
from nightdesk.ledger.halts import submit_halt
from tests.app_server import on_socket
from tests.pages import PATIENCE_MS, visit
from tests.running import console, free_port
from tests.waiting_books import BOOK, MONDAY, Desk, submitted_here


@pytest.fixture(scope="module")
def monday(tmp_path_factory: pytest.TempPathFactory) -> Desk:
    desk = Desk(tmp_path_factory.mktemp("monday"))
    assert desk.day(MONDAY).outcome == "waiting"
    return desk


@pytest.fixture
def desk(monday: Desk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(approving, "submitted_by", submitted_here)
    return monday.copied_to(tmp_path)


@contextmanager
def served(desk: Desk, who: str) -> Iterator[httpx.Client]:
    """The page on a socket, and a client that is no browser."""
    port = free_port()
    app = console_app(Room(desk.home, port, who, WallClock().now, lambda _: {}, partial(answered, desk.here)))
    with on_socket(app, port) as client:
        yield client


@pytest.fixture
def page(desk: Desk) -> Iterator[httpx.Client]:
    with served(desk, "ana (page)") as client:
        yield client


def form(page: httpx.Client, answer: str = "approve", **changes: str) -> dict[str, str]:
    """The fields of a form of a new view of the page."""
    shown = page.get("/").text
    (block,) = re.findall(rf'<form method="post" action="/answer" class="{answer}">.*?</form>', shown, flags=re.DOTALL)
    fields = dict(re.findall(r'name="(\w+)" value="([^"]*)"', block))
    return fields | ({"reason": "too large"} if answer == "reject" else {}) | changes


def nothing_done(desk: Desk) -> bool:
    consent = desk.ledger(lambda ledger: ledger.consent(desk.decision().sha256))
    return consent is None and desk.at_the_broker() == 0


def test_page_shows_the_evidence_and_the_books(page: httpx.Client, desk: Desk) -> None:
    shown = page.get("/")
    for words in ("35 SPXSIM", "97,662.95 USD", "97.7% of equity", desk.decision().sha256, "paper", "ACTIVE", "52.54%"):
        assert words in shown.text
    assert nothing_done(desk)


def test_every_answer_of_the_page_is_kept_from_caches_frames_and_scripts(page: httpx.Client) -> None:
    for path in ("/", "/console.css", "/console.js", "/icon.svg", "/nothing"):
        headers = page.get(path).headers
        assert headers["cache-control"] == "no-store" and headers["x-frame-options"] == "DENY"
        assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'self'")
    shown = page.get("/").text
    assert re.findall(r"<script[^>]*>", shown) == ['<script src="/console.js" defer>'] and "style=" not in shown
    assert page.get("/nothing").status_code == page.get("/docs").status_code == page.get("/openapi.json").status_code == 404


def test_approval_by_the_form_sends_the_order_once(page: httpx.Client, desk: Desk) -> None:
    fields, own = form(page), str(page.base_url).rstrip("/")
    done = page.post("/answer", data=fields, headers={"Origin": own, "Sec-Fetch-Site": "same-origin", "Referer": f"{own}/"})
    assert done.status_code == 200 and "buy 35 SPXSIM is accepted by the broker" in done.text
    consent = desk.ledger(lambda ledger: ledger.consent(desk.decision().sha256))
    assert (consent.answer, consent.who, desk.at_the_broker()) == ("approve", "ana (page)", 1)
    again = page.post("/answer", data=fields)
    assert again.status_code == 403 and "used already" in again.text and desk.at_the_broker() == 1


def test_second_tab_is_told_that_the_first_has_answered(page: httpx.Client, desk: Desk) -> None:
    first, second = form(page), form(page)
    assert first["token"] != second["token"] and len(first["token"]) >= 22  # 128 bits and more
    assert page.post("/answer", data=first).status_code == 200
    late = page.post("/answer", data=second)
    assert late.status_code == 409 and "was approved already, by ana (page)" in late.text and desk.at_the_broker() == 1


def test_rejection_by_the_form_keeps_the_reason(page: httpx.Client, desk: Desk) -> None:
    done = page.post("/answer", data=form(page, "reject", reason="<b>too large</b>"))
    assert done.status_code == 200 and "&lt;b&gt;too large&lt;/b&gt;" in done.text and "<b>too" not in done.text
    assert [order.status for order in desk.orders()] == ["canceled"]
    assert "<b>too" not in page.get("/").text


FORGED = {
    "another origin": ({"Origin": "https://evil.example"}, 403),
    "an origin that is hidden": ({"Origin": "null"}, 403),
    "another port": ({"Origin": "http://127.0.0.1:80"}, 403),
    "another name for this machine": ({"Origin": "http://localhost:{port}"}, 403),
    "another page": ({"Referer": "https://evil.example/x"}, 403),
    "another site": ({"Sec-Fetch-Site": "cross-site"}, 403),
    "a site beside": ({"Sec-Fetch-Site": "same-site"}, 403),
    "a name that was made to point here": ({"Host": "evil.example:{port}"}, 421),
    "a host without its port": ({"Host": "127.0.0.1"}, 421),
    "an empty host": ({"Host": ""}, 421),
}


@pytest.mark.parametrize("what", FORGED)
def test_a_form_that_comes_from_elsewhere_changes_nothing(what: str, page: httpx.Client, desk: Desk) -> None:
    headers, status = FORGED[what]
    headers = {name: text.replace("{port}", str(page.base_url.port)) for name, text in headers.items()}
    fields = form(page)
    assert page.post("/answer", data=fields, headers=headers).status_code == status
    assert nothing_done(desk)


def test_a_page_that_is_asked_for_by_another_name_is_not_shown(page: httpx.Client) -> None:
    shown = page.get("/", headers={"Host": "evil.example"})
    assert shown.status_code == 421 and "SPXSIM" not in shown.text


@pytest.mark.parametrize(
    "changes",
    [
        {"token": ""},
        {"token": "x" * 43},
        {"token": "é"},
        {"answer": "reject"},
        {"answer": "maybe"},
        {"decision": "f" * 64},
        {"decision": ""},
    ],
)
def test_a_token_is_good_for_its_own_decision_and_answer_only(changes: dict[str, str], page: httpx.Client, desk: Desk) -> None:
    refused = page.post("/answer", data=form(page) | {"reason": "r"} | changes)
    assert refused.status_code == 403 and nothing_done(desk)


def test_a_token_is_not_good_in_another_process(page: httpx.Client, desk: Desk) -> None:
    fields = form(page)
    with served(desk, "eve (page)") as other:
        assert other.post("/answer", data=fields).status_code == 403
    assert nothing_done(desk)


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", "OPTIONS"])
def test_a_link_preview_changes_nothing(method: str, page: httpx.Client, desk: Desk) -> None:
    fields = form(page)
    for path in ("/answer", "/"):
        page.request(method, path, params=fields)
    assert nothing_done(desk)
    assert page.get("/answer", params=fields).status_code == 405


def test_only_a_plain_form_is_read(page: httpx.Client, desk: Desk) -> None:
    fields = form(page)
    assert page.post("/answer", json=fields).status_code == 415
    assert page.post("/answer", content=json.dumps(fields), headers={"Content-Type": "text/plain"}).status_code == 415
    assert page.post("/answer", files={"decision": fields["decision"].encode()}).status_code == 415
    plain = {"Content-Type": "application/x-www-form-urlencoded"}
    for body, status in ((b"\xff=1", 400), (b"a=1&a=2", 400), (b"x" * 9000, 413), (b"", 403)):
        assert page.post("/answer", content=body, headers=plain).status_code == status
    assert page.post("/answer", params=fields, data={"x": "y"}).status_code == 403
    assert nothing_done(desk)


def test_too_many_answers_in_a_minute_are_refused(page: httpx.Client, desk: Desk) -> None:
    fields = form(page)
    for _ in range(POSTS_A_MINUTE):
        page.post("/answer", data={"x": "y"})
    refused = page.post("/answer", data=fields)
    assert refused.status_code == 429 and nothing_done(desk)


def test_a_halted_book_shows_why_and_has_no_button_to_approve(page: httpx.Client, desk: Desk) -> None:
    before = form(page)
    submit_halt(desk.home, BOOK, "bob", WallClock().now(), "<script>alert(1)</script>")
    shown = page.get("/").text
    assert "Approve and send" not in shown and "HALTED by bob: &lt;script&gt;" in shown and "<script>" not in shown
    refused = page.post("/answer", data=before)
    assert refused.status_code == 409 and "cannot be approved" in refused.text and nothing_done(desk)


def test_a_decision_that_was_edited_is_named_and_cannot_be_approved(page: httpx.Client, desk: Desk) -> None:
    before = form(page)
    desk.edit("update orders set quantity = '34'")
    shown = page.get("/").text
    assert "is not what was decided" in shown and "Approve and send" not in shown
    refused = page.post("/answer", data=before)
    assert refused.status_code == 409 and "is not what was decided" in refused.text and nothing_done(desk)


@pytest.mark.timeout(300)
def test_a_person_halts_releases_and_approves_in_a_browser_with_the_keyboard(monday: Desk, tmp_path: Path, browser: Path) -> None:
    desk = monday.copied_to(tmp_path)
    with console(tmp_path, free_port()) as address, visit(browser) as seen:
        page = seen.page
        page.on("console", lambda said: seen.errors.append(said.text) if said.type == "error" else None)
        grounds = {fits_and_ground(page, f"{address}{path}", width) for path in ("/", page_of_book()) for width in (380, 1280)}
        page.emulate_media(color_scheme="dark")
        dark = {fits_and_ground(page, address, width) for width in (380, 1280)}
        assert len(grounds) == len(dark) == 1 and grounds != dark
        answered_by_keyboard(page, f"{address}{page_of_book()}", "Halt this book", "a test", "HALTED: paper/cheap/cheap.")
        page.goto(address)
        expect(page.get_by_role("button", name="Approve and send")).to_have_count(0)
        expect(page.get_by_text("HALTED by").first).to_be_visible()
        answered_by_keyboard(page, f"{address}{page_of_book()}", "Release this book", "a test", "ACTIVE: paper/cheap/cheap.")
        assert seen.errors == [] and seen.left_the_machine == []
        answered_by_keyboard(page, address, "Approve and send", "", "buy 35 SPXSIM is accepted by the broker")
        page.reload()
        expect(page.get_by_text("used already")).to_be_visible()
        page.get_by_role("link", name="Back to the first page").click()
        expect(page.get_by_text("Nothing waits.")).to_be_visible()
        assert seen.left_the_machine == [] and [error for error in seen.errors if "403" not in error] == []
    assert desk.at_the_broker() == 1


def page_of_book() -> str:
    return f"/book?book={quote(BOOK, safe='')}"


def fits_and_ground(page: Page, address: str, width: int) -> str:
    """The page's ground, once nothing of it is wider than the window and the skip link is its first stop."""
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(address)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "To the content"
    return str(page.evaluate("getComputedStyle(document.body).backgroundColor"))


def answered_by_keyboard(page: Page, address: str, button: str, reason: str, expected: str) -> None:
    """Reach a button by Tab alone, a reason typed into the field before it, and press it."""
    page.goto(address)
    wanted = page.get_by_role("button", name=button)
    field = wanted.locator("xpath=preceding-sibling::input[@name='reason']")
    for _ in range(60):
        page.keyboard.press("Tab")
        if reason and field.evaluate("field => field === document.activeElement"):
            page.keyboard.type(reason)
        if wanted.evaluate("button => button === document.activeElement"):
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    expect(page.get_by_text(expected)).to_be_visible(timeout=90_000)


def test_a_page_in_sight_renews_itself_and_says_when_it_cannot(monday: Desk, tmp_path: Path, browser: Path) -> None:
    desk = monday.copied_to(tmp_path)
    with visit(browser) as seen:
        with served(desk, "ana (page)") as client:
            seen.page.goto(f"{client.base_url}{page_of_book()}")
            desk.edit("update runs set reason = 'said later' where reason like '%consent%'")
            expect(seen.page.get_by_text("said later").first).to_be_visible(timeout=PATIENCE_MS)
            submit_halt(desk.home, BOOK, "bob", WallClock().now(), "from elsewhere")
            expect(seen.page.get_by_role("button", name="Release this book")).to_be_visible(timeout=PATIENCE_MS)
        expect(seen.page.get_by_text("No connection")).to_be_visible(timeout=PATIENCE_MS)
