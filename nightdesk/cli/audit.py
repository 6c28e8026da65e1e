"""nightdesk audit"""

from typing import Annotated

import typer

from nightdesk.cli.options import DEFAULT_STRATEGY, JsonOption


def audit(
    strategy: Annotated[str, typer.Argument(help="A strategy file's name, or its path.")] = DEFAULT_STRATEGY,
    sessions: Annotated[int, typer.Option(help="At how many sessions the future is changed.")] = 50,
    json: JsonOption = False,
) -> None:
    """Look for leaks: whether features, labels, models, signals or fills of a session depend on what came after it.

    Exit code 0 where there is none, 3 where there is one. Nothing is stored, no order is placed.
    """
    from nightdesk.cli.print_audit import audited_in_turn, print_audit
    from nightdesk.settings import settings

    print_audit(audited_in_turn(strategy, sessions, settings()), json)
