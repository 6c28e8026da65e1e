"""A decision's chain in the terminal, from the order back to the bars."""

from typing import Any

from rich.rule import Rule

from nightdesk.cli.print_report import report_console, table_of


def print_trace(found: dict[str, Any]) -> None:
    """Print the links one below the other; each is what the one above it rests on."""
    console = report_console()
    console.print(
        Rule(f"{found['book']} · decided after {found['session']}, for the open of {found['execution_session']}", style="dim")
    )
    lines = [("Order", _orders(found)), ("Decision", _decision(found)), ("Limits", _limits(found)), ("Target", _target(found))]
    lines += [("Signal", _signals(found)), ("Gate", _gate(found)), ("Model", _model(found)), ("Features", _features(found))]
    console.print(table_of([*lines, ("Bars", _bars(found))]))


def _orders(found: dict[str, Any]) -> str:
    return "\n".join(line for row in found["orders"] for line in _order(row)) or "none"


def _order(row: dict[str, Any]) -> list[str]:
    why = f" ({row['reason']})" if row["reason"] else ""
    wanted = f"{float(row['quantity']):+,.9g} {row['instrument']} ({row['time_in_force']})"
    wanted += f", sized at {float(row['reference_price']):,.2f}"
    fills = [
        f"  filled {float(fill['quantity']):+,.9g} at {float(fill['price']):,.2f} on {fill['session']}, "
        f"commission {float(fill['commission']):,.2f}, slippage {float(fill['slippage']):,.2f}"
        for fill in row["fills"]
    ]
    return [f"{row['order_id']}", f"  {wanted}: {row['status']}{why}", *fills]


def _decision(found: dict[str, Any]) -> str:
    decision = found["decision"]
    lines = [f"{decision['outcome']}: {decision['reason']}", f"made {decision['decided_at']} ({decision['origin']})"]
    lines += [f"SHA-256 {decision['sha256']}", f"chain   {decision['chain_sha256']}"]
    return _with_verdict(lines, decision["broken"], "as it was committed")


def _limits(found: dict[str, Any]) -> str:
    limits = found["limits"]
    state = [f"{limits['state']} by {limits['who']}: {limits['why']}"] if "state" in limits else []
    return "; ".join([*state, *limits["breaches"]]) or "none breached"


def _target(found: dict[str, Any]) -> str:
    held = ", ".join(f"{float(quantity):,.9g} {name}" for name, quantity in found["holdings"].items()) or "nothing"
    wanted = (
        ", ".join(f"{quantity:,.9g} {name}" for name, quantity in found["targets"].items() if quantity is not None) or "nothing"
    )
    money = f"equity {float(found['equity']):,.2f}, cash {float(found['cash']):,.2f}"
    return f"{wanted}; held was {held}; {money}"


def _signals(found: dict[str, Any]) -> str:
    lines = []
    for row in found["signals"]:
        weight = "-" if row["weight"] is None else f"{row['weight']:.2f}"
        score = "none" if row["score"] is None else f"{row['score']:+.6f} ({row['score_kind']})"
        lines.append(f"{row['instrument']} from {row['symbol']}: {row['action']}, weight {weight}, score {score}")
    return "\n".join(lines)


def _gate(found: dict[str, Any]) -> str:
    passed = {True: "passed", False: "failed", None: "none"}[found["gate"]["passed"]]
    return f"{passed}: {found['gate']['reason']}"


def _model(found: dict[str, Any]) -> str:
    model = found["model"]
    if "estimator" not in model:
        return "none"
    lines = [f"{model['estimator']}, fitted {model['cutoff']}"]
    if "train" in model:
        lines.append(f"trained {' to '.join(model['train'])}, tested {' to '.join(model['test'])}")
        lines.append(f"MLflow run {model['mlflow_run_id'] or 'none'}; {model['file'] or 'no file'}")
    return _with_verdict([*lines, f"SHA-256 {model['sha256']}"], model["broken"], "the file is the one that was written")


def _features(found: dict[str, Any]) -> str:
    features = found["features"]
    lines = [
        f"{row['symbol']} {row['session']}: " + ", ".join(f"{name} {_number(row[name])}" for name in features["columns"])
        for row in features["values"]
    ]
    return _with_verdict([*lines, f"SHA-256 {features['sha256']}"], features["broken"], "computed again: the same")


def _bars(found: dict[str, Any]) -> str:
    data = found["data"]
    lines = [f"{data['rows']:,} of {', '.join(data['symbols'])} from {data['source']}, {data['first']} to {data['last']}"]
    lines += [f"as known at {data['known_until']}"]
    lines += [
        f"  {row['symbol']} {row['session']}: "
        + ", ".join(f"{name} {_number(row[name])}" for name in ("open", "high", "low", "close", "volume"))
        for row in found["bars"]
    ]
    return _with_verdict([*lines, f"SHA-256 {data['sha256']}"], data["broken"], f"read again, {data['files']} files: the same")


def _number(value: float | None) -> str:
    return "none" if value is None else f"{value:,.10g}"


def _with_verdict(lines: list[str], broken: str, sound: str) -> str:
    return "\n".join([*lines, f"NOT WHAT IT WAS: {broken}" if broken else f"{sound}"])
