"""nightdesk trace"""

from typing import Annotated

import typer

from nightdesk.cli.options import DEFAULT_STRATEGY, JsonOption, StrategyOption


def trace(
    what: Annotated[str, typer.Argument(metavar="ORDER|SESSION", help="An order's id, or a decided session as 2018-12-31.")],
    book: Annotated[str, typer.Option(help="Whose session: paper or backfill. An order's id finds its own book.")] = "paper",
    strategy: StrategyOption = DEFAULT_STRATEGY,
    json: JsonOption = False,
) -> None:
    """Why an order was placed: from the order back to its bars, and whether each link still is what it was (else exit code 6)."""
    import json as codec
    import sys

    from nightdesk.cli.parsing import is_session, parsed_mode, parsed_session
    from nightdesk.cli.print_trace import print_trace
    from nightdesk.day.lineage import broken_parts, traced_order, traced_session
    from nightdesk.settings import settings

    session = parsed_session(what) if is_session(what) else None
    mode = parsed_mode(book)
    found = traced_order(what, settings()) if session is None else traced_session(strategy, session, mode, settings())
    if json:
        sys.stdout.write(codec.dumps(found, indent=2) + "\n")
    else:
        print_trace(found)
    if broken := broken_parts(found):
        print(f"nightdesk: not what it was: {'; '.join(broken)}", file=sys.stderr)
        raise typer.Exit(6)
