"""One state in one file: the safetensors layout, with the rest of the tree as JSON in its metadata.

    8 bytes   length of the header, little-endian
    header    JSON: {"__metadata__": {"poptrain": skeleton}, name: {"dtype", "shape", "data_offsets"}, ...}, padded by spaces
    data      the arrays, one after another

Any reader of safetensors can open it. Written here rather than by the library, because the library wants all tensors as bytes
objects first, a second copy of everything.
"""

from __future__ import annotations

import json
import mmap
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from poptrain.core.errors import CheckpointError, StateError
from poptrain.core.tree import flatten, is_tensor, unflatten
from poptrain.store.faults import point
from poptrain.store.files import removed_on_failure, translated

__all__ = ["read_state", "write_state"]

_KEY = "poptrain"
_ALIGNMENT = 64
_LARGEST_HEADER = 100_000_000

_NUMPY = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "uint16": "U16",
    "int16": "I16",
    "uint32": "U32",
    "int32": "I32",
    "uint64": "U64",
    "int64": "I64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "complex64": "C64",
}
_TORCH = {**_NUMPY, "bfloat16": "BF16", "float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2"}
_TO_NUMPY = {code: name for name, code in _NUMPY.items()}
_TO_TORCH = {code: name for name, code in _TORCH.items()}


def write_state(path: Path, state: Any) -> int:
    """Write a state to a file and return the file's bytes; under its name the file is whole or not there.

    The file is not synced: `CheckpointStore.seal` does that.

    Raises:
        StateError: the state holds something that cannot be saved.
        DiskFull, StoreError: the file cannot be written.
    """
    flat = flatten(state)
    header: dict[str, Any] = {}
    buffers: list[Any] = []
    offset = 0
    for name, array in _large_items_first(flat.arrays):
        code, shape, data = _encode(name, array)
        header[name] = {"dtype": code, "shape": shape, "data_offsets": [offset, offset + data.nbytes]}
        offset += data.nbytes
        buffers.append(data)
    skeleton = json.dumps({"tree": flat.skeleton, "torch": _tensors(flat.arrays)}, separators=(",", ":"))
    text = json.dumps({"__metadata__": {_KEY: skeleton}, **header}, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % _ALIGNMENT)
    if len(text) > _LARGEST_HEADER:
        raise StateError(
            f"a state's texts and plain numbers may take {_LARGEST_HEADER:,} bytes as JSON, got {len(text):,}: turn long lists "
            f"of numbers into arrays"
        )
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    with translated("writing", path), removed_on_failure(temporary):
        with temporary.open("wb", buffering=0) as file:
            for data in (len(text).to_bytes(8, "little") + text, *buffers):
                _write(file, memoryview(data).cast("B") if len(data) else b"")
        point("before the rename of a state")
        os.replace(temporary, path)
    return 8 + len(text) + offset


def _large_items_first(arrays: dict[str, Any]) -> list[tuple[str, Any]]:
    """Order arrays by the size of their numbers, so that each begins at a multiple of it."""
    sizes = {name: array.element_size() if is_tensor(array) else array.itemsize for name, array in arrays.items()}
    return sorted(arrays.items(), key=lambda item: -sizes[item[0]])


def _tensors(arrays: dict[str, Any]) -> list[str]:
    return [name for name, array in arrays.items() if is_tensor(array)]


def _encode(name: str, array: Any) -> tuple[str, list[int], np.ndarray[Any, Any]]:
    """Return (dtype code, shape, flat bytes) of one array; contiguous CPU memory is not copied."""
    if is_tensor(array):
        import torch

        kind = str(array.dtype).removeprefix("torch.")
        if kind not in _TORCH:
            raise StateError(f"state.{name} is a tensor of {kind}, which a tensor file cannot hold: convert it in state_dict()")
        data = array.detach().resolve_conj().resolve_neg().cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
        return _TORCH[kind], list(array.shape), data
    kind = array.dtype.name
    if kind not in _NUMPY:
        raise StateError(f"state.{name} is an array of {kind}, which a tensor file cannot hold: convert it in state_dict()")
    little = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return _NUMPY[kind], list(array.shape), np.ascontiguousarray(little).reshape(-1).view(np.uint8)


def _write(file: Any, data: Any) -> None:
    """Write all of `data`; one system call takes at most two gigabytes."""
    while len(data):
        data = data[file.write(data) :]


def read_state(path: Path) -> Any:
    """Return the state in a file.

    Arrays are views of a private mapping of the file: nothing is read before it is used, and writing to them changes no file.
    Tensors come back on the CPU.

    Raises:
        CheckpointError: the file is missing, torn or not one of these.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) if size else b""
    except OSError as error:
        raise CheckpointError(f"the state file {path} cannot be read: {error.strerror or error}") from error
    header, begin = _header(path, data, size)
    try:
        about = json.loads(header.pop("__metadata__", {})[_KEY])
        tensors = set(about["torch"])
        arrays = {name: _decode(entry, data, begin, tensor=name in tensors) for name, entry in _checked(header, size - begin)}
        return unflatten(about["tree"], arrays)
    except (KeyError, ValueError, TypeError, StateError) as error:
        raise CheckpointError(f"the state file {path} is damaged: {error!r}") from error


def _header(path: Path, data: Any, size: int) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(data[:8], "little") if size >= 8 else 0
    if not 2 <= length <= min(size - 8, _LARGEST_HEADER):
        raise CheckpointError(f"the state file {path} is damaged: {size} bytes, and no whole header")
    try:
        header = json.loads(data[8 : 8 + length])
    except ValueError as error:
        raise CheckpointError(f"the state file {path} is damaged: its header is not JSON ({error})") from error
    if not isinstance(header, dict):
        raise CheckpointError(f"the state file {path} is damaged: its header is not an object")
    return header, 8 + length


def _checked(header: dict[str, Any], available: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the entries of a header whose arrays lie inside the file, without gaps up to its end."""
    end = 0
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        if not (isinstance(first, int) and isinstance(last, int) and 0 <= first <= last <= available):
            raise ValueError(f"array {name!r} lies outside of the file")
        end = max(end, last)
        yield name, entry
    if end != available:
        raise ValueError(f"the arrays take {end} bytes, the file has {available}")


def _decode(entry: dict[str, Any], data: Any, begin: int, *, tensor: bool) -> Any:
    first, last = entry["data_offsets"]
    if not tensor:
        dtype = np.dtype(_TO_NUMPY[entry["dtype"]]).newbyteorder("<")
        flat = np.frombuffer(data, dtype=dtype, count=(last - first) // dtype.itemsize, offset=begin + first)
        return flat.reshape(entry["shape"])
    import torch

    dtype = getattr(torch, _TO_TORCH[entry["dtype"]])
    if first == last:
        return torch.empty(entry["shape"], dtype=dtype)
    count = (last - first) // torch.empty((), dtype=dtype).element_size()
    return torch.frombuffer(data, dtype=dtype, count=count, offset=begin + first).reshape(entry["shape"])
