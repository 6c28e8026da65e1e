"""The identity of a fitted estimator: what it was told and what it learned, never the bytes of a file."""

import hashlib
import struct
from collections.abc import Mapping
from types import MethodType
from typing import Any

import numpy as np
from scipy import sparse
from sklearn.neighbors import BallTree, KDTree

from nightdesk.errors import Misconfigured

WALKED_PACKAGES = ("sklearn",)
"""Objects of these packages are walked by their state; an object of any other package is refused."""


def model_sha256(estimator: Any) -> str:
    """SHA-256 (hex) over an estimator's class, parameters and learned state, private attributes included.

    Equal for equal fits in any process and after saving and loading; another version of scikit-learn may give another.

    Raises
    ------
    Misconfigured
        The estimator holds an object of a type whose state is not known to be canonical.
    """
    return _digest(estimator).hex()


def _node(tag: str, *parts: bytes) -> bytes:
    """Hash of one value: its type, then the lengths and bytes of its parts, so that no two values run together."""
    node = hashlib.sha256(tag.encode() + b"\0")
    for part in parts:
        node.update(struct.pack("<q", len(part)) + part)
    return node.digest()


def _digest(value: Any) -> bytes:
    if value is None or isinstance(value, bool | int | str | bytes):
        return _node(type(value).__name__, value if isinstance(value, bytes) else str(value).encode())
    if isinstance(value, float) and type(value) is float:
        return _node("float", struct.pack("<d", value))
    if isinstance(value, np.ndarray | np.generic):
        return _array(value)
    if sparse.issparse(value):
        return _node(f"sparse {value.format}", _digest(value.shape), *_coordinates(value))
    if isinstance(value, Mapping):
        return _node("dict", *sorted(_node("item", _digest(key), _digest(part)) for key, part in value.items()))
    if isinstance(value, list | tuple):
        return _node("list" if isinstance(value, list) else "tuple", *map(_digest, value))
    if isinstance(value, np.random.RandomState):
        return _node("RandomState", _digest(value.get_state(legacy=False)))
    if isinstance(value, np.random.Generator):
        return _node("Generator", _digest(value.bit_generator.state))
    return _named(value) if hasattr(value, "__qualname__") else _object(value)


def _array(array: Any) -> bytes:
    """Shape, dtype and bytes, little-endian in C order. Records go field by field: their padding is garbage."""
    if type(array) not in (np.ndarray, np.memmap) and not isinstance(array, np.generic):
        raise _unknown(array)
    values = np.asarray(array)
    shape = _digest(values.shape)
    if values.dtype.names:
        fields = [_node(name, _array(values[name])) for name in values.dtype.names]
        return _node("records", shape, *fields)
    if values.dtype.hasobject:
        return _node("objects", shape, *map(_digest, values.ravel().tolist()))
    little = values.dtype.newbyteorder("<")
    return _node("array", shape, little.str.encode(), values.astype(little).tobytes(order="C"))


def _coordinates(matrix: Any) -> list[bytes]:
    entries = matrix.tocoo(copy=True)
    entries.sum_duplicates()
    return [_array(entries.coords[0]), _array(entries.coords[1]), _array(entries.data)]


def _named(value: Any) -> bytes:
    """A class or a function, by its name; a lambda or a bound method has none that would identify it."""
    name = f"{getattr(value, '__module__', '')}.{value.__qualname__}"
    if isinstance(value, MethodType) or "<" in name:
        raise _unknown(value)
    return _node("name", name.encode())


def _object(value: Any) -> bytes:
    kind = type(value)
    if kind.__module__.split(".")[0] not in WALKED_PACKAGES:
        raise _unknown(value)
    return _node(f"{kind.__module__}.{kind.__qualname__}", _digest(_state(value)))


def _state(value: Any) -> Any:
    if isinstance(value, KDTree | BallTree):  # its pickled state also counts the queries it has answered
        return [np.asarray(part) for part in value.get_arrays()]
    if hasattr(value, "__dict__"):
        return vars(value)
    return list(value.__reduce__()[1:])


def _unknown(value: Any) -> Misconfigured:
    name = f"{type(value).__module__}.{type(value).__qualname__}"
    return Misconfigured(f"The model holds a {name}, whose state may not be canonical: name another estimator.", type=name)
