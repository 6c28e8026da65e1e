"""What imports cost, from the lines of `python -X importtime`."""

import re
from collections.abc import Iterator
from typing import NamedTuple

LINE = re.compile(r"^import time:\s+(\d+) \|\s+(\d+) \| ( *)(\S+)$", re.MULTILINE)


class Import(NamedTuple):
    """One import that ended; its own imports came before it, one level deeper."""

    seconds: float
    seconds_with_its_own: float
    depth: int
    module: str


def imports(stderr: str) -> Iterator[Import]:
    for own, cumulative, indent, module in LINE.findall(stderr):
        yield Import(int(own) / 1e6, int(cumulative) / 1e6, len(indent) // 2, module)


def total_seconds(stderr: str) -> float:
    """All imports together."""
    return sum(one.seconds for one in imports(stderr))


def package_seconds(stderr: str, package: str) -> float:
    """A package with all that it alone brings in: its outermost imports. What was imported before it costs it nothing."""
    found = 0.0
    under: int | None = None
    for one in reversed(list(imports(stderr))):
        if under is not None and one.depth > under:
            continue
        under = None
        if one.module.split(".")[0] == package:
            found, under = found + one.seconds_with_its_own, one.depth
    return found
