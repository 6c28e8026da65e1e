"""nightdesk halt, nightdesk resume"""

from typing import Annotated

import typer

BookOption = Annotated[str, typer.Option(help="One book, as paper/sp500_svc/sp500_svc; without it every book of this home.")]
ReasonOption = Annotated[str, typer.Option(help="Why; kept with your name.")]


def halt(reason: ReasonOption, book: BookOption = "") -> None:
    """Let no order leave, from this moment and until you say `resume`. What is held stays; what has left is not called back."""
    import getpass

    from nightdesk.clock import WallClock
    from nightdesk.ledger.halts import submit_halt
    from nightdesk.settings import settings

    halted = submit_halt(settings().ledgers, book, getpass.getuser(), WallClock().now(), reason)
    print(f"HALTED: {', '.join(halted)}. No order leaves until `nightdesk resume`.")


def resume(reason: ReasonOption, book: BookOption = "") -> None:
    """Let orders leave again, after a halt or a breached limit. Losses up to here no longer count towards the limits."""
    import getpass

    from nightdesk.clock import WallClock
    from nightdesk.ledger.halts import submit_release
    from nightdesk.settings import settings

    released = submit_release(settings().ledgers, book, getpass.getuser(), WallClock().now(), reason)
    print(f"ACTIVE: {', '.join(released)}.")
