"""What `nightdesk audit` found, for a person and for a machine."""

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from datetime import date

import typer
from rich.console import Console
from rich.progress import Progress
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from nightdesk.audit.found import Leak
from nightdesk.audit.report import CHECKS, Audit, audit
from nightdesk.audit.steps import audited_steps, fetch_audit_bars
from nightdesk.cli.print_report import report_console, table_of
from nightdesk.errors import BadData
from nightdesk.settings import Settings
from nightdesk.wiring.beside import load_beside
from nightdesk.wiring.strategies import load_strategy

LOOK = {"OK": "green", "LEAK": "bold red", "warning": "yellow", "left out": "dim"}


def audited_in_turn(strategy_name: str, count: int, here: Settings) -> Audit:
    """The audit of a strategy on its source's bars, with its progress on standard error where that is a terminal."""
    strategy = load_strategy(strategy_name, here)
    steps, bars = audited_steps(strategy, load_beside(strategy, strategy_name, here)), fetch_audit_bars(strategy, here)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("audit", total=len(CHECKS))

        def turns(check: str, sessions: Sequence[date]) -> Iterator[date]:
            """A check is one step of the bar, its sessions are fractions of it."""
            progress.update(task, description=check)
            for session in sessions:
                yield session
                progress.advance(task, 1 / len(sessions))

        return audit(steps, bars, count, turns)


def print_audit(made: Audit, as_json: bool) -> None:
    """Print it on standard output, and exit with 3 where there is a leak."""
    if as_json:
        sys.stdout.write(json.dumps(document(made), indent=2, default=str) + "\n")
    else:
        _print_tables(made)
        print(verdict(made))
    if made.leaks:
        raise typer.Exit(BadData.exit_code)


def document(made: Audit) -> dict[str, object]:
    """The same for machines: docs/json.md says what each key is."""
    return {
        "strategy": made.name,
        "clean": not made.leaks,
        "exit_code": BadData.exit_code if made.leaks else 0,
        "first": made.first,
        "last": made.last,
        "sessions": list(made.sessions),
        "checks": [
            {"check": one.check, "result": one.result, "tried": one.tried, "left_out": one.left_out} for one in made.checks
        ],
        "findings": [asdict(leak) for leak in made.findings],
    }


def verdict(made: Audit) -> str:
    """In one line: clean, or how many leaks."""
    left_out = [one.check for one in made.checks if one.result == "left out"]
    partly = f" Left out: {', '.join(left_out)}." if left_out else ""
    if not made.leaks:
        return f"No leak found in {made.name}, at {len(made.sessions)} sessions from {made.first} to {made.last}.{partly}"
    named = ", ".join(sorted({leak.what for leak in made.leaks}))
    return f"{made.name} looks ahead: {len(made.leaks)} leak{'s' if len(made.leaks) > 1 else ''} ({named}).{partly}"


def _print_tables(made: Audit) -> None:
    console = report_console()
    console.print(Rule(f"{made.name} · leak tests · {made.first} to {made.last}", style="dim"))
    console.print(_overview(made))
    for leak in made.findings:
        console.print(Rule(f"{leak.severity}: {leak.what}", style="dim"))
        console.print(table_of(_facts(leak)))


def _overview(made: Audit) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("Check", "Result"):
        table.add_column(name, no_wrap=True)
    table.add_column("Tried", justify="right", no_wrap=True)
    table.add_column("What", overflow="fold", ratio=1)
    for one in made.checks:
        what = ", ".join(leak.what for leak in one.leaks) or one.left_out
        table.add_row(Text(one.check), Text(one.result, style=LOOK[one.result]), f"{one.tried:,}", Text(what))
    return table


def _facts(leak: Leak) -> list[tuple[str, str]]:
    where = f"{leak.session or 'every session'} {leak.symbol}".strip()
    return [("Check", leak.check), ("First", where), ("Values", f"{leak.was} and then {leak.now}"), ("Meaning", leak.meaning)]
