"""nightdesk backtest"""

from typing import Annotated

import typer

from nightdesk.cli.options import JsonOption


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
    json: JsonOption = False,
) -> None:
    """Play a strategy over history at once: its fits, signals, orders and costs as the days would have had them. No order leaves.

    Fits are kept: interrupted and started again it goes on where it was, and one more session fits nothing that is not due.
    """
    from nightdesk.backtest.run import run_backtest
    from nightdesk.cli.parsing import parsed_session
    from nightdesk.cli.print_backtest import print_backtest, shown_fits
    from nightdesk.settings import prepare_environment, settings

    here = settings()
    prepare_environment(here)
    with shown_fits() as tell:
        made = run_backtest(strategy, parsed_session(start), parsed_session(end), capital, here, tell, on)
    print_backtest(made, json)
