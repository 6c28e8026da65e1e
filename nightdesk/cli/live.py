"""nightdesk live"""

from typing import TYPE_CHECKING, Annotated

import typer

from nightdesk.cli.stop import StrategyArgument

if TYPE_CHECKING:
    from schemas.strategy import Strategy

OverrideOption = Annotated[
    str, typer.Option(help="Why it goes live although it was hardly played on paper, or its gate failed; kept with your name.")
]
OverrideGatesOption = Annotated[
    str, typer.Option(help="Why it goes live although its honest gates did not pass; kept with your name, shown by status.")
]
AccountOption = Annotated[str, typer.Option(help="The account's number, where nobody sits at a terminal to type it.")]


def live(
    strategy: StrategyArgument,
    override: OverrideOption = "",
    account: AccountOption = "",
    override_gates: OverrideGatesOption = "",
) -> None:
    """Let a strategy trade real money: a checklist, then the account's number typed by you, then its deployments.

    Capital, limits, end date and whether a person is asked (broker.execution) are those of the strategy file. Nothing is changed
    before every line of the list is OK and the number was typed.
    """
    import getpass

    from nightdesk.cli.deployments import deploy_live
    from nightdesk.cli.live_checks import OVERRIDE, OVERRIDE_GATES
    from nightdesk.cli.preflight import preflight
    from nightdesk.clock import WallClock
    from nightdesk.errors import Misconfigured
    from nightdesk.ledger.halts import submit_live
    from nightdesk.settings import settings
    from nightdesk.wiring.orders import new_book, open_ledger
    from nightdesk.wiring.strategies import load_strategy

    here = settings()
    chosen = load_strategy(strategy, here)
    lines = preflight(chosen, here)
    reasons = {name: text.strip() for name, text in ((OVERRIDE, override), (OVERRIDE_GATES, override_gates)) if text.strip()}
    waived = [line for line in lines if not line.ok and any(name in reasons for name in line.waived_by)]
    for line in lines:
        verdict = "OK" if line.ok else "waived" if line in waived else "MISSING"
        print(f"{verdict:<8} {line.name:<9} {line.found}")
    missing = [line for line in lines if not line.ok and line not in waived]
    if missing:
        options = " and ".join(sorted({line.waived_by[-1] for line in missing if line.waived_by}))
        more = f" {options} can say why you go on." if all(line.waived_by for line in missing) else ""
        raise Misconfigured(f"{chosen.name} is not live, nothing was changed: {', '.join(row.name for row in missing)}.{more}")
    number, terms = str(chosen.broker.account_number), _terms(chosen)
    _require_typed(number, account, f"{chosen.name} will trade on the account {number}: {terms}.")

    why, names = "; ".join(reasons.values()), ", ".join(row.name for row in waived)
    reason = f"live: {terms}" + (f"; override ({names}): {why}" if waived else "")
    ledger = open_ledger("live", here)
    submit_live(ledger, new_book(chosen, "live"), getpass.getuser(), WallClock().now(), reason, names, why)
    ledger.close()
    print(f"LIVE: {', '.join(deploy_live(strategy, chosen))}. `nightdesk stop` ends it.")


def _terms(strategy: "Strategy") -> str:
    asked = "after a person's consent" if strategy.broker.execution == "confirm" else "without asking anybody"
    held = f"capital {strategy.capital:f} {strategy.market.currency}, until {strategy.limits.end_date}"
    return f"{held}, orders leave {asked}"


def _require_typed(number: str, given: str, said: str) -> None:
    """Raise `Misconfigured` unless the account's number is typed, or given where no terminal is there."""
    import sys

    from nightdesk.errors import Misconfigured

    if given:
        typed = given
    elif sys.stdin.isatty():
        typed = input(f"{said}\nType the account's number to go on: ").strip()
    else:
        raise Misconfigured("Nobody can type the account's number here: --account NUMBER says it. Nothing was changed.")
    if typed != number:
        raise Misconfigured.value("the account's number", typed, f"{number}. Nothing was changed")
