"""A tearsheet in the terminal and for a machine."""

import json
import sys
from pathlib import Path

from rich.rule import Rule
from rich.text import Text

from nightdesk.cli.print_report import report_console, table_of
from nightdesk.performance.figure_words import formatted
from nightdesk.performance.page.document import document
from nightdesk.performance.page.tearsheet import Tearsheet


def print_tearsheet(sheet: Tearsheet, target: Path | None, as_json: bool) -> None:
    """Print what the evidence allows to say, the figures, and where the page is; or all numbers."""
    if as_json:
        sys.stdout.write(json.dumps(document(sheet), indent=2, allow_nan=False) + "\n")
        return
    console = report_console()
    console.print(Rule(Text(sheet.title), style="dim"))
    for sentence in (sheet.headline, *sheet.sentences, *sheet.notes):
        console.print(Text(sentence))
    names = (
        sheet.performance if sheet.gate else {name: v for name, v in sheet.performance.items() if name not in ("alpha", "beta")}
    )
    console.print(table_of(formatted(names, "")))
    if target is not None:
        print(f"Page: {target}")
