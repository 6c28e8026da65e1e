"""nightdesk adopt"""

from typing import Annotated

import typer

from nightdesk.cli.halt import ReasonOption
from nightdesk.cli.options import DEFAULT_STRATEGY, StrategyOption


def adopt(
    reason: ReasonOption,
    strategy: StrategyOption = DEFAULT_STRATEGY,
    mode: Annotated[str, typer.Option(help="Which book: paper or live.")] = "paper",
    capital: Annotated[bool, typer.Option("--capital", help="Money that came or went is the strategy's capital.")] = False,
    rename: Annotated[list[str] | None, typer.Option(help="A symbol that has changed, as OLD=NEW; may be repeated.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
) -> None:
    """Take over what changed at the broker without the desk: trades by hand, deposits, new symbols. It does not end the halt."""
    import getpass

    from nightdesk.adopting import Takeover, waiting_changes
    from nightdesk.adopting import adopt as take_over
    from nightdesk.cli.parsing import parsed_mode, parsed_renames
    from nightdesk.errors import OutOfSync
    from nightdesk.settings import settings

    here = settings()
    takeover = Takeover(strategy, parsed_mode(mode), capital, parsed_renames(rename or []))
    changes, adoption = waiting_changes(takeover, here)
    if not changes:
        print("Nothing waits to be taken over.")
        return
    for sentence in adoption.sentences:
        print(f"  {sentence}")
    if not yes and not typer.confirm(f"Book this in {adoption.book.book_id}'s ledger?"):
        print("Nothing was booked.")
        return
    if left := take_over(takeover, changes, getpass.getuser(), reason, here):
        raise OutOfSync(f"Booked, but this is left: {left}")
    print(f"Booked: ledger and broker agree. {adoption.book.book_id} stays as it is until `nightdesk resume`.")
