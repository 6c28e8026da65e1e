"""How a test moves the market of a stub that runs as a process of its own: `GET /stub/state`, and POSTs of a JSON object.

`/stub/time` {now}; `/stub/open` {session, symbol, price, dividend, split}; `/stub/book` {kind, name, amount}; `/stub/rename`
{old, new}; `/stub/fault` {mode, and times, method, path to change it}; `/stub/set` fields of `AlpacaStub` that are numbers;
`/stub/account` fields of `AlpacaAccount` that are numbers, flags or sets. Each answers the state.
"""

from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final

from tests.alpaca_faults import MODES

if TYPE_CHECKING:
    from tests.alpaca_stub import AlpacaStub

CONTROL: Final = "/stub/"


def controlled(stub: "AlpacaStub", path: str, body: Any) -> dict[str, Any]:
    """The state of the stub after what was asked. An unknown path or field raises."""
    match path.removeprefix(CONTROL):
        case "state":
            pass
        case "time":
            stub.move_to(datetime.fromisoformat(body["now"]))
        case "open":
            stub.account.show_open(**{**body, "session": date.fromisoformat(body["session"])})
        case "book":
            stub.account.book(body["kind"], body["name"], Decimal(str(body["amount"])))
        case "rename":
            stub.account.rename(**body)
        case "fault":
            changes = {key: value for key, value in body.items() if key != "mode"}
            stub.faults.append(replace(MODES[body["mode"]](), **changes))
        case "set":
            for name, value in body.items():
                setattr(stub, name, timedelta(seconds=value) if name == "skew" else value)
        case "account":
            _change_account(stub, body)
        case other:
            raise LookupError(other)
    return state(stub)


def _change_account(stub: "AlpacaStub", fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        was = getattr(stub.account, name)
        setattr(stub.account, name, type(was)(value) if isinstance(was, set | Decimal) else value)


def state(stub: "AlpacaStub") -> dict[str, Any]:
    """All that a test may want to look at; without the keys."""
    account = stub.account
    return {
        "now": account.now.isoformat(),
        "cash": str(account.cash),
        "positions": {symbol: str(quantity) for symbol, quantity in account.positions.items()},
        "orders": account.orders,
        "activities": account.activities,
        "asked": [{"method": row.method, "path": row.path, "query": row.query, "body": row.body} for row in stub.asked],
        "invalid": stub.invalid,
        "faults": len(stub.faults),
    }
