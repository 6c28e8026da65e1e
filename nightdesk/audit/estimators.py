"""Which part of a fitted estimator is another one."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from nightdesk.learning.digest import model_sha256


@dataclass(frozen=True, slots=True)
class Part:
    """The first part that differs: the pipeline's step and what it learned, with the first two values that are not equal."""

    name: str
    was: str
    now: str


def changed_part(was: Any, now: Any) -> Part | None:
    """None where two fitted estimators are equal to the bit. Raises `Misconfigured` where one holds an unknown type."""
    if model_sha256(was) == model_sha256(now):
        return None
    for (name, before), (_, after) in zip(_steps(was), _steps(now), strict=False):
        if model_sha256(before) != model_sha256(after):
            return _learned(name, before, after)
    return Part("the model", model_sha256(was)[:12], model_sha256(now)[:12])


def _steps(estimator: Any) -> list[tuple[str, Any]]:
    return list(getattr(estimator, "steps", [("the model", estimator)]))


def _learned(step: str, was: Any, now: Any) -> Part:
    """What is public comes before what is not, arrays of numbers before the rest."""
    name = f"{step} ({type(was).__name__})"
    for key in sorted(getattr(was, "__dict__", {}), key=lambda key: (key.startswith("_"), key)):
        before, after = getattr(was, key), getattr(now, key, None)
        if isinstance(before, float | np.ndarray | np.floating) and isinstance(after, float | np.ndarray | np.floating):
            a, b = np.ravel(before), np.ravel(after)
            if a.shape != b.shape:
                return Part(f"{name}.{key}", f"{len(a)} values", f"{len(b)} values")
            if a.dtype.kind in "fiu" and (a != b).any():
                first = np.flatnonzero(a != b)[0]
                return Part(f"{name}.{key}", repr(float(a[first])), repr(float(b[first])))
    return Part(name, model_sha256(was)[:12], model_sha256(now)[:12])
