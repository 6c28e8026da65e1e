"""The day's report in the terminal."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from nightdesk.performance.report import as_document, facts, figures
from schemas.outcomes import ending
from schemas.reports import DayReport

if TYPE_CHECKING:  # its import takes seconds, and other commands print tables, too
    from nightdesk.day.opening import Closed

WIDTH = 110
LOOK = {"decision": "Decision", "plot": "Plot", "mlflow": "MLflow", "prefect": "Prefect"}


def print_day(made: "DayReport | Closed | Exception", as_json: bool) -> None:
    """Print a day on standard output and exit with its code; an error that Prefect carried is raised again."""
    if isinstance(made, Exception):
        raise made
    if as_json:
        document = as_document(made) if isinstance(made, DayReport) else asdict(made)
        sys.stdout.write(json.dumps(document, indent=2) + "\n")
    elif isinstance(made, DayReport):
        _print_report(made)
    else:
        print(f"{made.outcome}: {made.reason}")
    code = made.exit_code if isinstance(made, DayReport) else ending(made.outcome).exit_code
    if code:
        print(f"nightdesk: {made.reason}", file=sys.stderr)
        raise typer.Exit(code)


def _print_report(report: DayReport) -> None:
    console = report_console()
    book = "" if report.orchestrated else "  (unorchestrated: Prefect was away)"
    console.print(Rule(f"{report.strategy} · {report.mode} book · {report.session:%A %d %B %Y}{book}", style="dim"))
    console.print(table_of(facts(report)))
    shown = figures(report)
    if shown:
        console.print(Rule(f"since the first session ({report.sessions} sessions)", style="dim"))
        console.print(columns_of(shown))
    console.print(Rule("look further", style="dim"))
    console.print(table_of([(title, near(report.look[what])) for what, title in LOOK.items()]))


def report_console() -> Console:
    """The terminal, at most `WIDTH` wide."""
    return Console(width=min(WIDTH, Console().width) if sys.stdout.isatty() else WIDTH, highlight=False)


def near(place: str | Path) -> str:
    """A path as short as it can be from here; a page with how to open it."""
    where = str(place)
    if where.startswith("http"):
        return f"{where} (while `make up` runs)"
    path = Path(where)
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else where


def table_of(rows: list[tuple[str, str]]) -> Table:
    """Lines of (what, how it is)."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True, min_width=9)
    table.add_column(overflow="fold")
    for what, text in rows:
        table.add_row(Text(what), Text(text))
    return table


def columns_of(rows: list[tuple[str, str]]) -> Table:
    """Two figures a line, numbers aligned right."""
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for _ in range(2):
        table.add_column(style="bold", no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
    half = (len(rows) + 1) // 2
    for place in range(half):
        right = rows[half + place] if half + place < len(rows) else ("", "")
        table.add_row(*(Text(text) for text in (*rows[place], *right)))
    return table
