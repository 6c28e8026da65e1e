"""nightdesk models, nightdesk promote, nightdesk rollback"""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from nightdesk.cli.options import JsonOption
from nightdesk.cli.stop import StrategyArgument

if TYPE_CHECKING:
    from nightdesk.day.compared import Comparison

ChallengerArgument = Annotated[str, typer.Argument(help="The challenger's strategy file: its name, or its path.")]
ToOption = Annotated[str, typer.Option("--to", help="The champion: the strategy whose file is to learn as the challenger does.")]
SessionsOption = Annotated[
    int, typer.Option(min=63, help="Sessions that both must have played on paper after both cut-offs; 63 or more.")
]
WhyOption = Annotated[str, typer.Option("--override", help="Why it is promoted although the evidence does not suffice; kept.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for the name.")]


def models(strategy: StrategyArgument, json: JsonOption = False) -> None:
    """The fits of a strategy's paper book with their gates, which of them trades, its challengers, and what was promoted."""
    import json as codec
    import sys

    from nightdesk.day.models import models_document
    from nightdesk.settings import settings

    found = models_document(strategy, settings())
    if json:
        sys.stdout.write(codec.dumps(found, indent=2) + "\n")
        return
    print(f"{found['strategy']}: {found['trades'] or found['why'] or 'no fit yet'}")
    for row in found["fits"]:
        accuracy = (
            f"test accuracy {row['test_accuracy']:.4f}, majority {row['test_baseline']:.4f}" if row["test_accuracy"] else ""
        )
        gates = "".join(f"; {name} {'passed' if passed else 'not passed'}" for name, passed in row["gates"].items())
        print(f"  {'*' if row['trades'] else ' '} {row['cutoff']}  {row['status']:<10} {accuracy}{gates}")
    if found["request"]:
        print(f"  {found['request']}")
    for row in found["challengers"]:
        print(f"  challenger {row['name']}: {row['paper_sessions']} sessions on paper")
    for row in found["replacements"]:
        why = f"; without enough evidence: {row['reason']}" if row["reason"] else ""
        unfinished = "" if row["finished"] else ", not finished"
        print(f"  {row['kind']} of {row['challenger']} on {row['at'][:10]} by {row['who']}{unfinished}{why}")


def promote(
    challenger: ChallengerArgument, to: ToOption, sessions: SessionsOption = 63, override: WhyOption = "", yes: YesOption = False
) -> None:
    """Let a challenger take the champion's place: what it learns with is written into the champion's file, once you have seen how
    the two did on sessions that neither had seen. `rollback` puts the former file back.
    """
    import getpass
    from contextlib import closing

    from nightdesk.day.compared import compared
    from nightdesk.day.promotion import finish_replacement, require_enough, submit_promotion
    from nightdesk.errors import Misconfigured
    from nightdesk.settings import settings
    from nightdesk.wiring.orders import open_ledger
    from nightdesk.wiring.strategies import load_strategy

    here = settings()
    _say(finish_replacement(to, here))
    champion, other = load_strategy(to, here), load_strategy(challenger, here)
    with closing(open_ledger("paper", here)) as ledger:
        found = compared(champion, other, ledger)
        _print_comparison(found)
        why = ""
        try:
            require_enough(found, sessions)
        except Misconfigured as error:
            why = override.strip()
            if not why:
                raise Misconfigured(f"{error.message} Nothing was changed; --override says why you go on.") from None
        _require_typed(other.name, yes, f"{other.name} will take the place of {champion.name}.")
        row = submit_promotion(found, to, challenger, getpass.getuser(), why, ledger, here)
    print(f"PROMOTED: {row.path} learns as {other.name} does, from the next day on. The former file is {row.former_sha256[:12]}.")


def rollback(strategy: StrategyArgument, yes: YesOption = False) -> None:
    """Put the strategy file back that the last promotion replaced."""
    import getpass
    from contextlib import closing

    from nightdesk.day.promotion import finish_replacement, submit_rollback
    from nightdesk.settings import settings
    from nightdesk.wiring.orders import open_ledger
    from nightdesk.wiring.strategies import load_strategy

    here = settings()
    _say(finish_replacement(strategy, here))
    name = load_strategy(strategy, here).name
    _require_typed(name, yes, f"The file of {name} will be what it was before its last promotion.")
    with closing(open_ledger("paper", here)) as ledger:
        row = submit_rollback(strategy, getpass.getuser(), ledger, here)
    print(f"ROLLED BACK: {row.path} is {row.new_sha256[:12]} again.")


def _print_comparison(found: "Comparison") -> None:
    from nightdesk.performance.gate_words import gate_sentence

    shown: dict[str, Any] = found.document()
    print(f"{found.challenger.name} beside {found.champion.name}: {shown['sessions']} sessions", end="")
    print(f" from {shown['first']} to {shown['last']}" if found.sessions else "", end="")
    print(f", after the cut-offs {', '.join(shown['cut_offs']) or 'none'} and {found.purge_sessions} sessions more")
    for line in ((gate_sentence(found.gate),) if found.gate else ()) + found.backtests:
        print(f"  {line}")


def _say(sentence: str) -> None:
    if sentence:
        print(sentence)


def _require_typed(name: str, yes: bool, said: str) -> None:
    """Raise `Misconfigured` unless the name is typed, or was confirmed where no terminal is there."""
    import sys

    from nightdesk.errors import Misconfigured

    if yes:
        return
    if not sys.stdin.isatty():
        raise Misconfigured("Nobody can type the name here: --yes confirms it. Nothing was changed.")
    typed = input(f"{said}\nType {name} to go on: ").strip()
    if typed != name:
        raise Misconfigured.value("the name", typed, f"{name}; nothing was changed")
