"""A backtest in the terminal: its progress, and its report."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.rule import Rule

from nightdesk.backtest.report import as_document, facts, figures
from nightdesk.backtest.run import Backtest
from nightdesk.cli.print_report import columns_of, near, report_console, table_of
from nightdesk.tracking.tracker import Tracker


@contextmanager
def shown_fits() -> Iterator[Callable[[int, int], None]]:
    """What to tell of the fits that are made; a bar with an estimate on standard error, where there are any.

    Interrupted inside, it says how far it came and exits with 130, as a shell expects of Ctrl-C.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=sys.stderr.isatty())
    row = bar.add_task("fitting", total=None)
    made = (0, 0)

    def tell(done: int, of: int) -> None:
        nonlocal made
        made = (done, of)
        if of:
            bar.start()
            bar.update(row, completed=done, total=of)

    try:
        yield tell
    except KeyboardInterrupt:
        bar.stop()
        kept = f"{made[0]} of {made[1]} fits that were to make are made and kept" if made[1] else "no fit was under way"
        print(f"nightdesk: interrupted: {kept}. The same command goes on from there.", file=sys.stderr)
        raise typer.Exit(130) from None
    finally:
        bar.stop()


def print_backtest(made: Backtest, as_json: bool, page: Path | None = None) -> None:
    """Print a backtest on standard output, and where its page is."""
    if as_json:
        sys.stdout.write(json.dumps(as_document(made), indent=2) + "\n")
        return
    console = report_console()
    console.print(Rule(f"{made.strategy.name} · backtest · {made.first} to {made.last}", style="dim"))
    console.print(table_of(facts(made)))
    console.print(Rule(f"since the first session ({len(made.equity)} sessions)", style="dim"))
    console.print(columns_of(figures(made)))
    if page is not None:
        print(f"Page: {near(page)}")


def print_logged(run_id: str, tracker: Tracker) -> None:
    """Say on standard error where the run is in MLflow, or why it is not there yet."""
    where = tracker.run_url(run_id) if run_id else f"kept and sent later: {tracker.reason or 'another process is sending'}"
    print(f"MLflow: {where}", file=sys.stderr)
