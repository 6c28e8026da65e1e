"""The loop of `loop.py` as machine code: compiled at the first large run, and kept beside the bytecode for the next process."""

from collections.abc import Callable
from functools import cache
from typing import Any, cast

from nightdesk.portfolio import loop

INTERPRETED_CELLS = 20_000
"""A first run of at most so many sessions x symbols is interpreted: compiling takes seconds, this a tenth of one."""
_interpreted = {"runs": 0}


def fastest_play(cells: int) -> Callable[..., int]:
    """`loop.play`, compiled unless this is the process's first run and small. Both give the same bits."""
    if cells <= INTERPRETED_CELLS and not _interpreted["runs"]:
        _interpreted["runs"] += 1
        return loop.play
    return compiled_play()


@cache
def compiled_play() -> Callable[..., int]:
    """`loop.play`, compiled with all that it calls."""
    import numba
    from numba.extending import register_jitable

    for part in loop.PARTS:
        register_jitable(part)
    return cast("Callable[..., int]", cast(Any, numba).njit(cache=True, error_model="numpy")(loop.play))
