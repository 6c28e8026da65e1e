"""nightdesk day"""

from typing import Annotated, Any

import typer

from nightdesk.cli.options import DEFAULT_STRATEGY, JsonOption, StrategyOption


def day(
    session: Annotated[
        str | None, typer.Option(help="The session to decide after, as 2018-12-31. Default: the next one that was not decided.")
    ] = None,
    strategy: StrategyOption = DEFAULT_STRATEGY,
    json: JsonOption = False,
) -> None:
    """Run one trading day: bars in, checks, books settled, features, model, signal, order, report.

    A second run of the same session resumes the first decision and places nothing.
    """
    from nightdesk.cli.orchestration import say, start_prefect, without_heartbeat
    from nightdesk.cli.parsing import parsed_session
    from nightdesk.cli.print_report import print_day
    from nightdesk.day.opening import Closed, next_day
    from nightdesk.day.play import play_day
    from nightdesk.settings import settings

    here = settings()
    chosen = next_day(strategy, parsed_session(session), "paper", here)
    if isinstance(chosen, Closed):
        print_day(chosen, json)
    elif start_prefect(here):
        from flows.daily import daily

        with without_heartbeat():
            state: Any = daily(strategy, chosen, return_state=True)
        print_day(state.result(raise_on_failure=False), json)
    else:
        say("Prefect cannot be reached: the day runs as plain functions and is marked unorchestrated.")
        print_day(play_day(strategy, chosen, "paper", "manual", here), json)
