"""Which ends of a day a person is told about, and in which words."""

from typing import TYPE_CHECKING

from nightdesk.consent.evidence import Evidence, asks_for_consent, evidence_of
from nightdesk.consent.words import consent_notice
from nightdesk.errors import NightdeskError
from nightdesk.ledger.controls import DESK
from nightdesk.notices import send_notice
from nightdesk.secrecy import redacted
from nightdesk.settings import Settings
from schemas.outcomes import RUNBOOK, ending

if TYPE_CHECKING:
    from nightdesk.day.desk import Day


def submit_day_notice(day: "Day") -> None:
    """Send one notice of a day that needs a person, once for a session that ends in the same way. None of a backfill.

    What was sent is kept in the run's detail; where nothing was, the next run of the session tries again.
    """
    run, desk, restricted, asked = day.run, day.desk, _restricted(day), _asked(day)
    needed = ending(run.outcome).notice or run.exit_code != 0 or restricted or asked
    if not needed or desk.book.mode == "backfill":
        return
    way = f"{run.outcome}; exit code {run.exit_code}; {restricted}{asked.decision_sha256 if asked else ''}"
    if way in [earlier.detail.get("notice") for earlier in desk.ledger.runs(run.book_id, run.session)]:
        return
    if asked:
        title, text = consent_notice(asked)
    else:
        title = f"Nightdesk {desk.strategy.name} {day.session}: {run.outcome}"
        text = _text(restricted, run.reason, _advice(run.exit_code))
    if send_notice(desk.settings.notify, title, _text(text, day.page)):
        day.detail["notice"] = way


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


def _text(*lines: str) -> str:
    return "\n".join(line for line in lines if line)


def _advice(exit_code: int) -> str:
    return f"What to do: {RUNBOOK[exit_code]} in docs/runbook.md."
