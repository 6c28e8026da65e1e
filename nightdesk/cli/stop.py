"""nightdesk stop, nightdesk flatten"""

from typing import Annotated

import typer

StrategyArgument = Annotated[str, typer.Argument(help="A strategy file's name, or its path.")]
ModeOption = Annotated[str, typer.Option(help="Which book: paper or live.")]
ReasonOption = Annotated[str, typer.Option(help="Why; kept with your name.")]
ExitOption = Annotated[
    str,
    typer.Option(
        "--exit",
        help="keep: what is held and what waits at the broker stays. cancel: what waits is called back. flatten: all is closed.",
    ),
]


def stop(strategy: StrategyArgument, leave: ExitOption, reason: ReasonOption, mode: ModeOption = "paper") -> None:
    """Stop a strategy's book until `nightdesk resume`: no order leaves, its schedules pause.

    With `--exit flatten` the schedules go on: the days close what could not be closed at once.
    """
    import getpass

    from nightdesk.cli.deployments import pause_schedules
    from nightdesk.cli.parsing import parsed_mode
    from nightdesk.errors import Misconfigured
    from nightdesk.settings import settings
    from nightdesk.stopping import stop_book
    from nightdesk.wiring.strategies import load_strategy

    if leave not in ("keep", "cancel", "flatten"):
        raise Misconfigured.value("--exit", leave, "keep, cancel or flatten")
    if leave == "flatten":
        flatten(strategy, reason, mode)
        return
    here, book = settings(), parsed_mode(mode)
    orders = stop_book(strategy, book, getpass.getuser(), reason, here, cancels=leave == "cancel")
    for order in orders:
        print(f"{order.order_id}: {order.status}")
    print(f"HALTED: the {book} book of {strategy}. No order leaves until `nightdesk resume`; what is held stays.")
    try:
        paused = pause_schedules(strategy, load_strategy(strategy, here), book, here)
        print(f"Paused in Prefect: {', '.join(paused) or 'nothing, no deployment is for this book'}.")
    except Misconfigured as error:
        print(f"{error.message} Its runs find the book HALTED and order nothing.")


def flatten(strategy: StrategyArgument, reason: ReasonOption, mode: ModeOption = "paper") -> None:
    """Close all that a strategy's book holds, at the next open; from now on it only reduces, until `nightdesk resume`.

    This is consent too: nothing waits for an approval. Where the open cannot be met any more, the next day closes.
    """
    import getpass

    from nightdesk.cli.parsing import parsed_mode
    from nightdesk.day.flatten import flatten_book
    from nightdesk.settings import settings

    book = parsed_mode(mode)
    ended = flatten_book(strategy, book, getpass.getuser(), reason, settings())
    print(f"REDUCING: the {book} book of {strategy}. Nothing is opened until `nightdesk resume`.")
    for row in ended.orders:
        print(f"{row['order']}: {row['quantity']} {row['instrument']} for the open of {row['for the open of']}, {row['stands']}")
    print(f"{ended.outcome[:1].upper()}{ended.outcome[1:]}: {ended.reason}")
    if ended.exit_code:
        raise typer.Exit(ended.exit_code)
