"""A search in the terminal: its progress, and its report."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.rule import Rule
from rich.text import Text

from nightdesk.cli.print_report import report_console, table_of
from nightdesk.search.report import as_document, facts
from nightdesk.search.run import Searched


@contextmanager
def shown_trials() -> Iterator[Callable[[int, int], None]]:
    """What to tell of the trials that are judged; a bar with an estimate on standard error."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=sys.stderr.isatty()) as bar:
        row = bar.add_task("trials", total=None)
        yield lambda done, of: bar.update(row, completed=done, total=of)


def print_search(made: Searched, page: Path, lacking: str, as_json: bool) -> None:
    """Print a search on standard output."""
    if lacking:
        print(f"MLflow gets the trials later: {lacking}", file=sys.stderr)
    if as_json:
        sys.stdout.write(json.dumps(as_document(made) | {"page": str(page)}, indent=2, allow_nan=False) + "\n")
        return
    console = report_console()
    console.print(Rule(Text(f"{made.begun.search_id} · search"), style="dim"))
    console.print(table_of([*facts(made), ("Page", str(page))]))
