"""Options that commands share."""

from pathlib import Path
from typing import Annotated

import typer

StrategyOption = Annotated[str, typer.Option("--strategy", "-s", help="A strategy file's name, or its path.", show_default=True)]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, for machines.")]
PageOption = Annotated[
    Path | None,
    typer.Option("--output", "-o", metavar="FILE.html", help="Where the page goes. Default: below NIGHTDESK_HOME."),
]
DEFAULT_STRATEGY = "sp500_svc"
