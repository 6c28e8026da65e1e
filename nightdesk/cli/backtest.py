"""nightdesk backtest"""

from typing import Annotated

import typer

from nightdesk.cli.options import JsonOption, PageOption


def backtest(
    strategy: Annotated[str, typer.Argument(help="A strategy file's name, or its path.")],
    start: Annotated[
        str | None, typer.Option(help="The first session, as 2018-01-02. Default: the first that has history enough for a fit.")
    ] = None,
    end: Annotated[str | None, typer.Option(help="The last session. Default: that of the last bar.")] = None,
    capital: Annotated[float | None, typer.Option(help="What the book starts with. Default: the strategy's capital.")] = None,
    on: Annotated[
        str | None,
        typer.Option(
            metavar="tcp://HOST:PORT", help="Make the fits on the Dask cluster of this scheduler. Default: on this machine."
        ),
    ] = None,
    output: PageOption = None,
    json: JsonOption = False,
) -> None:
    """Play a strategy over history at once: its fits, signals, orders and costs as the days would have had them. No order leaves.

    The ledger counts it as a trial of its configuration; the same again is none.

    Fits are kept: interrupted and started again it goes on where it was, and one more session fits nothing that is not due.
    With --json the numbers go to standard output, and the page is made only where -o names it. The run is logged to MLflow at the
    end; where MLflow is away it is kept and sent later.
    """
    from nightdesk.backtest.evidence import recorded
    from nightdesk.backtest.log import log_backtest
    from nightdesk.backtest.page import page_path, page_text
    from nightdesk.backtest.run import run_backtest
    from nightdesk.cli.parsing import parsed_session
    from nightdesk.cli.print_backtest import print_backtest, print_logged, shown_fits
    from nightdesk.page_file import require_page, save_page
    from nightdesk.settings import prepare_environment, settings
    from nightdesk.wiring.desk import new_tracker

    here = settings()
    prepare_environment(here)
    if output is not None:
        require_page(output)
    with shown_fits() as tell:
        made = run_backtest(strategy, parsed_session(start, "start"), parsed_session(end, "end"), capital, here, tell, on)
    judged = recorded(made, here)
    page = page_text(judged)
    target = output or (None if json or not page else page_path(judged, here.home))
    if target is not None:
        save_page(page, target)
    print_backtest(judged, json, target)
    tracker = new_tracker(here)
    print_logged(log_backtest(judged, page, tracker), tracker)
