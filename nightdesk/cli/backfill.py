"""nightdesk backfill"""

from typing import Annotated

import typer

from nightdesk.cli.options import DEFAULT_STRATEGY, JsonOption, StrategyOption


def backfill(
    sessions: Annotated[int, typer.Option(help="How many of the market's last sessions to play.", min=1)] = 21,
    strategy: StrategyOption = DEFAULT_STRATEGY,
    json: JsonOption = False,
) -> None:
    """Play past sessions, one trading day each, in a book of their own, and report the last.

    Sessions that are decided already are not played again: an interrupted backfill goes on where it was.
    """
    from nightdesk.cli.play import backfilled
    from nightdesk.cli.print_report import print_day
    from nightdesk.settings import settings

    print_day(backfilled(strategy, sessions, settings()), json)
