"""Tensor files: exact, readable by the safetensors library, and never half read."""

from __future__ import annotations

import errno
import gc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.torch
import torch
from hypothesis import HealthCheck, given, settings
from test_tree import TENSORS, TREES

from poptrain.core.errors import CheckpointError, DiskFull, StateError
from poptrain.core.tree import difference
from poptrain.store import tensorfile
from poptrain.store.tensorfile import read_state, write_state


@given(TREES)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_files_keep_every_tree(tmp_path: Path, tree: Any) -> None:
    path = tmp_path / "state.safetensors"
    assert write_state(path, tree) == path.stat().st_size
    assert difference(read_state(path), tree) is None


def test_tensors_survive_and_the_library_can_read_them(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    write_state(path, {"all": TENSORS, "step": 3})
    back = read_state(path)
    assert difference(back, {"all": TENSORS, "step": 3}) is None
    found = safetensors.torch.load_file(path)
    for name, tensor in TENSORS.items():
        assert difference(found[f"all.{name}"], tensor.detach()) is None


def test_what_is_read_can_be_written_to_and_changes_no_file(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    write_state(path, {"a": np.arange(4), "t": torch.zeros(4)})
    before = path.read_bytes()
    state = read_state(path)
    state["a"][:] = 7
    state["t"].add_(1)
    assert path.read_bytes() == before
    path.unlink()
    assert state["t"].tolist() == [1, 1, 1, 1]


def test_every_truncation_is_found(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    write_state(path, {"net": {"w": np.arange(20.0)}, "n": 1})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError, match=r"state\.safetensors"):
            read_state(path)
    path.write_bytes(whole + b"x")
    with pytest.raises(CheckpointError, match="damaged"):
        read_state(path)


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "other"
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_state(path)
    for data in (b"", b"{}", b"\xff" * 100, (2).to_bytes(8, "little") + b"[]", (9).to_bytes(8, "little") + b"not json!"):
        path.write_bytes(data)
        with pytest.raises(CheckpointError, match="damaged"):
            read_state(path)


def test_a_failed_write_leaves_nothing_under_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.safetensors"
    with pytest.raises(StateError):
        write_state(path, {"a": object()})

    def full(file: Any, data: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tensorfile, "_write", full)
    with pytest.raises(DiskFull, match=r"state\.safetensors"):
        write_state(path, {"a": np.zeros(3)})
    assert not path.exists()


def test_arrays_outlive_the_mapping(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    write_state(path, {"t": torch.arange(1000)})
    tensor = read_state(path)["t"]
    gc.collect()
    assert int(tensor.sum()) == 499_500


def test_a_header_that_no_reader_would_take_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensorfile, "_LARGEST_HEADER", 10_000)
    path = tmp_path / "state.safetensors"
    with pytest.raises(StateError, match="turn long lists of numbers into arrays"):
        write_state(path, {"replay": list(range(5000))})
    assert not list(tmp_path.iterdir())
    state = {"model": bytes(range(256)) * 100}  # more than the header may hold
    write_state(path, state)
    assert read_state(path) == state


def test_a_conjugated_tensor_is_saved_as_it_looks(tmp_path: Path) -> None:
    value = torch.tensor([1 + 2j, 3 - 4j], dtype=torch.complex64).conj()
    write_state(tmp_path / "state.safetensors", {"t": value})
    assert torch.equal(read_state(tmp_path / "state.safetensors")["t"], value.resolve_conj())


def test_a_full_disk_keeps_no_half_of_a_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(file: Any, data: Any) -> None:
        file.write(data[:5])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(tensorfile, "_write", full)
    with pytest.raises(DiskFull):
        write_state(tmp_path / "state.safetensors", {"x": np.zeros(100)})
    assert not list(tmp_path.iterdir())
