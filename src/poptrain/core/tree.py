"""A member's state as a tree: copied, compared, and taken apart into plain JSON and arrays.

Nodes are dicts (keys are strings or integers), lists and tuples; leaves are None, booleans, integers, floats, strings, bytes,
NumPy arrays and scalars, and torch tensors. torch is looked at only where the program has loaded it.
"""

from __future__ import annotations

import base64
import math
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from poptrain.core.errors import StateError

__all__ = ["Flat", "difference", "flatten", "is_tensor", "nbytes", "snapshot", "unflatten"]

_TAG = "$"
_EXACT = 2**53
"""Integers beyond this do not survive readers that hold numbers as doubles; they travel as text."""

_SHORT_BYTES = 1024
"""Bytes up to which a byte string travels as text; a longer one is an array."""


@dataclass(frozen=True, slots=True)
class Flat:
    """A tree taken apart.

    Args:
        skeleton: the tree as JSON, with a reference in place of every array.
        arrays: NumPy arrays and torch tensors by name; names are paths such as "objects.net.0.weight".
    """

    skeleton: Any
    arrays: dict[str, Any]


def is_tensor(value: Any) -> bool:
    """Return whether `value` is a torch tensor, without importing torch."""
    torch = sys.modules.get("torch")
    return torch is not None and isinstance(value, torch.Tensor)


def flatten(state: Any) -> Flat:
    """Take a tree apart; `unflatten` puts it together again, exactly.

    Subclasses of dict (OrderedDict, say) come back as dict. Tensors are detached and share memory with the tree.

    Raises:
        StateError: the tree holds a value of another type (the message names its path), or contains itself.
    """
    arrays: dict[str, Any] = {}
    try:
        return Flat(_flatten(state, "", arrays), arrays)
    except RecursionError as error:
        raise StateError("the state contains itself, or is nested too deeply: flatten it in state_dict()") from error


def _flatten(value: Any, path: str, arrays: dict[str, Any]) -> Any:
    if value is None or (isinstance(value, (bool, str)) and type(value) in (bool, str)):
        return value
    kind = type(value)
    if kind is int:
        return value if abs(value) <= _EXACT else {_TAG: "int", "v": str(value)}
    if kind is float:
        return value if math.isfinite(value) else {_TAG: "float", "v": repr(value)}
    if isinstance(value, Mapping):
        return _flatten_mapping(value, path, arrays)
    if kind in (list, tuple):
        items = [_flatten(item, f"{path}.{i}", arrays) for i, item in enumerate(value)]
        return items if kind is list else {_TAG: "tuple", "v": items}
    if kind in (bytes, bytearray):
        return _flatten_bytes(bytes(value), path, arrays)
    return _flatten_array(value, path, arrays)


def _flatten_mapping(value: Mapping[Any, Any], path: str, arrays: dict[str, Any]) -> Any:
    keys = list(value)
    if all(type(key) is str for key in keys) and _TAG not in value:
        return {key: _flatten(value[key], f"{path}.{key}", arrays) for key in keys}
    pairs = []
    for key in keys:
        if type(key) not in (str, int):
            raise StateError(f"state{path} has the key {key!r} of type {type(key).__name__}: use strings or integers as keys")
        pairs.append([key, _flatten(value[key], f"{path}.{key}", arrays)])
    return {_TAG: "dict", "v": pairs}


def _flatten_bytes(value: bytes, path: str, arrays: dict[str, Any]) -> Any:
    if len(value) <= _SHORT_BYTES:
        return {_TAG: "bytes", "v": base64.b64encode(value).decode()}
    return {_TAG: "blob", "v": _name(path, arrays, np.frombuffer(value, dtype=np.uint8))}


def _flatten_array(value: Any, path: str, arrays: dict[str, Any]) -> Any:
    if is_tensor(value):
        if value.is_sparse or value.is_quantized:
            raise StateError(f"state{path} is a sparse or quantised tensor: make it dense in state_dict()")
        return {_TAG: "tensor", "v": _name(path, arrays, value.detach())}
    # Other subclasses hold more than their numbers, a mask for one.
    plain = type(value) in (np.ndarray, np.memmap) or isinstance(value, np.generic)
    if plain and np.asarray(value).dtype.kind in "biufc":
        scalar = isinstance(value, np.generic)
        return {_TAG: "scalar" if scalar else "array", "v": _name(path, arrays, np.asarray(value))}
    raise StateError(
        f"state{path} is a {type(value).__module__}.{type(value).__qualname__}, which cannot be saved without pickle: leave it "
        f"out of state_dict(), or turn it into numbers, strings, lists, dicts, arrays or tensors"
    )


def _name(path: str, arrays: dict[str, Any], array: Any) -> str:
    name = plain = path.lstrip(".") or "value"
    number = 1
    while name in arrays:  # keys may hold dots themselves
        number += 1
        name = f"{plain}#{number}"
    arrays[name] = array
    return name


def unflatten(skeleton: Any, arrays: Mapping[str, Any]) -> Any:
    """Return the tree that `flatten` took apart.

    Raises:
        StateError: the skeleton is not one that `flatten` made, or an array is missing.
    """
    if isinstance(skeleton, list):
        return [unflatten(item, arrays) for item in skeleton]
    if not isinstance(skeleton, dict):
        return skeleton
    if _TAG not in skeleton:
        return {key: unflatten(item, arrays) for key, item in skeleton.items()}
    tag, value = skeleton[_TAG], skeleton["v"]
    if tag == "dict":
        return {key: unflatten(item, arrays) for key, item in value}
    if tag == "tuple":
        return tuple(unflatten(item, arrays) for item in value)
    if tag in ("tensor", "array", "scalar", "blob"):
        if value not in arrays:
            raise StateError(f"the state refers to an array {value!r} that is not there")
        if tag == "blob":
            return bytes(arrays[value])
        return arrays[value][()] if tag == "scalar" else arrays[value]
    if tag == "bytes":
        return base64.b64decode(value)
    if tag in ("int", "float"):
        return int(value) if tag == "int" else float(value)
    raise StateError(f"the state holds an unknown kind of value {tag!r}: it was written by a newer version")


def snapshot(state: Any) -> Any:
    """Return a deep copy in which no array shares memory with the original.

    torch's `Optimizer.load_state_dict` keeps the very tensors it is given, so a tree may be loaded into one object only;
    every further recipient needs a snapshot of its own. Tensors stay on their device and lose their gradients' history.
    """
    if isinstance(state, Mapping):
        return {key: snapshot(value) for key, value in state.items()}
    if isinstance(state, list):
        return [snapshot(value) for value in state]
    if type(state) is tuple:
        return tuple(snapshot(value) for value in state)
    if isinstance(state, (np.ndarray, bytearray)):
        return state.copy()
    if is_tensor(state):
        return state.detach().clone()
    return state


def nbytes(state: Any) -> int:
    """Return the bytes of all arrays in a tree."""
    return sum(int(array.nbytes) for array in flatten(state).arrays.values())


def difference(a: Any, b: Any) -> str | None:
    """Return where and how two trees differ first, or None where they are equal to the last bit.

    NaN equals NaN; 1 differs from 1.0, and a tuple from a list. Any mapping equals a dict of the same items in the same order.

    Example:
        >>> difference({"a": [1, 2]}, {"a": [1, 3]})
        'state.a.1: 2 and 3'
    """
    return _difference(a, b, "state")


def _difference(a: Any, b: Any, path: str) -> str | None:
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        if list(a) != list(b):
            return f"{path}: keys {list(a)} and {list(b)}"
        return _first(_difference(a[key], b[key], f"{path}.{key}") for key in a)
    if type(a) is not type(b) and not (is_tensor(a) and is_tensor(b)):
        return f"{path}: {type(a).__name__} and {type(b).__name__}"
    if isinstance(a, (list, tuple)):
        if len(a) != len(b):
            return f"{path}: {len(a)} and {len(b)} items"
        return _first(_difference(x, y, f"{path}.{i}") for i, (x, y) in enumerate(zip(a, b, strict=True)))
    if is_tensor(a) or isinstance(a, np.ndarray):
        return _array_difference(a, b, path)
    same = a == b or (isinstance(a, (float, np.floating)) and a != a and b != b)
    return None if same else f"{path}: {a!r} and {b!r}"


def _first(found: Any) -> str | None:
    return next((one for one in found if one is not None), None)


def _array_difference(a: Any, b: Any, path: str) -> str | None:
    if a.dtype != b.dtype or tuple(a.shape) != tuple(b.shape):
        return f"{path}: {a.dtype}{list(a.shape)} and {b.dtype}{list(b.shape)}"
    x, y = _bytes(a), _bytes(b)
    differing = int(np.count_nonzero(x != y))
    return f"{path}: {differing} of {x.size} bytes differ" if differing else None


def _bytes(array: Any) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Return the bytes of an array or tensor; floating-point NaNs with different payloads count as different."""
    if is_tensor(array):
        import torch

        flat = array.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1)
        found: np.ndarray[Any, np.dtype[np.uint8]] = flat.view(torch.uint8).numpy()
        return found
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
