"""nightdesk consent, nightdesk approve, nightdesk reject"""

from typing import Annotated

import typer

from nightdesk.cli.options import JsonOption

DecisionArgument = Annotated[
    str,
    typer.Argument(metavar="DECISION", help="The first 12 or more characters of the decision's SHA-256, as `consent` shows it."),
]


def consent(json: JsonOption = False) -> None:
    """What waits for your consent, in every book of this home, and what there is to know about it."""
    import json as codec
    import sys
    from functools import partial

    from nightdesk.cli.approving import newer_closes
    from nightdesk.cli.print_consent import print_waiting
    from nightdesk.clock import WallClock
    from nightdesk.consent.evidence import document
    from nightdesk.consent.waiting import waiting
    from nightdesk.settings import settings

    here = settings()
    found = waiting(here.ledgers, WallClock().now(), partial(newer_closes, here))
    if json:
        rows = {"waiting": [document(row) for row in found.evidence], "broken": list(found.broken)}
        sys.stdout.write(codec.dumps(rows, indent=2) + "\n")
    else:
        print_waiting(found.evidence)
    for sentence in found.broken:
        print(f"nightdesk: {sentence}", file=sys.stderr)
    if found.broken:
        raise typer.Exit(6)


def approve(
    decision: DecisionArgument, yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask again.")] = False
) -> None:
    """Let the orders of a decision leave, once you have seen what they are. They are submitted at once."""
    import getpass
    from functools import partial

    from nightdesk.cli.approving import answered, newer_closes
    from nightdesk.cli.print_consent import print_evidence
    from nightdesk.clock import WallClock
    from nightdesk.consent.answer import require_answerable
    from nightdesk.consent.waiting import evidence_named
    from nightdesk.settings import settings

    here = settings()
    require_answerable(here.ledgers, decision, "approve", WallClock().now())
    shown = evidence_named(here.ledgers, decision, partial(newer_closes, here))
    print_evidence(shown)
    if not yes and not _says_yes():
        print("Nothing was approved: it still waits.")
        raise typer.Exit(0)
    sentence, ended = answered(here, shown.decision_sha256, "approve", getpass.getuser())
    print(sentence)
    raise typer.Exit(ended.exit_code)


def reject(decision: DecisionArgument, reason: Annotated[str, typer.Option(help="Why; kept with your name.")]) -> None:
    """Let none of the orders of a decision leave."""
    import getpass

    from nightdesk.cli.approving import answered
    from nightdesk.settings import settings

    sentence, ended = answered(settings(), decision, "reject", getpass.getuser(), reason)
    print(sentence)
    raise typer.Exit(ended.exit_code)


def _says_yes() -> bool:
    try:
        return typer.confirm("Approve?")
    except typer.Abort:
        return False
