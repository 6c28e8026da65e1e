"""nightdesk submit"""

from typing import Annotated

import typer

from nightdesk.cli.options import DEFAULT_STRATEGY, JsonOption, StrategyOption

LockOption = Annotated[int | None, typer.Option(hidden=True, help="The account's lock, passed on by a day's process.")]


def submit(
    strategy: StrategyOption = DEFAULT_STRATEGY,
    mode: Annotated[str, typer.Option(help="Which book: paper or live.")] = "paper",
    json: JsonOption = False,
    lock: LockOption = None,
) -> None:
    """Send the orders that wait: those that the broker would not take before, and those that were consented to since.

    Settles first. An order leaves once or not at all, however often this runs.
    """
    import json as codec
    from dataclasses import asdict

    from nightdesk.cli.parsing import parsed_mode
    from nightdesk.settings import settings
    from nightdesk.submission import submit_newest

    ended = submit_newest(strategy, parsed_mode(mode), settings(), lock=lock)
    print(codec.dumps(asdict(ended)) if json else f"{ended.outcome[:1].upper()}{ended.outcome[1:]}: {ended.reason}")
    raise typer.Exit(ended.exit_code)
