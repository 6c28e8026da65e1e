"""What Prefect does by itself about the desk's runs: it ends those that died, and tells a person what the desk cannot say.

The desk tells how a day ended (`nightdesk/day/notice.py`). Here is what a dead desk cannot tell: docs/alerts.md has the table.
"""

from datetime import timedelta
from typing import Any
from uuid import UUID

from prefect import get_client
from prefect.blocks.notifications import SlackWebhook
from prefect.client.orchestration import SyncPrefectClient
from prefect.events.actions import ChangeFlowRunState, SendNotification
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from pydantic import SecretStr

from schemas.outcomes import NO_REPORT_HEADING, RUNBOOK

BLOCK = "nightdesk-notices"
PREFIX = "nightdesk: "
TAG = {"prefect.resource.role": "tag", "prefect.resource.id": "prefect.tag.nightdesk"}
"""What every deployment of the desk has, also those for live."""
BOOKS = {"prefect.resource.id": "nightdesk.book.*"}
NO_SIGN_S = 90
"""Without a sign of life for so long a run is dead: it sends one every 30 s, and starts in less."""
LATE_S = 300
ADVICE = "What to do: {heading} in docs/runbook.md."
RUN_PAGE = "{{ flow_run|ui_url }}"


def save_automations(addresses: SecretStr) -> list[str]:
    """Make or renew the automations on the Prefect server at hand; one that a person has paused stays so. Returns their names.

    Without `addresses` there are none that tell a person, and those that there were are removed.
    """
    with get_client(sync_client=True) as client:
        block = _saved_block(addresses, client)
        wanted = [*dying(), *(telling(block) if block else [])]
        known = {found.name: found for found in client.read_automations() if found.name.startswith(PREFIX)}
        for made in wanted:
            if made.name in known:
                client.update_automation(known[made.name].id, made.model_copy(update={"enabled": known[made.name].enabled}))
            else:
                client.create_automation(made)
        for name in known.keys() - {made.name for made in wanted}:
            client.delete_automation(known[name].id)
    return [made.name for made in wanted]


def dying() -> list[AutomationCore]:
    """What ends a run that nothing runs any more: it would keep its place, and Prefect would cancel every later one."""
    names = "prefect.flow-run."
    return [
        AutomationCore(
            name=f"{PREFIX}end a run whose process died",
            description=f"A run that has sent no sign of life for {NO_SIGN_S} s is marked as crashed.",
            trigger=_silent_after([f"{names}heartbeat"], NO_SIGN_S),
            actions=[ChangeFlowRunState(state="CRASHED", name="Crashed", message=f"no sign of life for {NO_SIGN_S} s")],
        ),
        AutomationCore(
            name=f"{PREFIX}end a run that was never started",
            description=f"A run that a worker took {NO_SIGN_S} s ago, and that has not begun, is marked as crashed.",
            trigger=_silent_after([f"{names}{state}" for state in ("Pending", "Submitting", "InfrastructurePending")], NO_SIGN_S),
            actions=[ChangeFlowRunState(state="CRASHED", name="Crashed", message="its worker died before it began")],
        ),
    ]


def telling(block: UUID) -> list[AutomationCore]:
    """What tells a person, through a block. Those that are made disabled say again what the desk says itself."""
    died = ADVICE.format(heading=NO_REPORT_HEADING)
    told: list[tuple[str, str, EventTrigger, str, str]] = [
        (
            "a run crashed",
            "A run was killed, or its machine is gone.",
            _each_run(["prefect.flow-run.Crashed"]),
            "{{ flow_run.name }} crashed",
            f"{{{{ flow_run.state.message }}}}\n{died}\n{RUN_PAGE}",
        ),
        (
            "a run does not begin",
            f"No worker took a run within {LATE_S // 60} minutes.",
            _silent_after(["prefect.flow-run.Late"], LATE_S),
            "{{ flow_run.name }} has not begun",
            f"It was due at {{{{ flow_run.expected_start_time }}}}, and no worker has taken it.\n{died}\n{RUN_PAGE}",
        ),
        (
            "a run failed by itself",
            "A submission or a heartbeat ended in an error that the desk has no notice for.",
            _each_run(["prefect.flow-run.Failed"], flows=["submit", "heartbeat"]),
            "{{ flow_run.name }} failed",
            f"{{{{ flow_run.state.message }}}}\n{ADVICE.format(heading=RUNBOOK[1])}\n{RUN_PAGE}",
        ),
    ]
    return [_told(block, *row, enabled=True) for row in told] + [_told(block, *row, enabled=False) for row in _said_by_the_desk()]


def _said_by_the_desk() -> list[tuple[str, str, EventTrigger, str, str]]:
    subject = "{{ event.resource.name }}, {{ event.payload.session }}"
    rows = [
        ("consent is wanted", "nightdesk.consent.wanted", "an order waits for your consent", "see `nightdesk consent`"),
        ("a book was restricted", "nightdesk.book.restricted", "the desk restricted it", f"{RUNBOOK[0]} in docs/runbook.md"),
        ("data was restated", "nightdesk.data.restated", "the vendor changed the past", f"{RUNBOOK[3]} in docs/runbook.md"),
    ]
    return [
        (
            name,
            "Off, since the desk sends this itself to NIGHTDESK_NOTIFY.",
            EventTrigger(posture=Posture.Reactive, expect={event}, match=BOOKS, threshold=1),
            f"{subject}: {what}",
            f"{{{{ event.payload.reason }}}}\nWhat to do: {advice}.\n{{{{ event.payload.page }}}}",
        )
        for name, event, what, advice in rows
    ]


def _told(block: UUID, name: str, why: str, trigger: EventTrigger, subject: str, body: str, enabled: bool) -> AutomationCore:
    action = SendNotification(block_document_id=block, subject=f"Nightdesk: {subject}", body=body)
    return AutomationCore(name=f"{PREFIX}{name}", description=why, trigger=trigger, actions=[action], enabled=enabled)


def _each_run(events: list[str], flows: list[str] | None = None) -> EventTrigger:
    """Once for each run: a crash is reported by the runner and by the worker."""
    related = [TAG, *([{"prefect.resource.role": "flow", "prefect.resource.name": flows}] if flows else [])]
    return _of_runs(Posture.Reactive, 60, expect=set(events), match_related=related)


def _silent_after(events: list[str], within_s: int) -> EventTrigger:
    """Where a run says nothing more for a time after one of these events."""
    return _of_runs(Posture.Proactive, within_s, after=set(events), expect={"prefect.flow-run.*"}, match_related=[TAG])


def _of_runs(posture: Posture, within_s: int, **more: Any) -> EventTrigger:
    return EventTrigger(
        posture=posture,
        match={"prefect.resource.id": "prefect.flow-run.*"},
        for_each={"prefect.resource.id"},
        threshold=1,
        within=timedelta(seconds=within_s),
        **more,
    )


def _saved_block(addresses: SecretStr, client: SyncPrefectClient) -> UUID | None:
    """The block that sends to apprise's addresses: Prefect has one for each service, and Slack's takes all addresses."""
    if not addresses.get_secret_value():
        return None
    named = ", ".join(addresses.get_secret_value().replace(",", " ").split())
    return SlackWebhook(url=SecretStr(named)).save(BLOCK, overwrite=True)
