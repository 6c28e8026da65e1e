"""The deployments of a strategy on the Prefect server that is at hand: made for going live, paused where it is stopped."""

from pathlib import Path
from typing import Any

from nightdesk.cli.orchestration import running_api_url
from nightdesk.cli.services import answers
from nightdesk.errors import Misconfigured
from nightdesk.settings import Settings, prepare_environment, use_prefect_api
from schemas.records import Mode
from schemas.strategy import Strategy

FLOWS = ("daily", "submit", "heartbeat")
START = "`nightdesk up` starts one, with the deployments of prefect.yaml"


def reached_server(here: Settings) -> str:
    """The API of the Prefect server that is named, or of the `nightdesk up` of this home, ready to be talked to; "" where none
    answers. Never an embedded one: nothing that is scheduled there runs."""
    url = here.prefect_api_url or running_api_url(here.home)
    if not url or not answers(f"{url}/health"):
        return ""
    prepare_environment(here)
    use_prefect_api(url)
    return url


def lacking(here: Settings) -> str:
    """Why a strategy cannot be deployed, "" where it can."""
    if not reached_server(here):
        return f"no Prefect server can be reached: {START}"
    found = {f"{flow}/{flow}" for flow in FLOWS} - {name for name, _ in _deployed()}
    return f"Prefect has no deployment {' and '.join(sorted(found))}: {START}" if found else ""


def deploy_live(strategy_name: str, strategy: Strategy) -> list[str]:
    """Make or renew the live deployments of a strategy, as those of prefect.yaml are on the server. Returns their names."""
    from prefect import get_client
    from prefect.client.schemas.actions import DeploymentScheduleCreate

    named = f"{strategy.name}-live"
    known = dict(_deployed())
    with get_client(sync_client=True) as client:
        for flow in FLOWS:
            like: Any = known[f"{flow}/{flow}"]
            client.create_deployment(
                flow_id=like.flow_id,
                name=named,
                description=f"{strategy.name}, live, on the account {strategy.broker.account_number}.",
                parameters={**like.parameters, "strategy": told_as(strategy_name), "mode": "live"},
                schedules=[DeploymentScheduleCreate(schedule=row.schedule, active=True, slug=row.slug) for row in like.schedules],
                concurrency_limit=like.global_concurrency_limit.limit,
                concurrency_options=like.concurrency_options,
                tags=sorted({*like.tags, "live"}),
                entrypoint=like.entrypoint,
                path=like.path,
                pull_steps=like.pull_steps,
                work_pool_name=like.work_pool_name,
                parameter_openapi_schema=like.parameter_openapi_schema,
                enforce_parameter_schema=like.enforce_parameter_schema,
                paused=False,
            )
    return [f"{flow}/{named}" for flow in FLOWS]


def pause_schedules(strategy_name: str, strategy: Strategy, mode: Mode, here: Settings) -> list[str]:
    """Pause the deployments of a strategy's book; returns their names. Raises `Misconfigured` where no server is at hand."""
    if not reached_server(here):
        raise Misconfigured("No Prefect server can be reached: what it schedules was not paused.")
    from prefect import get_client

    names = {strategy_name, told_as(strategy_name), strategy.name}
    own = [
        (name, row.id)
        for name, row in _deployed()
        if name.split("/")[0] in FLOWS and row.parameters.get("strategy") in names and row.parameters.get("mode") == mode
    ]
    with get_client(sync_client=True) as client:
        for _, deployment in own:
            client.pause_deployment(deployment)
    return [name for name, _ in own]


def told_as(strategy_name: str) -> str:
    """What a strategy is asked for by, so that it is found from any folder."""
    return str(Path(strategy_name).resolve()) if strategy_name.endswith(".toml") else strategy_name


def _deployed() -> list[tuple[str, Any]]:
    """All deployments by their name, as daily/daily."""
    from prefect import get_client

    with get_client(sync_client=True) as client:
        flows = {flow.id: flow.name for flow in client.read_flows()}
        return [(f"{flows.get(row.flow_id)}/{row.name}", row) for row in client.read_deployments()]
