"""Which ends of a day a person is told about, and in which words."""

from typing import TYPE_CHECKING, Any, Final

from nightdesk.consent.evidence import Evidence, asks_for_consent, evidence_of
from nightdesk.consent.words import consent_notice
from nightdesk.errors import NightdeskError
from nightdesk.learning.drift import moved, moved_sentence, still_moved
from nightdesk.ledger.controls import DESK
from nightdesk.notices import send_notice
from nightdesk.secrecy import redacted
from nightdesk.settings import Settings
from schemas.outcomes import RUNBOOK, ending

if TYPE_CHECKING:
    from nightdesk.day.desk import Day

WATCHED_HEADING: Final = "A gap or a drift (0)"
"""The heading of docs/runbook.md about a day that went otherwise than its model expects."""


def submit_day_notice(day: "Day") -> None:
    """Send one notice of a day that needs a person, once for a session that ends in the same way. None of a backfill.

    What was sent is kept in the run's detail; where nothing was, the next run of the session tries again.
    """
    if day.desk.book.mode == "backfill":
        return
    run, desk, restricted, asked, watched = day.run, day.desk, _restricted(day), _asked(day), _watched(day)
    told = _told(day)
    day.detail["told"] = told
    if not (ending(run.outcome).notice or run.exit_code != 0 or restricted or asked or watched):
        return
    way = f"{run.outcome}; exit code {run.exit_code}; {restricted}{asked.decision_sha256 if asked else ''}{' '.join(watched)}"
    if way in [earlier.detail.get("notice") for earlier in desk.ledger.runs(run.book_id, run.session)]:
        return
    if asked:
        title, text = consent_notice(asked)
    else:
        title = f"Nightdesk {desk.strategy.name} {day.session}: {run.outcome}"
        advice = _advice(run.exit_code) if not watched or restricted or run.exit_code else ""
        text = _text(restricted, run.reason, advice)
    if send_notice(desk.settings.notify, title, _text(text, *watched, day.page)):
        day.detail["notice"] = way
        day.detail["told"] = sorted({*told, *moved(day.detail.get("drift", {}))})


def happened(day: "Day") -> dict[str, str]:
    """What of a day that has ended others may wait for: the reason by the name of the event."""
    restated = day.detail.get("restated")
    found = {
        "nightdesk.consent.wanted": day.run.reason if _asked(day) else "",
        "nightdesk.book.restricted": _restricted(day),
        "nightdesk.data.restated": str(restated["sentence"] or "") if isinstance(restated, dict) else "",
    }
    return {name: reason for name, reason in found.items() if reason}


def submit_failure_notice(strategy: str, error: NightdeskError, here: Settings) -> None:
    """Send a notice of a day that has no run to keep it in, since it could not begin, or that could not be reported."""
    send_notice(here.notify, f"Nightdesk {strategy}: failed", _text(redacted(error.message), _advice(error.exit_code)))


def _restricted(day: "Day") -> str:
    """The state that the desk itself gave the book today, and why; "" where it did not."""
    control = day.desk.ledger.control(day.desk.book.book_id)
    if control is None or control.who != DESK or control.session != day.session:
        return ""
    return f"{control.state}: {control.reason}."


def _asked(day: "Day") -> Evidence | None:
    """What a person is asked to consent to, None where nobody is asked."""
    ledger, run = day.desk.ledger, day.run
    decision = ledger.decision(run.book_id, day.session)
    if run.outcome != "waiting" or decision is None or ledger.consent(decision.sha256) is not None:
        return None
    return evidence_of(ledger, decision, {}) if asks_for_consent(decision) else None


def _watched(day: "Day") -> list[str]:
    """What is said of gaps above the tolerance, and of drift that nobody was told of."""
    expected: Any = day.detail.get("expected", {})
    above = [f"Live against expected, {sentence}." for sentence in expected.get("above", ())]
    drift: Any = day.detail.get("drift", {})
    news = [name for name in moved(drift) if name not in _told(day)]
    drifted = [moved_sentence(drift, news)] if news else []
    return [*above, *drifted, f"What to do: {WATCHED_HEADING} in docs/runbook.md."] if above or drifted else []


def _told(day: "Day") -> list[str]:
    """What a person was told of to have moved, until it is stable again."""
    ledger, book_id = day.desk.ledger, day.run.book_id
    last = ledger.last_decision(book_id, before=day.session)
    runs = [*(ledger.runs(book_id, last.session) if last else ()), *ledger.runs(book_id, day.session)]
    finished: list[Any] = [run.detail for run in runs if "told" in run.detail]
    return still_moved(day.detail.get("drift", {}), finished[-1]["told"]) if finished else []


def _text(*lines: str) -> str:
    return "\n".join(line for line in lines if line)


def _advice(exit_code: int) -> str:
    return f"What to do: {RUNBOOK[exit_code]} in docs/runbook.md."
