"""nightdesk doctor"""

from nightdesk.cli.options import JsonOption


def doctor(json: JsonOption = False) -> None:
    """Check what a day needs: Python, the home, the calendar, strategies, ledgers, MLflow, Prefect."""
    import json as codec
    import sys

    import typer

    from nightdesk.cli.checkup import examined
    from nightdesk.settings import settings

    found = examined(settings())
    if json:
        sys.stdout.write(codec.dumps([{"check": row.name, "ok": row.ok, "found": row.found} for row in found], indent=2) + "\n")
    else:
        for row in found:
            print(f"{'ok ' if row.ok else 'BAD'}  {row.name:<12} {row.found}")
    if not all(row.ok for row in found):
        raise typer.Exit(2)
