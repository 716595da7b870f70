"""State trees: taken apart, put together, copied and compared, to the last bit."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from poptrain.core.errors import StateError
from poptrain.core.tree import difference, flatten, nbytes, snapshot, unflatten

DTYPES = ["bool", "uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "complex64"]
ARRAYS = st.sampled_from(DTYPES).flatmap(
    lambda d: hnp.arrays(d, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**30), 10**30)
    | st.floats()
    | st.text(max_size=8)
    | st.binary(max_size=8)
    | ARRAYS
)
KEYS = st.text(max_size=6) | st.integers(-5, 5)
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4) | st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=20,
)

TENSORS: dict[str, torch.Tensor] = {
    "float32": torch.randn(3, 2),
    "bfloat16": torch.randn(5).bfloat16(),
    "float16": torch.randn(4).half(),
    "bool": torch.tensor([True, False]),
    "int64": torch.arange(4),
    "scalar": torch.tensor(3.5),
    "empty": torch.empty(0, 3),
    "not contiguous": torch.randn(4, 3).t(),
    "parameter": torch.nn.Parameter(torch.randn(2)),
    "nan": torch.tensor([math.nan, math.inf]),
}


@given(TREES)
def test_what_is_taken_apart_comes_together(tree: Any) -> None:
    flat = flatten(tree)
    skeleton = json.loads(json.dumps(flat.skeleton, allow_nan=False))
    assert difference(unflatten(skeleton, flat.arrays), tree) is None


@given(TREES)
def test_a_snapshot_is_equal_and_shares_no_memory(tree: Any) -> None:
    copy = snapshot(tree)
    assert difference(copy, tree) is None
    originals, copies = flatten(tree).arrays, flatten(copy).arrays
    assert not any(np.shares_memory(originals[n], copies[n]) for n in originals if originals[n].size)


@pytest.mark.parametrize("kind", TENSORS)
def test_tensors(kind: str) -> None:
    tensor = TENSORS[kind]
    flat = flatten({"t": [tensor]})
    back = unflatten(flat.skeleton, flat.arrays)
    assert difference(back, {"t": [tensor]}) is None
    copy = snapshot(tensor)
    assert difference(copy, tensor) is None
    assert not copy.requires_grad
    assert tensor.numel() == 0 or copy.data_ptr() != tensor.data_ptr()


def test_an_optimiser_given_a_snapshot_does_not_touch_the_donor() -> None:
    """torch's load_state_dict keeps the tensors that it is given; a copy must therefore be distinct."""

    def make() -> tuple[torch.nn.Linear, torch.optim.Adam]:
        net = torch.nn.Linear(2, 1)
        return net, torch.optim.Adam(net.parameters(), lr=0.1)

    def step(net: torch.nn.Linear, opt: torch.optim.Adam) -> None:
        opt.zero_grad()
        torch.autograd.backward(net(torch.ones(1, 2)).sum())
        opt.step()

    donor, recipient = make(), make()
    step(*donor)
    before = snapshot(donor[1].state_dict())
    recipient[1].load_state_dict(snapshot(donor[1].state_dict()))
    step(*recipient)
    assert difference(donor[1].state_dict(), before) is None


@pytest.mark.parametrize(
    ("a", "b", "text"),
    [
        (1, 1.0, "int and float"),
        ((1,), [1], "tuple and list"),
        ({"a": 1}, {"b": 1}, "keys"),
        ({"a": [1, 2]}, {"a": [1, 3]}, "state.a.1: 2 and 3"),
        (np.zeros(2), np.zeros(3), "float64"),
        (np.zeros(2), np.zeros(2, "float32"), "float32"),
        (np.zeros(2), np.array([0.0, -0.0]), "bytes differ"),
        (torch.zeros(2), torch.ones(2), "bytes differ"),
        (True, 1, "bool and int"),
        ("a", None, "str and NoneType"),
    ],
)
def test_differences_are_found_and_named(a: Any, b: Any, text: str) -> None:
    found = difference(a, b)
    assert found is not None
    assert text in found


def test_what_is_equal() -> None:
    assert difference(OrderedDict(a=1), {"a": 1}) is None
    assert difference(math.nan, math.nan) is None
    assert difference(np.array([math.nan]), np.array([math.nan])) is None


@pytest.mark.parametrize(
    ("bad", "path"),
    [
        ({"opt": {"f": len}}, "state.opt.f is a builtins.builtin_function"),
        ({"x": {1, 2}}, "state.x is a builtins.set"),
        ({(1, 2): 3}, "has the key"),
        ({"o": np.array(["text"])}, "state.o"),
        ([object()], "state.0 is a builtins.object"),
    ],
)
def test_what_cannot_be_saved_is_named(bad: Any, path: str) -> None:
    with pytest.raises(StateError, match=r"cannot be saved|use strings") as caught:
        flatten(bad)
    assert path in str(caught.value)


def test_names_of_arrays_are_readable_and_unique() -> None:
    flat = flatten({"net": {"0.weight": np.zeros(1)}, "net.0": {"weight": np.ones(1)}, "l": [np.zeros(2)]})
    assert list(flat.arrays) == ["net.0.weight", "net.0.weight#2", "l.0"]
    assert nbytes({"a": np.zeros(3), "b": torch.zeros(2)}) == 24 + 8


@pytest.mark.parametrize("size", [0, 3, 1024, 1025, 100_000])
def test_byte_strings_of_any_length(size: int) -> None:
    value = bytes(range(256)) * (size // 256 + 1)
    flat = flatten({"pickle": value[:size]})
    skeleton = json.dumps(flat.skeleton)
    assert len(skeleton) < 3000, "long ones are arrays"
    assert unflatten(json.loads(skeleton), flat.arrays) == {"pickle": value[:size]}


def test_a_snapshot_shares_no_byte_array() -> None:
    tree = {"buffer": bytearray(b"abc")}
    copy = snapshot(tree)
    tree["buffer"][0] = 0
    assert copy == {"buffer": bytearray(b"abc")}


def test_conjugated_tensors_are_compared_by_value() -> None:
    value = torch.tensor([1 + 2j, 3 - 4j], dtype=torch.complex64)
    assert difference(value.conj(), value.conj().resolve_conj()) is None
    assert difference(value.conj(), value) is not None


def test_an_array_with_a_mask_is_refused_rather_than_saved_without() -> None:
    with pytest.raises(StateError, match=r"state\.x is a numpy\.ma.*MaskedArray, which cannot be saved"):
        flatten({"x": np.ma.masked_array([1, 2], [False, True])})


def test_a_tree_that_contains_itself_is_refused() -> None:
    tree: dict[str, Any] = {"a": 1}
    tree["self"] = tree
    with pytest.raises(StateError, match="contains itself"):
        flatten(tree)
