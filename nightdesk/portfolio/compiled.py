"""The loop of `loop.py` as machine code: compiled at the first large run, and kept beside the bytecode for the next process."""

from collections.abc import Callable
from functools import cache
from typing import Any, cast

from nightdesk.portfolio import loop

INTERPRETED_CELLS = 20_000
"""A first run of at most so many sessions x symbols is interpreted: compiling takes seconds, this a tenth of one."""
SMALL_CELLS, MOST_INTERPRETED_CELLS = 1_000, 100_000
"""Later runs of at most so many are interpreted too, until all were as many as take as long as compiling."""
_interpreted = {"cells": 0}
COMPILING = {"error_model": "numpy", "no_cfunc_wrapper": True, "no_rewrites": True}
"""Division as numpy's; nothing is made for callers from C, nor for expressions on whole arrays: a third less to compile."""


def fastest_play(cells: int) -> Callable[..., int]:
    """`loop.play`, compiled unless this is the process's first run, or one of few small ones. Both give the same bits."""
    most = SMALL_CELLS if _interpreted["cells"] else INTERPRETED_CELLS
    if cells <= most and _interpreted["cells"] + cells <= MOST_INTERPRETED_CELLS:
        _interpreted["cells"] += max(1, cells)
        return loop.play
    return compiled_play()


@cache
def compiled_play() -> Callable[..., int]:
    """`loop.play`, compiled with all that it calls."""
    import numba
    from numba.extending import register_jitable

    for part in loop.PARTS:
        # Python calls `play` alone; a call that hands over tables of arrays takes longer than what most parts do
        register_jitable(no_cpython_wrapper=True, forceinline=True, **COMPILING)(part)
    return cast("Callable[..., int]", cast(Any, numba).njit(cache=True, **COMPILING)(loop.play))
