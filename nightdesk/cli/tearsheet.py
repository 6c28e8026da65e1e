"""nightdesk tearsheet"""

from pathlib import Path
from typing import Annotated

import typer

from nightdesk.cli.options import JsonOption, PageOption


def tearsheet(
    returns: Annotated[Path, typer.Argument(metavar="RETURNS.csv", help="A date and a return (0.012 for 1.2 %) a session.")],
    benchmark: Annotated[
        str, typer.Option(metavar="COLUMN|FILE", help="What to compare with. Default: a column named benchmark, if there is one.")
    ] = "",
    output: PageOption = None,
    json: JsonOption = False,
) -> None:
    """Make a page about any series of returns, and say what the evidence allows to say of it.

    With --json the numbers go to standard output, and the page is made only where -o names it.
    """
    from nightdesk.cli.print_tearsheet import print_tearsheet
    from nightdesk.market.return_files import load_returns, record_name
    from nightdesk.page_file import require_page, save_page
    from nightdesk.performance.page.rendering import page
    from nightdesk.performance.page.tearsheet import tearsheet as sheet_of
    from nightdesk.settings import settings

    title = record_name(returns)
    target = output or (None if json else settings().home / "reports" / "tearsheets" / f"{title}.html")
    if target is not None:
        require_page(target)
    frame = load_returns(returns, benchmark)
    notes, name = frame.attrs["notes"], frame.attrs["benchmark"]
    market = frame.get("benchmark")
    sheet = sheet_of(title, frame["return"], market, benchmark_name=name, notes=notes)
    if target is not None:
        save_page(page(sheet), target)
    print_tearsheet(sheet, target, json)
