"""The day is told three times: the tasks' docstring, the flow, and the plain functions. All three say the same."""

import ast
import importlib
import re
from collections.abc import Sequence

import tasks
from nightdesk.settings import CHECKOUT
from tests.steps import STEPS

FILES = [match.group(1) for match in re.finditer(r"^\d\. (\w+):", str(tasks.__doc__), flags=re.MULTILINE)]


def _calls(path: str, names: Sequence[str]) -> list[tuple[str, list[str]]]:
    """The calls of some functions in a file, in the order of the text, each with its arguments' names."""
    found = [
        (node.lineno, node.func.id, [ast.unparse(argument) for argument in node.args])
        for node in ast.walk(ast.parse((CHECKOUT / path).read_text()))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in names
    ]
    return [(name, arguments) for _, name, arguments in sorted(found)]


def test_the_flow_makes_the_nine_calls_in_the_order_that_the_tasks_are_numbered() -> None:
    assert len(FILES) == 9
    assert [name for name, _ in _calls("flows/daily.py", STEPS)] == list(STEPS)
    assert all(STEPS[place] in vars(importlib.import_module(f"nightdesk.day.{file}")) for place, file in enumerate(FILES))


def test_the_plain_day_makes_the_same_calls_with_the_same_arguments() -> None:
    assert _calls("nightdesk/day/play.py", STEPS) == _calls("flows/daily.py", STEPS)
