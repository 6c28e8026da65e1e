"""Options that commands share."""

from typing import Annotated

import typer

StrategyOption = Annotated[str, typer.Option("--strategy", "-s", help="A strategy file's name, or its path.", show_default=True)]
JsonOption = Annotated[bool, typer.Option("--json", help="One JSON document on standard output, for machines.")]
DEFAULT_STRATEGY = "sp500_svc"
