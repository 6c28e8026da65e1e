"""nightdesk check"""

from typing import Annotated

import typer

from nightdesk.cli.options import JsonOption


def check(
    what: Annotated[
        str, typer.Argument(metavar="PATH|SOURCE", help="A file, a folder of files, or sample, csvdir, yahoo, alpaca.")
    ],
    symbols: Annotated[
        str | None, typer.Option(help="Only these, as AAPL,MSFT. A file's is its name without the ending.")
    ] = None,
    start: Annotated[str | None, typer.Option(help="Only from this day on, as 2018-01-02.")] = None,
    end: Annotated[str | None, typer.Option(help="Only up to this day.")] = None,
    calendar: Annotated[
        str | None, typer.Option(help="The exchange's code, as XNYS. Default: the one that a file's days fit; XNYS for a source.")
    ] = None,
    json: JsonOption = False,
) -> None:
    """Run the gate on any daily bars before you trust them: CSV, packed CSV or Parquet of the common vendors, or a source.

    Exit code 0 where there is no error (warnings are allowed), 3 where there is one. Nothing is stored.
    """
    from nightdesk.cli.parsing import parsed_session
    from nightdesk.cli.print_check import checked_in_turn, print_check
    from nightdesk.day.check import Asked
    from nightdesk.settings import settings

    names = tuple(name.strip() for name in symbols.split(",")) if symbols else ()
    asked = Asked(names, parsed_session(start, "start"), parsed_session(end, "end"), calendar)
    print_check(what, checked_in_turn(what, asked, settings()), json)
