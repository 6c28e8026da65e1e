"""TA-Lib's indicators as features, by their own names: `ta.RSI(14)`, `ta.MACD(12, 26, 9).macdhist`, `ta.SMA(20, price="volume")`.

Every function is computed on a symbol's own bars, from the first to the last: a session without one is left out, not filled in.
"""

import ast
import difflib
import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nightdesk.errors import Misconfigured
from nightdesk.features.panels import Panels

PREFIX = "ta."
SERIES = ("open", "high", "low", "close", "volume")
NO_FEATURES = {
    "MAVP": "it needs a series of periods",
    "MAXINDEX": "it gives a place in the series, which grows with the history",
    "MININDEX": "it gives a place in the series, which grows with the history",
    "MINMAXINDEX": "it gives a place in the series, which grows with the history",
}
"""What of TA-Lib is no value of a bar, and why."""
LARGEST = 2**31 - 1
Floats = NDArray[np.float64]
Call = tuple[str, tuple[str, ...], tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Indicator:
    """One TA-Lib function with its inputs, all of its parameters in order, and which of its outputs is meant."""

    function: str
    inputs: tuple[str, ...]
    parameters: tuple[float, ...]
    output: int = 0

    @property
    def call(self) -> Call:
        """What is computed: equal for the outputs of one call."""
        return self.function, self.inputs, self.parameters


@dataclass(frozen=True, slots=True)
class _Known:
    """What TA-Lib says about a function."""

    inputs: dict[str, Any]
    parameters: dict[str, float]
    outputs: tuple[str, ...]


@functools.cache
def indicator(column: str) -> Indicator:
    """The indicator of a name such as `ta.MACD(12, 26, 9).macdhist`: parameters in order or by name, the rest at their defaults.

    An input that is one series can be named: `ta.SMA(20, price="volume")`.

    Raises
    ------
    Misconfigured
        Function, parameter, range or output is not TA-Lib's, or the function is no value of a bar.
    """
    function, arguments, named, output = _parts(column)
    known = _known(column, function)
    parameters = dict(known.parameters)
    if len(arguments) > len(parameters):
        raise _refused(column, f"up to {len(parameters)} parameters for {function}: {_signature(known)}")
    inputs, twice = dict(known.inputs), {*list(parameters)[: len(arguments)]} & {name for name, _ in named}
    if twice:
        raise _refused(column, f"{twice.pop()} once")
    for name, value in [*zip(parameters, arguments, strict=False), *named]:
        if name in inputs and isinstance(inputs[name], str):
            inputs[name] = _series(column, name, value)
        else:
            parameters[name] = _number(column, function, known, name, value)
    if output and output not in known.outputs:
        raise _refused(column, f"as output of {function} one of {', '.join(known.outputs)}")
    if not output and len(known.outputs) > 1:
        raise _refused(column, f"with one of its outputs behind it, as {column}.{known.outputs[0]}: {', '.join(known.outputs)}")
    series = [name for part in inputs.values() for name in ([part] if isinstance(part, str) else part)]
    made = Indicator(function, tuple(series), tuple(parameters.values()), known.outputs.index(output) if output else 0)
    _require_range(column, made, known)
    return made


def indicator_panels(prices: Panels, columns: Sequence[str]) -> dict[str, pd.DataFrame]:
    """The panel of each indicator (sessions x symbols), NaN where its window is not yet full or an input is missing."""
    wanted = {column: indicator(column) for column in columns}
    across = {name: _across(getattr(prices, name)) for name in SERIES if any(name in one.inputs for one in wanted.values())}
    outputs: dict[Call, set[int]] = {}
    for one in wanted.values():
        outputs.setdefault(one.call, set()).add(one.output)
    made = {
        (name, inputs, parameters): _outputs([across[one] for one in inputs], name, parameters, places)
        for (name, inputs, parameters), places in outputs.items()
    }
    like = prices.close
    return {
        column: pd.DataFrame(made[one.call][one.output].T, index=like.index, columns=like.columns, copy=False)
        for column, one in wanted.items()
    }


@dataclass(frozen=True, slots=True)
class _Series:
    """A panel with its symbols down, so that a symbol's series lies in one piece; where it is finite, and whether all along."""

    values: Floats
    finite: NDArray[np.bool_]
    whole: NDArray[np.bool_]


def _across(panel: pd.DataFrame) -> _Series:
    values = np.ascontiguousarray(panel.to_numpy(dtype="float64").T)
    finite = np.isfinite(values)
    return _Series(values, finite, finite.all(axis=1))


def _outputs(given: Sequence[_Series], name: str, parameters: tuple[float, ...], places: set[int]) -> dict[int, Floats]:
    """Symbols x sessions of a function's outputs at some places. What is infinite is NaN."""
    function = _function(name)
    made = {place: np.empty(given[0].values.shape) for place in places}
    whole = np.logical_and.reduce([one.whole for one in given])
    for row, complete in enumerate(whole.tolist()):
        bars = slice(None) if complete else np.logical_and.reduce([one.finite[row] for one in given])
        series = [one.values[row, bars] for one in given]
        answer = function(*series, *parameters) if len(series[0]) else series[0]
        for place, out in made.items():
            values = answer[place] if isinstance(answer, tuple) else answer
            if values.dtype.kind == "i":  # TA-Lib says 0 where it cannot know yet
                values = np.where(np.arange(len(values)) < _lookback(name, parameters), np.nan, values)
            if np.isinf(values).any():
                values = np.where(np.isinf(values), np.nan, values)
            if not complete:
                out[row] = np.nan
            out[row, bars] = values
    return made


@functools.cache
def _function(name: str) -> Callable[..., Any]:
    import talib

    checked = getattr(talib, name)  # looks for Series of pandas and polars first, which are never given here
    function: Callable[..., Any] = getattr(checked, "__wrapped__", checked)
    return function


def _described(name: str) -> Any:
    """A function with its names, parameters and lookback."""
    from talib import abstract

    return abstract.Function(name)  # type: ignore[attr-defined]  # its types leave the class out


@functools.cache
def _lookback(name: str, parameters: tuple[float, ...]) -> int:
    """So many first bars have no value; -1 where a parameter is out of TA-Lib's range."""
    function = _described(name)
    function.parameters = dict(zip(function.parameters, parameters, strict=True))
    return int(function.lookback)


@functools.cache
def _known(column: str, name: str) -> _Known:
    import talib

    functions: list[str] = talib.get_functions()
    if name not in functions:
        near = difflib.get_close_matches(name.upper(), functions, 5, 0.4)
        raise _refused(column, f"a function of TA-Lib, as {', '.join(near or ('RSI', 'MACD', 'BBANDS', 'ATR', 'ROC'))}")
    if name in NO_FEATURES:
        raise _refused(column, f"another function of TA-Lib than {name}: {NO_FEATURES[name]}")
    told = _described(name).info
    return _Known(dict(told["input_names"]), dict(told["parameters"]), tuple(told["output_names"]))


def _parts(column: str) -> tuple[str, list[object], list[tuple[str, object]], str]:
    """Function, arguments in order, arguments by name, output."""
    allowed = "a name as ta.RSI(14), ta.OBV or ta.MACD(12, 26, 9).macdhist"
    try:
        tree, output = ast.parse(column.strip(), mode="eval").body, ""
        if isinstance(tree, ast.Attribute) and isinstance(tree.value, ast.Call):
            output, tree = tree.attr, tree.value
        call = tree if isinstance(tree, ast.Call) else ast.Call(tree, [], [])
        head = ast.unparse(call.func).removeprefix(PREFIX)
        if "." in head and not output:
            head, _, output = head.partition(".")
        named = [(str(word.arg), ast.literal_eval(word.value)) for word in call.keywords]
        return head, [ast.literal_eval(argument) for argument in call.args], named, output
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError):
        raise _refused(column, allowed) from None


def _series(column: str, name: str, value: object) -> str:
    if value not in SERIES:
        raise _refused(column, f"as {name} one of {', '.join(SERIES)}")
    return str(value)


def _number(column: str, function: str, known: _Known, name: str, value: object) -> float:
    if name not in known.parameters:
        inputs = [one for one, series in known.inputs.items() if isinstance(series, str)]
        raise _refused(column, f"as parameter of {function} one of {', '.join([*known.parameters, *inputs]) or 'none'}")
    default = known.parameters[name]
    whole = isinstance(default, int)
    if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or value != value:
        raise _refused(column, f"as {name} a {'whole ' if whole else ''}number, as {default}")
    if abs(value) > LARGEST:
        raise _refused(column, f"as {name} a number up to {LARGEST}")
    return value if whole else float(value)


def _require_range(column: str, made: Indicator, known: _Known) -> None:
    """TA-Lib itself is asked; of a parameter that it refuses the range is looked for."""
    if _lookback(made.function, made.parameters) >= 0:
        return
    defaults = tuple(known.parameters.values())
    for place, (name, default) in enumerate(known.parameters.items()):

        def passes(value: float, at: int = place) -> bool:
            return _lookback(made.function, (*defaults[:at], value, *defaults[at + 1 :])) >= 0

        if not passes(made.parameters[place]):
            raise _refused(column, f"as {name} {_range(passes, default)}")
    raise _refused(column, f"parameters of {made.function} that go together: {_signature(known)}")


def _range(passes: Callable[[float], bool], default: float) -> str:
    """The least and the greatest that TA-Lib takes around a default."""
    if isinstance(default, int):
        return f"a whole number from {_edge(passes, default, -LARGEST)} to {_edge(passes, default, LARGEST)}"
    low = next(value for value in (-float(LARGEST), -1.0, 0.0, 0.01, default) if passes(value))
    high = next(value for value in (float(LARGEST), 100.0, 1.0, 0.99, default) if passes(value))
    return f"a number from {low:g} to {high:g}"


def _edge(passes: Callable[[float], bool], inside: int, outside: int) -> int:
    if passes(outside):
        return outside
    while abs(outside - inside) > 1:
        middle = (inside + outside) // 2
        inside, outside = (middle, outside) if passes(middle) else (inside, middle)
    return inside


def _signature(known: _Known) -> str:
    return ", ".join(f"{name}={default}" for name, default in known.parameters.items()) or "none"


def _refused(column: str, allowed: str) -> Misconfigured:
    return Misconfigured.value("features.columns", column, allowed)
