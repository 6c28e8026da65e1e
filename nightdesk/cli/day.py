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
    from nightdesk.cli.orchestration import say, start_prefect
    from nightdesk.cli.parsing import parsed_session
    from nightdesk.cli.print_report import print_day
    from nightdesk.day.opening import Closed
    from nightdesk.day.play import play_day
    from nightdesk.settings import settings
    from nightdesk.wiring import load_strategy
    from schemas.records import DayReport

    here, asked = settings(), parsed_session(session)
    load_strategy(strategy, here)
    if start_prefect(here):
        from flows.daily import daily

        state: Any = daily(strategy, asked, return_state=True)
        made: DayReport | Closed | Exception = state.result(raise_on_failure=False)
    else:
        say("Prefect cannot be reached: the day runs as plain functions and is marked unorchestrated.")
        made = play_day(strategy, asked, "paper", "manual", here)
    print_day(made, json)
