"""The page: what waits for consent with its evidence, the state of each book, and a form for the answer."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import FileResponse, HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import SecretStr

from nightdesk.consent import words
from nightdesk.consent.answer import Answer
from nightdesk.consent.evidence import Evidence, LimitUse
from nightdesk.consent.waiting import Closes, waiting
from nightdesk.console.guard import HEADERS, LARGEST_REASON, Guard, RefusedError, form_of
from nightdesk.console.tokens import Tokens
from nightdesk.errors import NightdeskError
from nightdesk.ledger.status import book_statuses

HERE = Path(__file__).parent
ANSWERS: dict[str, Answer] = {"approve": "approve", "reject": "reject"}
BIG_FACTS = ("Order", "Limits", "Decision", "State")
"""Facts that the page shows in a way of their own."""

Form = Annotated[dict[str, str], Depends(form_of)]
Next = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Room:
    """What the page works with. `answer` keeps an answer (decision's SHA-256, answer, who, reason), has it acted on and says in
    a sentence what came of it; the page itself reaches no broker."""

    home: Path | SecretStr
    port: int
    who: str
    now: Callable[[], datetime]
    closes: Closes
    answer: Callable[[str, Answer, str, str], tuple[str, object]]


def console_app(room: Room) -> FastAPI:
    """The page as an application. Only a POST of its own form, with an unused token, changes anything."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    guard, tokens = Guard(room.port), Tokens()

    @app.middleware("http")
    async def guarded(request: Request, call_next: Next) -> Response:
        try:
            guard.require_own_host(request.headers)
            if request.method == "POST":
                guard.require_own_form(request.headers)
                guard.require_calm()
            answer = await call_next(request)
        except RefusedError as refused:
            answer = _said("Refused", refused.sentence, refused.status)
        answer.headers.update(HEADERS)
        return answer

    @app.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError) -> Response:
        return _said("Refused", error.sentence, error.status)

    @app.exception_handler(NightdeskError)
    async def told(request: Request, error: NightdeskError) -> Response:
        return _said("Not done", error.message, 409)

    @app.get("/", response_class=HTMLResponse)
    def page() -> Response:
        return _page(room, tokens)

    @app.post("/answer", response_class=HTMLResponse)
    def answer(form: Form) -> Response:
        return _answer(room, tokens, form)

    @app.get("/console.css")
    def style() -> Response:
        return FileResponse(HERE / "static" / "console.css", media_type="text/css")

    @app.get("/icon.svg")
    def icon() -> Response:
        return FileResponse(HERE / "static" / "icon.svg", media_type="image/svg+xml")

    return app


def _answer(room: Room, tokens: Tokens, form: dict[str, str]) -> Response:
    sha256, said, token = (form.get(name, "") for name in ("decision", "answer", "token"))
    if said not in ANSWERS or not tokens.use_up(sha256, said, token):
        raise RefusedError(
            403, "This form was used already, or is not one of this page's: nothing was done. Load the page again."
        )
    reason = form.get("reason", "")
    if len(reason) > LARGEST_REASON:
        raise RefusedError(400, f"The reason has {len(reason)} characters, allowed: {LARGEST_REASON}. Nothing was done.")
    sentence, _ = room.answer(sha256, ANSWERS[said], room.who, reason)
    return _said("Done", sentence, 200)


def _page(room: Room, tokens: Tokens) -> Response:
    found = waiting(room.home, room.now(), room.closes)
    cards = [_card(row, tokens) for row in found.evidence]
    books = [row for row in book_statuses(room.home) if not row["book"].startswith("backfill/")]
    return _rendered("page.html", cards=cards, broken=found.broken, books=books, longest=LARGEST_REASON)


def _card(evidence: Evidence, tokens: Tokens) -> dict[str, object]:
    """An evidence with its own tokens. A halted book's can only be rejected."""
    sha256 = evidence.decision_sha256
    return {
        "evidence": evidence,
        "facts": [(what, text) for what, text in words.facts(evidence) if what not in BIG_FACTS],
        "limits": [(row, words.limit_name(row), *_amounts(row)) for row in evidence.limits],
        "approve": "" if evidence.halted else tokens.new(sha256, "approve"),
        "reject": tokens.new(sha256, "reject"),
    }


def _amounts(row: LimitUse) -> tuple[str, str, str]:
    used, allowed, left = (words.amount(value, row.unit) for value in (row.used, row.allowed, row.left))
    return used, allowed, left


def _said(title: str, sentence: str, status: int) -> HTMLResponse:
    return _rendered("said.html", status, title=title, sentence=sentence)


def _rendered(template: str, status: int = 200, **values: object) -> HTMLResponse:
    return HTMLResponse(PAGES.get_template(template).render(values), status_code=status)


PAGES = Environment(loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined)
