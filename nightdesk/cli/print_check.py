"""What `nightdesk check` found, for a person and for a machine."""

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from time import monotonic
from typing import Final, get_args

import typer
from rich.console import Console
from rich.progress import Progress
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from nightdesk.cli.print_report import report_console, table_of
from nightdesk.day.check import Asked, Checked, bar_files, checked_file, checked_source
from nightdesk.errors import BadData
from nightdesk.market.checks import CHECKS
from nightdesk.sessions import exchange_sessions
from nightdesk.settings import Settings
from schemas.strategy import SourceName

SHOWN_SESSIONS: Final = 3
SHOWN_NOTES: Final = 10
PATIENCE_S: Final = 2.0
"""A progress bar appears after this time."""


def checked_in_turn(what: str, asked: Asked, here: Settings) -> list[Checked]:
    """The gate's word on a source, a file or each file of a folder. A source's name comes before a path of that name."""
    if asked.calendar is not None:
        exchange_sessions(asked.calendar)  # refuses an unknown one before any file is read
    if what in get_args(SourceName):
        return checked_source(what, asked, here)
    path = Path(what)
    root = path if path.is_dir() else None
    return [checked_file(file, root, asked) for file in _with_progress(bar_files(path, asked.symbols))]


def _with_progress(files: Sequence[Path]) -> Iterator[Path]:
    console, began = Console(stderr=True), monotonic()
    progress = Progress(console=console, transient=True)
    task = progress.add_task("checking", total=len(files))
    try:
        for file in files:
            yield file
            progress.advance(task)
            if console.is_terminal and monotonic() - began > PATIENCE_S:
                progress.start()
    finally:
        if progress.live.is_started:
            progress.stop()


def print_check(what: str, checked: Sequence[Checked], as_json: bool) -> None:
    """Print it on standard output, and exit with 3 where there is an error."""
    errors = sum(one.count("error") for one in checked)
    if as_json:
        sys.stdout.write(json.dumps(document(what, checked), indent=2) + "\n")
    else:
        _print_tables(checked)
        print(verdict(checked))
    if errors:
        raise typer.Exit(BadData.exit_code)


def document(what: str, checked: Sequence[Checked]) -> dict[str, object]:
    """The same for machines: docs/json.md says what each key is."""
    errors, warnings = (sum(one.count(severity) for one in checked) for severity in ("error", "warning"))
    passed, left_out = _passed(checked)
    return {
        "checked": what,
        "fit_to_trade": errors == 0,
        "exit_code": BadData.exit_code if errors else 0,
        "counts": {"files": len(checked), "bars": sum(one.bars for one in checked), "errors": errors, "warnings": warnings},
        "checks": {"passed": passed, "found": _found(checked), "left_out": left_out},
        "files": [_file(one) for one in checked],
        "findings": [_finding(one, place) for one in checked for place in range(len(one.findings))],
    }


def _file(one: Checked) -> dict[str, object]:
    compared = {"name": one.calendar, "agreement": one.agreement, "older_bars": one.older}
    return {
        "file": one.file,
        "symbol": one.symbol,
        "bars": one.bars,
        "first": one.first and one.first.isoformat(),
        "last": one.last and one.last.isoformat(),
        "calendar": compared if one.calendar else None,
        "errors": one.count("error"),
        "warnings": one.count("warning"),
        "left_out": list(one.left_out),
        "notes": list(one.notes),
    }


def _finding(one: Checked, place: int) -> dict[str, object]:
    finding = one.findings[place]
    return {
        "file": one.file,
        "code": finding.code,
        "severity": finding.severity,
        "symbol": finding.symbol,
        "sessions": [session.isoformat() for session in finding.sessions],
        "message": finding.message,
    }


def verdict(checked: Sequence[Checked]) -> str:
    """In one line: fit to trade, or how many errors."""
    errors, warnings = (sum(one.count(severity) for one in checked) for severity in ("error", "warning"))
    warned = f"{warnings} warning{'s' if warnings != 1 else ''}"
    if not errors:
        return f"Fit to trade: no error in {sum(one.bars for one in checked):,} bars, {warned}."
    with_errors = sum(one.count("error") > 0 for one in checked)
    return f"Not fit to trade: {errors} error{'s' if errors != 1 else ''} in {with_errors} of {len(checked)}, {warned}."


def _found(checked: Sequence[Checked]) -> list[str]:
    return sorted({finding.code for one in checked for finding in one.findings})


def _passed(checked: Sequence[Checked]) -> tuple[list[str], list[str]]:
    """Checks that found nothing: those that were made on all bars that could be read, and those that were not."""
    read = [one for one in checked if one.bars]
    found, left_out = set(_found(checked)), {code for one in read for code in one.left_out}
    quiet = [code for code in CHECKS if read and code not in found]
    return [code for code in quiet if code not in left_out], [code for code in quiet if code in left_out]


def _print_tables(checked: Sequence[Checked]) -> None:
    console = report_console()
    console.print(_overview(checked))
    if _found(checked):
        console.print(Rule("findings", style="dim"))
        console.print(_findings(checked))
    console.print(Rule("checks", style="dim"))
    passed, left_out = _passed(checked)
    rows = [("Passed", f"{len(passed)} of {len(CHECKS)}: {', '.join(passed) or 'none'}")]
    if left_out:
        rows.append(("Left out", f"{len(left_out)}, for want of a calendar or of adjusted closes: {', '.join(left_out)}"))
    notes = list(dict.fromkeys(note for one in checked for note in (*one.notes, *_calendar_notes(one))))
    rows += [("Note", note) for note in notes[:SHOWN_NOTES]]
    if len(notes) > SHOWN_NOTES:
        rows.append(("", f"and {len(notes) - SHOWN_NOTES:,} notes more: --json has them all"))
    console.print(table_of(rows))


def _calendar_notes(one: Checked) -> Iterator[str]:
    if one.older:
        yield f"{one.file}: {one.older:,} bars are older than the calendar {one.calendar} and were not compared with it."
    if one.bars and not one.calendar:
        yield f"{one.file}: its days fit no exchange's calendar, so missing and extra sessions were not looked for."


def _overview(checked: Sequence[Checked]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("Data", "First", "Last", "Calendar"):
        table.add_column(name, no_wrap=name in ("First", "Last"), overflow="fold")
    for name in ("Bars", "Errors", "Warnings"):
        table.add_column(name, justify="right", no_wrap=True)
    for one in checked:
        fit = (
            f"{one.calendar}, {one.agreement:.2%} of days agree" if one.agreement is not None else "none fits" if one.bars else ""
        )
        name = one.file if one.file.startswith(one.symbol) else f"{one.symbol} of {one.file}"
        span = (str(one.first or ""), str(one.last or ""))
        counts = (f"{one.bars:,}", str(one.count("error")), str(one.count("warning")))
        table.add_row(*(Text(cell) for cell in (name, *span, fit, *counts)))
    return table


def _findings(checked: Sequence[Checked]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("Severity", "Code", "Symbol", "Sessions"):
        table.add_column(name, no_wrap=name != "Symbol", overflow="fold")
    table.add_column("What", overflow="fold", ratio=1)
    for finding in (finding for one in checked for finding in one.findings):
        sessions = [str(session) for session in finding.sessions[:SHOWN_SESSIONS]]
        more = len(finding.sessions) - len(sessions)
        shown = "\n".join([*sessions, f"{more:,} more"] if more else sessions)
        table.add_row(*(Text(cell) for cell in (finding.severity, finding.code, finding.symbol, shown, finding.message)))
    return table
