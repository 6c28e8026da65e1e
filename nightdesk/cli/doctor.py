"""nightdesk doctor"""

from typing import Annotated

import typer

from nightdesk.cli.options import JsonOption


def doctor(
    json: JsonOption = False,
    notify: Annotated[bool, typer.Option("--notify", help="Send a notice to NIGHTDESK_NOTIFY, to see that it arrives.")] = False,
) -> None:
    """Check what a day needs: Python, the home, the calendar, strategies, ledgers, MLflow, Prefect, notices."""
    import json as codec
    import sys

    from nightdesk.cli.checkup import Examined, examined
    from nightdesk.notices import send_notice
    from nightdesk.settings import settings

    found = examined(settings())
    if notify:
        sent = send_notice(settings().notify, "Nightdesk: a test", "You will be told here when a day needs a person.")
        found.append(Examined("notify", sent, "sent: see whether it arrived" if sent else "nothing was sent"))
    if json:
        sys.stdout.write(codec.dumps([{"check": row.name, "ok": row.ok, "found": row.found} for row in found], indent=2) + "\n")
    else:
        for row in found:
            print(f"{'ok ' if row.ok else 'BAD'}  {row.name:<12} {row.found}")
    if not all(row.ok for row in found):
        raise typer.Exit(2)
