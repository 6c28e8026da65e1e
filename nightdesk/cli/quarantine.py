"""nightdesk quarantine"""

from typing import Annotated

import typer

from nightdesk.cli.options import DEFAULT_STRATEGY, JsonOption, StrategyOption

app = typer.Typer(no_args_is_help=True, help="Bars that were set aside instead of stored: list them, release one with a reason.")


@app.command("list")
def list_bars(strategy: StrategyOption = DEFAULT_STRATEGY, json: JsonOption = False) -> None:
    """The bars that wait: which, their values, and what is wrong with each."""
    import json as codec
    import sys
    from dataclasses import asdict

    from nightdesk.cli.print_report import report_console, table_of
    from nightdesk.day.set_aside import waiting_bars
    from nightdesk.settings import settings

    waiting = waiting_bars(strategy, settings())
    if json:
        sys.stdout.write(codec.dumps([asdict(bar) for bar in waiting], indent=2, default=str) + "\n")
        return
    if not waiting:
        print("Nothing waits in the quarantine.")
    rows = []
    for bar in waiting:
        values = ", ".join(f"{name} {value:,.10g}" if value is not None else f"{name} none" for name, value in bar.values.items())
        rows.append((f"{bar.symbol} {bar.session}", f"{bar.code}: {bar.message}\n{values}"))
    if rows:
        report_console().print(table_of(rows))


@app.command("release")
def release(
    symbol: Annotated[str, typer.Argument(help="The bar's symbol, as ^GSPC.")],
    session: Annotated[str, typer.Argument(help="The bar's session, as 2018-12-31.")],
    reason: Annotated[str, typer.Option(help="Why the bar is right as it is; kept with your name.")],
    strategy: StrategyOption = DEFAULT_STRATEGY,
) -> None:
    """Store a bar that waits, as it is: you vouch for it."""
    import getpass

    from nightdesk.cli.parsing import parsed_session
    from nightdesk.day.set_aside import release_bar
    from nightdesk.errors import Misconfigured
    from nightdesk.settings import settings

    day = parsed_session(session)
    if day is None:
        raise Misconfigured.value("session", session, "a date as 2018-12-31")
    bar = release_bar(strategy, symbol, day, getpass.getuser(), reason, settings())
    print(f"{bar.symbol} {bar.session} is stored as it is. The next day reads it.")
