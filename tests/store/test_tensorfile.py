"""Tensor files: exact, readable by the safetensors library, and never half read."""

from __future__ import annotations

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
