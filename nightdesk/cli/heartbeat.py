"""nightdesk heartbeat"""

from typing import Annotated

import typer

from nightdesk.cli.options import DEFAULT_STRATEGY, JsonOption, StrategyOption


def heartbeat(
    strategy: StrategyOption = DEFAULT_STRATEGY,
    mode: Annotated[str, typer.Option(help="Which book: paper or live.")] = "paper",
    json: JsonOption = False,
) -> None:
    """Raise an alarm where a session that is over has no report. For cron or systemd, since it needs no Prefect.

    One notice is sent of each session. Exit code 0: every session that is due has its report; 7: one has none.
    """
    import json as codec
    from dataclasses import asdict

    from nightdesk.cli.parsing import parsed_mode
    from nightdesk.day.heartbeat import beat
    from nightdesk.settings import settings

    found = beat(strategy, parsed_mode(mode), False, settings())
    said = f"{found.outcome[:1].upper()}{found.outcome[1:]}: {found.reason}"
    print(codec.dumps({**asdict(found), "exit_code": found.exit_code}, default=str) if json else said)
    raise typer.Exit(found.exit_code)
