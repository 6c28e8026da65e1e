"""nightdesk status"""

from typing import Any

from nightdesk.cli.options import JsonOption


def status(json: JsonOption = False) -> None:
    """Every book at a glance: last session, how it ended, equity, holdings, orders on their way, and whether it is halted."""
    import json as codec
    import sys

    from nightdesk.ledger.status import book_statuses
    from nightdesk.settings import settings

    rows = book_statuses(settings().ledgers)
    if json:
        sys.stdout.write(codec.dumps({"home": str(settings().home), "books": rows}, indent=2) + "\n")
    elif not rows:
        print(f"No book yet in {settings().home}. `nightdesk day` plays the first session.")
    for row in rows if not json else []:
        _print_book(row) if row["equity"] is not None else _print_rest(row)


def _print_book(row: dict[str, Any]) -> None:
    print(f"{row['book']}  opened {row['opened']}, {row['sessions']} sessions")
    if row["state"] != "ACTIVE":
        print(f"  State     {row['state']} by {row['who']} at {row['at']}: {row['why']}")
    if row["override"]:
        print(f"  Override  {row['override']}")
    for sentence in row["outside_changes"]:
        print(f"  Outside   {sentence}: nightdesk adopt")
    print(f"  Last day  {row['session']}: {row['outcome']}: {row['reason']}")
    print(f"  Equity    {row['equity']:,.2f} {row['currency']} (buy and hold {row['benchmark']:,.2f}), cash {row['cash']:,.2f}")
    print(f"  Holdings  {_listed(row['holdings'])}")
    print(f"  Orders    {', '.join(row['open_orders']) or 'none on their way'}")


def _print_rest(row: dict[str, Any]) -> None:
    """What the account has beside its strategy."""
    print(f"{row['book']}  what the account has beside its strategy; never traded")
    print(f"  Cash      {row['cash']:,.2f} {row['currency']}")
    print(f"  Holdings  {_listed(row['holdings'])}")


def _listed(held: dict[str, float]) -> str:
    return ", ".join(f"{quantity:,.9g} {name}" for name, quantity in held.items()) or "none"
