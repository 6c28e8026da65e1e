"""The console as an application: its addresses, and what each request must be. It reaches no broker."""

from collections.abc import Awaitable, Callable
from datetime import date, datetime
from pathlib import Path
from typing import Annotated
from urllib.parse import quote

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, HTMLResponse, RedirectResponse
from pydantic import SecretStr
from starlette.exceptions import HTTPException

from nightdesk.consent.answer import Answer
from nightdesk.console.access import A_DAY_S, COOKIE, Access
from nightdesk.console.guard import HEADERS, LARGEST_REASON, Guard, RefusedError, form_of
from nightdesk.console.pages import Pages, Room, rendered, said
from nightdesk.console.tokens import Tokens
from nightdesk.errors import Misconfigured, NightdeskError
from nightdesk.ledger.halts import submit_halt, submit_release

HERE = Path(__file__).parent
ANSWERS: dict[str, Answer] = {"approve": "approve", "reject": "reject"}
Control = Callable[[Path | SecretStr, str, str, datetime, str], list[str]]
CONTROLS: dict[str, Control] = {"halt": submit_halt, "resume": submit_release}
FILES = {"console.css": "text/css", "console.js": "text/javascript", "icon.svg": "image/svg+xml"}
LIVE = "x-live"
"""The header with which the page's script asks for what is shown now: nothing on that can be answered."""
OPEN_TO_ALL = ("/login", "/console.css", "/icon.svg")
USED_UP = "This form was used already, or is not one of this page's: nothing was done. Load the page again."

Form = Annotated[dict[str, str], Depends(form_of)]
Next = Callable[[Request], Awaitable[Response]]

__all__ = ["Room", "console_app"]


def console_app(room: Room) -> FastAPI:
    """The page as an application. Only a POST of its own form, with an unused token, changes anything."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    tokens, access = Tokens(), Access(room.token)
    _add_guards(app, Guard(room.port, room.address), access)
    _add_views(app, Pages(room, tokens))
    _add_forms(app, room, tokens)
    _add_login(app, access, room.address.startswith("https://"))
    return app


def _add_guards(app: FastAPI, guard: Guard, access: Access) -> None:
    @app.middleware("http")
    async def guarded(request: Request, call_next: Next) -> Response:
        try:
            guard.require_own_host(request.headers)
            guard.require_own_page(request.headers)
            guard.require_plain_address(request.scope["raw_path"], request.scope["query_string"])
            known = access.is_open_to(request.cookies.get(COOKIE, ""))
            if request.method == "POST":
                guard.require_own_form(request.headers)
                guard.require_calm(known)
            if request.url.path not in OPEN_TO_ALL and not known:
                answer = _to_login(request)
            else:
                answer = await call_next(request)
        except RefusedError as refused:
            answer = said("Refused", refused.sentence, refused.status)
        answer.headers.update(HEADERS)
        return answer

    @app.exception_handler(HTTPException)
    async def lost(request: Request, error: HTTPException) -> Response:
        sentence = "There is no such page." if error.status_code == 404 else "This page is not asked for in that way."
        answer = said("Not found" if error.status_code == 404 else "Refused", sentence, error.status_code)
        answer.headers.update(error.headers or {})
        return answer

    @app.exception_handler(RequestValidationError)
    async def unread(request: Request, error: RequestValidationError) -> Response:
        names = sorted({str(row["loc"][-1]) for row in error.errors()})
        return said("Refused", f"The address cannot be read: {', '.join(names)}.", 422)

    @app.exception_handler(RefusedError)
    async def refused(request: Request, error: RefusedError) -> Response:
        return said("Refused", error.sentence, error.status)

    @app.exception_handler(NightdeskError)
    async def told(request: Request, error: NightdeskError) -> Response:
        lost = isinstance(error, Misconfigured) and request.method == "GET"
        return said("Not found" if lost else "Not done", error.message, 404 if lost else 409)


def _to_login(request: Request) -> Response:
    if request.method == "GET":
        return RedirectResponse("/login", 303)
    return said("Refused", "Show the token first: nothing was done.", 401)


def _add_views(app: FastAPI, pages: Pages) -> None:
    @app.get("/", response_class=HTMLResponse)
    def desk(request: Request) -> Response:
        return pages.desk(LIVE in request.headers)

    @app.get("/book", response_class=HTMLResponse)
    def book(request: Request, book: str, positions: str = "", before: date | None = None) -> Response:
        return pages.book(book, LIVE in request.headers, positions == "all", before)

    @app.get("/decision", response_class=HTMLResponse)
    def decision(sha256: str) -> Response:
        return pages.decision(sha256)

    for name, kind in FILES.items():
        app.get(f"/{name}")(_file(name, kind))


def _file(name: str, kind: str) -> Callable[[], Response]:
    return lambda: FileResponse(HERE / "static" / name, media_type=kind)


def _add_forms(app: FastAPI, room: Room, tokens: Tokens) -> None:
    @app.post("/answer", response_class=HTMLResponse)
    def answer(form: Form) -> Response:
        sha256, answered, token = (form.get(name, "") for name in ("decision", "answer", "token"))
        if answered not in ANSWERS or not tokens.use_up(sha256, answered, token):
            raise RefusedError(403, USED_UP)
        sentence, _ = room.answer(sha256, ANSWERS[answered], room.who, _reason(form))
        return said("Done", sentence, 200)

    @app.post("/control", response_class=HTMLResponse)
    def control(form: Form) -> Response:
        book_id, wanted, token = (form.get(name, "") for name in ("book", "control", "token"))
        if wanted not in CONTROLS or not tokens.use_up(book_id, wanted, token):
            raise RefusedError(403, USED_UP)
        done = CONTROLS[wanted](room.home, book_id, room.who, room.now(), _reason(form))
        back = f"/book?book={quote(book_id, safe='')}" if book_id else "/"
        return said("Done", f"{'HALTED' if wanted == 'halt' else 'ACTIVE'}: {', '.join(done)}.", 200, back)


def _reason(form: dict[str, str]) -> str:
    reason = form.get("reason", "")
    if len(reason) > LARGEST_REASON:
        raise RefusedError(400, f"The reason has {len(reason)} characters, allowed: {LARGEST_REASON}. Nothing was done.")
    return reason


def _add_login(app: FastAPI, access: Access, secure: bool) -> None:
    @app.get("/login", response_class=HTMLResponse)
    def login() -> Response:
        return rendered("login.html") if access.asked else RedirectResponse("/", 303)

    @app.post("/login", response_class=HTMLResponse)
    def logged_in(form: Form) -> Response:
        cookie = access.cookie_for(form.get("token", "")) if access.asked else ""
        if not cookie:
            raise RefusedError(403, "That is not the token.")
        answer = RedirectResponse("/", 303)
        answer.set_cookie(COOKIE, cookie, max_age=A_DAY_S, httponly=True, samesite="strict", secure=secure)
        return answer
