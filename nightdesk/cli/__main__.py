"""`python -m nightdesk.cli`: the `nightdesk` command, for processes that the desk itself starts."""

from nightdesk.cli import main

main()
