"""What Prefect tells a person, from a real run of a real server to the address where notices go."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from time import monotonic, sleep
from typing import Any
from urllib.request import Request, urlopen

import pytest

from tests.canaries import notify_address
from tests.notice_server import NoticeServer, taking
from tests.running import NIGHTDESK, Up, environment
from tests.strategy_documents import saved, seed, with_key

pytestmark = pytest.mark.timeout(400)

LATE, CONSENT, RESTRICTED = "a run does not begin", "consent is wanted", "a book was restricted"
SHORTEST_S = 10
"""Prefect takes no less for an automation that waits for what does not happen."""
QUEUE = {"name": "nobody", "is_paused": True}
"""A work queue that no worker takes a run from."""


def sent_to(up: Up, address: str) -> None:
    """`nightdesk automations` with this address for notices."""
    told = environment(up.folder, NIGHTDESK_NOTIFY=address)
    subprocess.run([*NIGHTDESK, "automations"], env=told, cwd=up.folder, capture_output=True, timeout=100, check=True)


def automations(up: Up) -> dict[str, Any]:
    return {row["name"].removeprefix("nightdesk: "): row for row in up.api("POST", "/automations/filter", {})}


def ask(up: Up, method: str, path: str, body: bytes | None = None) -> None:
    """A request that is answered with nothing."""
    with urlopen(Request(f"{up.prefect}/api{path}", body, {"Content-Type": "application/json"}, method=method), timeout=30):
        pass


def change(up: Up, method: str, name: str, body: bytes) -> None:
    """What Prefect's page does where a person edits an automation, or turns one on or off."""
    ask(up, method, f"/automations/{automations(up)[name]['id']}", body)


@pytest.fixture(scope="module")
def told(up: Up) -> Iterator[NoticeServer]:
    """What takes the notices of Prefect's automations for these tests; two that are off by themselves are on."""
    with taking(NoticeServer()) as server:
        sent_to(up, server.address("alerts"))
        for name in (CONSENT, RESTRICTED):
            change(up, "PATCH", name, b'{"enabled": true}')
        yield server
        for name in (CONSENT, RESTRICTED):
            change(up, "PATCH", name, b'{"enabled": false}')
        sent_to(up, notify_address(9))


@pytest.fixture(scope="module", autouse=True)
def late(up: Up, told: NoticeServer) -> Iterator[Any]:
    """A submission that nobody takes. Its five minutes are made ten seconds where a person would do so: in the automation."""
    found = automations(up)[LATE]
    assert found["trigger"]["within"] == 300
    body = {key: found[key] for key in ("name", "description", "enabled", "trigger", "actions")}
    body["trigger"]["within"] = SHORTEST_S
    change(up, "PUT", LATE, json.dumps(body).encode())
    up.api("POST", "/work_pools/nightdesk/queues", QUEUE)
    made = up.api("GET", "/deployments/name/submit/submit")
    run = up.api("POST", f"/deployments/{made['id']}/create_flow_run", {"work_queue_name": QUEUE["name"], "name": "nobody's"})
    yield run
    ask(up, "DELETE", f"/flow_runs/{run['id']}")


def notice(server: NoticeServer, title: str, within_s: float = 60) -> list[str]:
    """The lines of the notice with this title, once it has come."""
    until = monotonic() + within_s
    while not (found := [body for _, body in server.posted if body["title"] == f"Nightdesk: {title}"]):
        if monotonic() > until:
            raise TimeoutError(f"no notice {title!r} among {[body['title'] for _, body in server.posted]}")
        sleep(0.1)
    (only,) = found
    return str(only["message"]).splitlines()


def event_of(up: Up, event: str, book: str) -> Any:
    """The only event of this name about a book."""
    wanted = {"filter": {"event": {"name": [event]}, "resource": {"id": [f"nightdesk.book.{book}"]}}}
    until = monotonic() + 30
    while not (found := up.api("POST", "/events/filter", wanted)["events"]) and monotonic() < until:
        sleep(0.2)  # an automation sees an event before it is kept
    (only,) = found
    return only


@pytest.mark.parametrize(
    "name, key, value, event, reason, title, advice",
    [
        (
            "asking",
            "broker.execution",
            "confirm",
            "nightdesk.consent.wanted",
            "SPXSIM",
            "an order waits for your consent",
            "What to do: see `nightdesk consent`.",
        ),
        (
            "ending",
            "limits.end_date",
            "2018-11-30",
            "nightdesk.book.restricted",
            "REDUCING: the open of 2018-12-04 is after limits.end_date 2018-11-30",
            "the desk restricted it",
            "What to do: Halted (0) in docs/runbook.md.",
        ),
    ],
)
def test_a_day_that_needs_a_person_is_an_event_that_an_automation_sends(
    name: str,
    key: str,
    value: str,
    event: str,
    reason: str,
    title: str,
    advice: str,
    up: Up,
    told: NoticeServer,
    tmp_path: Path,
) -> None:
    named = {"name": name, "broker.account": name, key: value}
    document = seed()
    for changed, to in named.items():
        document = with_key(document, changed, to)
    run = up.create_run("daily/daily", {"strategy": saved(document, tmp_path), "session": "2018-12-03"})
    up.state_reached(run, "COMPLETED", "FAILED", "CRASHED", "CANCELLED")
    book, page = f"paper/{name}/{name}", f"{up.prefect}/runs/flow-run/{run['id']}"
    lines = notice(told, f"{book}, 2018-12-03: {title}")
    assert reason in lines[0] and lines[1:] == [advice, page]
    seen = event_of(up, event, book)
    assert seen["payload"] == {"session": "2018-12-03", "reason": lines[0], "page": page}


def test_a_run_that_no_worker_takes_is_told_of_with_its_page(up: Up, told: NoticeServer, late: Any) -> None:
    due, advice, page = notice(told, "nobody's has not begun")
    assert due.startswith("It was due at 20") and due.endswith("and no worker has taken it.")
    assert advice == "What to do: The machinery died in docs/runbook.md."
    assert page == f"{up.prefect}/runs/flow-run/{late['id']}"
    assert up.api("GET", f"/flow_runs/{late['id']}")["state"]["name"] == "Late"
