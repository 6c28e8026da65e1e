"""A benchmark's figures: every raw sample, the target, the table and the JSON file."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `at_most` or `at_least` is the target of its median."""

    what: str
    samples: list[float]
    unit: str = "s"
    at_most: float | None = None
    at_least: float | None = None

    @property
    def median(self) -> float:
        return median(self.samples)

    @property
    def met(self) -> bool | None:
        if self.at_least is not None:
            return self.median >= self.at_least
        return None if self.at_most is None else self.median <= self.at_most


@dataclass(slots=True)
class Result:
    """What one benchmark found. `shares` are further samples by row and column, shown as a matrix of medians."""

    name: str
    title: str
    rows: list[Row]
    shares: dict[str, dict[str, list[float]]] = field(default_factory=dict)


def print_result(result: Result) -> None:
    table = Table(title=f"{result.name}: {result.title}", title_justify="left")
    for column in ("", "median", "min", "max", "n", "target", "met"):
        table.add_column(column, justify="left" if column in ("", "met") else "right", no_wrap=True)
    for row in result.rows:
        table.add_row(*_cells(row), style="" if row.met is None else "bold")
    console = Console(width=110, highlight=False)
    console.print(table)
    if result.shares:
        console.print(_matrix(result.shares))


def _matrix(shares: dict[str, dict[str, list[float]]]) -> Table:
    columns = list(dict.fromkeys(column for samples in shares.values() for column in samples))
    table = Table(title="medians", title_justify="left")
    table.add_column("", no_wrap=True)
    for column in columns:
        table.add_column(column, justify="right")
    for what, samples in shares.items():
        table.add_row(what, *(f"{median(samples[column]):,.2f}" if samples.get(column) else "" for column in columns))
    return table


def _cells(row: Row) -> Sequence[str]:
    target = "" if row.at_most is None else f"<= {_figure(row.at_most, row.unit)}"
    target = target if row.at_least is None else f">= {_figure(row.at_least, row.unit)}"
    shown = [_figure(value, row.unit) for value in (row.median, min(row.samples), max(row.samples))]
    return (row.what, *shown, str(len(row.samples)), target, {None: "", True: "yes", False: "NO"}[row.met])


def _figure(value: float, unit: str) -> str:
    if unit == "MB":
        return f"{value:,.0f} {unit}"
    return f"{value:.2f} {unit}" if value >= 0.1 or value == 0 else f"{value:.2g} {unit}"


def save_result(result: Result, machine: dict[str, object], folder: Path) -> Path:
    """Write `<name>.json`: the machine, then each row with all its samples."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [{**asdict(row), "median": row.median, "met": row.met} for row in result.rows]
    document = {"benchmark": result.name, "title": result.title, "machine": machine, "rows": rows, "shares": result.shares}
    path = folder / f"{result.name}.json"
    path.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    return path
