"""nightdesk optimise"""

from typing import Annotated

import typer

from nightdesk.cli.options import JsonOption


def optimise(
    strategy: Annotated[str, typer.Argument(help="A strategy file with a section [search], its name or its path.")],
    trials: Annotated[
        int | None, typer.Option(help="How many trials in all. Default: those that there are, or 100 in a new search.")
    ] = None,
    open_holdout: Annotated[
        bool,
        typer.Option("--open-holdout", help="Play the winner over the locked hold-out. Once; it is kept that it was opened."),
    ] = False,
    json: JsonOption = False,
) -> None:
    """Try configurations of a strategy on the past before a locked hold-out; the best becomes a challenger's strategy file.

    Interrupted and started again it goes on where it was, with the same trials.
    """
    from nightdesk.cli.print_search import print_search, shown_trials
    from nightdesk.search.save import searched
    from nightdesk.settings import prepare_environment, settings

    here = settings()
    prepare_environment(here)
    with shown_trials() as tell:
        made, page, lacking = searched(strategy, trials, open_holdout, here, tell)
    print_search(made, page, lacking, json)
