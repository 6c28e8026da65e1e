"""What waits for consent, in the terminal."""

from collections.abc import Sequence

from rich.rule import Rule

from nightdesk.cli.print_report import report_console, table_of
from nightdesk.consent.evidence import Evidence
from nightdesk.consent.words import facts


def print_waiting(rows: Sequence[Evidence]) -> None:
    """Each decision with its evidence and how to answer; a line where nothing waits."""
    if not rows:
        print("Nothing waits for consent.")
    for row in rows:
        short = row.decision_sha256[:12]
        print_evidence(row)
        print(f'nightdesk approve {short}\nnightdesk reject {short} --reason "..."')


def print_evidence(evidence: Evidence) -> None:
    console = report_console()
    console.print(Rule(f"{evidence.strategy} · {evidence.mode} book · consent wanted", style="dim"))
    console.print(table_of(facts(evidence)))
