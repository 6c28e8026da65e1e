"""The day is told three times: the tasks' docstring, the flow, and the plain functions. All three say the same."""

import ast
import importlib
import re

import tasks
from nightdesk.settings import CHECKOUT

FILES = [match.group(1) for match in re.finditer(r"^\d\. (\w+):", str(tasks.__doc__), flags=re.MULTILINE)]
STEPS = [
    "ingest_bars",
    "validate_bars",
    "settle_books",
    "engineer_features",
    "retrain_model",
    "log_experiment",
    "generate_signal",
    "place_orders",
    "compute_performance",
]


def _calls(path: str, names: list[str]) -> list[tuple[str, list[str]]]:
    """The calls of some functions in a file, in the order of the text, each with its arguments' names."""
    found = [
        (node.lineno, node.func.id, [ast.unparse(argument) for argument in node.args])
        for node in ast.walk(ast.parse((CHECKOUT / path).read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
    ]
    return [(name, arguments) for _, name, arguments in sorted(found)]


def test_the_flow_makes_the_nine_calls_in_the_order_that_the_tasks_are_numbered() -> None:
    assert len(FILES) == 9
    assert [name for name, _ in _calls("flows/daily.py", STEPS)] == STEPS
    assert all(STEPS[place] in vars(importlib.import_module(f"nightdesk.day.{file}")) for place, file in enumerate(FILES))


def test_the_plain_day_makes_the_same_calls_with_the_same_arguments() -> None:
    assert _calls("nightdesk/day/play.py", STEPS) == _calls("flows/daily.py", STEPS)
