"""The pages as HTML: what they show comes from the views, and goes through templates that escape every text."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from time import monotonic
from urllib.parse import quote

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape
from pydantic import SecretStr

from nightdesk.consent import words
from nightdesk.consent.answer import Answer
from nightdesk.consent.evidence import Close, Evidence, LimitUse
from nightdesk.consent.waiting import MODES, Closes, Waiting, waiting_in
from nightdesk.console.chain import chain_of
from nightdesk.console.guard import LARGEST_REASON
from nightdesk.console.opened import OpenLedgers
from nightdesk.console.tokens import Tokens
from nightdesk.console.views import DAYS_SHOWN, ORDERS_SHOWN, glances, page_of
from schemas.records import Decision, ModelRef

HERE = Path(__file__).parent
BIG_FACTS = ("Order", "Limits", "Decision", "State")
"""Facts that the page shows in a way of their own."""
CLOSES_KEPT_S = 60.0


@dataclass(frozen=True, slots=True)
class Room:
    """What the page works with. `answer` keeps an answer (decision's SHA-256, answer, who, reason), has it acted on and says in
    a sentence what came of it; the page itself reaches no broker. `address` is where a proxy offers the page, and `token` what is
    then asked for; both "" where only this machine can open it. `mlflow_page` is the page of a run in MLflow."""

    home: Path | SecretStr
    port: int
    who: str
    now: Callable[[], datetime]
    closes: Closes
    answer: Callable[[str, Answer, str, str], tuple[str, object]]
    address: str = ""
    token: str = ""
    mlflow_page: Callable[[str], str] = lambda _: ""


class Pages:
    """The pages of a room. Forms get tokens as they are shown; a page that renews what is shown (`live`) takes none."""

    def __init__(self, room: Room, tokens: Tokens) -> None:
        self._room, self._tokens = room, tokens
        self._ledgers = OpenLedgers(room.home)
        self._closes: dict[str, tuple[float, Mapping[str, Close]]] = {}

    def desk(self, live: bool) -> HTMLResponse:
        """What waits for an answer, and every book at a glance."""
        now = self._room.now()
        books = glances(self._ledgers.all(), now)
        own = [row for row in books if row.book.mode != "backfill" and not row.beside]
        rest = [row for row in books if row.book.mode == "backfill" or row.beside]
        found = self._waiting(now, "")
        return self._page("desk.html", live, now, books=own, rest=rest, cards=self._cards(found, live), broken=found.broken)

    def book(self, book_id: str, live: bool, every_position: bool, before: date | None) -> HTMLResponse:
        """A book whole."""
        now = self._room.now()
        page = page_of(self._ledgers.all(), book_id, now, every_position, before)
        found = self._waiting(now, book_id) if page.glance.asks else Waiting((), ())
        older = page.days[-1].session if len(page.days) == DAYS_SHOWN else None
        older_orders = page.orders[-1][0].decided_session if len(page.orders) == ORDERS_SHOWN else None
        return self._page(
            "book.html",
            live,
            now,
            page=page,
            row=page.glance,
            cards=self._cards(found, live),
            broken=found.broken,
            older=max((day for day in (older, older_orders) if day), default=None),
            before=before,
        )

    def decision(self, sha256: str) -> HTMLResponse:
        """A decision's chain, back to its bars."""
        return self._page("decision.html", True, self._room.now(), chain=chain_of(self._ledgers.all(), sha256))

    def _page(self, template: str, live: bool, now: datetime, **values: object) -> HTMLResponse:
        token = _no_token if live else self._tokens.new
        always = {"now": now, "token": token, "longest": LARGEST_REASON, "fit_page": self._fit_page}
        return rendered(template, values={**always, **values})

    def _fit_page(self, model: ModelRef) -> str:
        """A fit's run in MLflow, "" where it has none or an address that no page of ours leads to."""
        return link(self._room.mlflow_page(url(model.mlflow_run_id))) if model.mlflow_run_id else ""

    def _waiting(self, now: datetime, book_id: str) -> Waiting:
        """What waits, of one book or ("") of all."""
        asking = [ledger for ledger in self._ledgers.all() if ledger.path.stem in MODES]
        found = waiting_in(asking, now, self._newer_closes, in_short=True)
        return Waiting(tuple(row for row in found.evidence if book_id in ("", row.book)), found.broken)

    def _newer_closes(self, decision: Decision) -> Mapping[str, Close]:
        """Closes since a decision, read again once they are a minute old."""
        read_at, closes = self._closes.get(decision.sha256, (-CLOSES_KEPT_S, {}))
        if monotonic() - read_at >= CLOSES_KEPT_S:
            closes = self._room.closes(decision)
            self._closes = {decision.sha256: (monotonic(), closes)}
        return closes

    def _cards(self, found: Waiting, live: bool) -> list[dict[str, object]]:
        token = _no_token if live else self._tokens.new
        return [_card(row, token) for row in found.evidence]


def _no_token(what: str, answer: str) -> str:
    return ""


def _card(evidence: Evidence, token: Callable[[str, str], str]) -> dict[str, object]:
    """An evidence with its own tokens. A halted book's can only be rejected."""
    sha256 = evidence.decision_sha256
    return {
        "evidence": evidence,
        "facts": [(what, text) for what, text in words.facts(evidence) if what not in BIG_FACTS],
        "limits": [(row, words.limit_name(row), *_amounts(row)) for row in evidence.limits],
        "approve": "" if evidence.halted else token(sha256, "approve"),
        "reject": token(sha256, "reject"),
    }


def _amounts(row: LimitUse) -> tuple[str, str, str]:
    used, allowed, left = (words.amount(value, row.unit) for value in (row.used, row.allowed, row.left))
    return used, allowed, left


def said(title: str, sentence: str, status: int, back: str = "/") -> HTMLResponse:
    """A page that says what came of a request."""
    return rendered("said.html", status, {"title": title, "sentence": sentence, "back": back})


def rendered(template: str, status: int = 200, values: Mapping[str, object] | None = None) -> HTMLResponse:
    return HTMLResponse(TEMPLATES.get_template(template).render(values or {}), status_code=status)


# how values are written


def money(value: float | None) -> str:
    return "n/a" if value is None else f"{value:,.2f}".replace("-", "\N{MINUS SIGN}")


def percent(value: float | None) -> str:
    """A gain or loss, with its sign."""
    return "n/a" if value is None else f"{value:+.2%}".replace("-", "\N{MINUS SIGN}")


def share(value: float | None) -> str:
    return "n/a" if value is None else f"{value:.1%}".replace("-", "\N{MINUS SIGN}")


def quantity(value: float) -> str:
    return f"{float(value):,.9g}".replace("-", "\N{MINUS SIGN}")


def tone(value: float | None) -> str:
    """The CSS class of a gain or a loss."""
    return "" if not value else "up" if value > 0 else "down"


def clock(instant: datetime | str) -> str:
    """An instant in New York, in short."""
    at = datetime.fromisoformat(instant) if isinstance(instant, str) else instant
    there = at.astimezone(words.NEW_YORK)
    return f"{there:%a} {there.day} {there:%b %Y}, {there:%H:%M} New York"


def until(at: datetime, now: datetime) -> str:
    """How long it is until an instant, as `2 d 3 h`, `3 h 5 min`, `5 min`."""
    minutes = max(0, int((at - now).total_seconds() // 60))
    days, hours, left = minutes // 1440, minutes // 60 % 24, minutes % 60
    return f"{days} d {hours} h" if days else f"{hours} h {left} min" if hours else f"{left} min"


def ticks(text: str) -> Markup:
    """A text with what stands between backticks as code; all else is escaped, and so is that."""
    parts = text.split("`")
    if len(parts) % 2 == 0:
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(part) if at % 2 else escape(part) for at, part in enumerate(parts))


def url(text: str) -> str:
    """A text as a value of a query."""
    return quote(text, safe="")


def link(address: str) -> str:
    """An address that a page may lead to: http or https, a host, no password in it; "" for any other."""
    return address if re.fullmatch(r"https?://[A-Za-z0-9.:\[\]-]+(/[!-~]*)?", address) else ""


TEMPLATES = Environment(
    loader=FileSystemLoader(HERE / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
)
TEMPLATES.filters |= {filter_.__name__: filter_ for filter_ in (money, percent, share, quantity, tone, clock, ticks, url, link)}
TEMPLATES.globals |= {"until": until}
