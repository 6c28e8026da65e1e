"""nightdesk replay"""

from typing import Annotated

import typer

from nightdesk.cli.options import DEFAULT_STRATEGY, JsonOption, StrategyOption


def replay(
    session: Annotated[str | None, typer.Argument(help="A decided session, as 2018-12-31.", show_default=False)] = None,
    every: Annotated[bool, typer.Option("--all", help="Every decided session instead of one, oldest first.")] = False,
    book: Annotated[str, typer.Option(help="Whose decisions: paper or backfill.")] = "paper",
    strategy: StrategyOption = DEFAULT_STRATEGY,
    json: JsonOption = False,
) -> None:
    """Compute past decisions again from what was known then: identical, or the first difference (exit code 6). Writes nothing."""
    import json as codec
    import sys

    from nightdesk.cli.parsing import parsed_mode, parsed_session
    from nightdesk.day.replay import replays
    from nightdesk.errors import Misconfigured
    from nightdesk.settings import settings

    if (session is None) != every:
        raise Misconfigured.value("session", session or "none", "a decided session, or --all, not both")
    different, rows = 0, []
    for row in replays(strategy, parsed_mode(book), parsed_session(session), settings()):
        different += not row.identical
        rows.append({"session": str(row.session), "decision_sha256": row.decision_sha256, "difference": row.difference})
        if not json:
            print(f"{row.session}  {'identical' if row.identical else f'DIFFERENT: {row.difference}'}")
    if json:
        sys.stdout.write(codec.dumps(rows, indent=2) + "\n")
    if different:
        print(f"nightdesk: {different} of {len(rows)} decisions are not what they were.", file=sys.stderr)
        raise typer.Exit(6)
