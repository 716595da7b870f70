"""One flat buffer for each member: parameters, buffers and optimiser moments as views of it.

    row: | trainable parameters | other tensors of the same dtype | moment | moment | ...

Copying a member is one memory copy, an optimiser updates all parameters of all members in one operation, and a state is written
without being gathered first. Tensors of other dtypes (counters of batches, say) have a small buffer for each dtype.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from poptrain.core.errors import ConfigError, StateError

__all__ = ["Layout", "Rows"]

_ALIGNMENT = 16
"""Numbers; tensors whose size is a multiple of it come first, so that they begin at multiples of it."""


@dataclass(frozen=True, slots=True)
class _Slot:
    """Where a tensor lies in its dtype's rows."""

    dtype: torch.dtype
    begin: int
    shape: torch.Size

    @property
    def end(self) -> int:
        return self.begin + self.shape.numel()


class Layout:
    """Where the tensors of a network lie in a row.

    Args:
        module: one network; its parameters that require gradients are trained.
        moments: names of the optimiser's moments, each as large as all trained parameters together.

    Raises:
        ConfigError: nothing is trained, or parameters of several dtypes are.
    """

    def __init__(self, module: nn.Module, moments: Sequence[str] = ()) -> None:
        tensors, self.same = _tensors(module)
        self.trained = _aligned_first({name: t for name, t in tensors.items() if t.requires_grad})
        others = _aligned_first({name: t for name, t in tensors.items() if not t.requires_grad})
        dtypes = {t.dtype for t in self.trained.values()}
        if len(dtypes) != 1:
            found = ", ".join(sorted(map(str, dtypes))) or "none that requires gradients"
            raise ConfigError(f"all trained parameters must have one dtype, found {found}: convert the network with .to(dtype)")
        (self.dtype,) = dtypes
        self.slots: dict[str, _Slot] = {}
        self.sizes: dict[torch.dtype, int] = {self.dtype: 0}
        for name, tensor in (*self.trained.items(), *others.items()):
            self._place(name, tensor)
            if name in self.trained:
                self.parameters = self.sizes[self.dtype]
        self.moments: dict[str, tuple[int, int]] = {}
        for name in moments:
            begin = self.sizes[self.dtype]
            self.sizes[self.dtype] = begin + self.parameters
            self.moments[name] = (begin, begin + self.parameters)

    def _place(self, name: str, tensor: torch.Tensor) -> None:
        begin = self.sizes.get(tensor.dtype, 0)
        slot = _Slot(tensor.dtype, begin, tensor.shape)
        self.slots[name] = slot
        self.sizes[tensor.dtype] = slot.end


def _tensors(module: nn.Module) -> tuple[dict[str, torch.Tensor], dict[str, str]]:
    """Return parameters and saved buffers by name, each once, and the other names of those that have several."""
    saved = module.state_dict(keep_vars=True)
    tensors: dict[str, torch.Tensor] = {}
    same: dict[str, str] = {}
    first: dict[int, str] = {}
    for name, tensor in saved.items():
        if not isinstance(tensor, torch.Tensor):
            raise ConfigError(f"the network's state holds {name!r}, a {type(tensor).__name__}: only tensors can be batched")
        if id(tensor) in first:
            same[name] = first[id(tensor)]
        else:
            first[id(tensor)] = name
            tensors[name] = tensor
    return tensors, same


def _aligned_first(tensors: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return dict(sorted(tensors.items(), key=lambda item: item[1].numel() % _ALIGNMENT != 0))


class Rows:
    """The buffers of N members.

    Args:
        layout: what lies where.
        rows: number of members N.
        device: where the buffers are.
    """

    def __init__(self, layout: Layout, rows: int, device: torch.device) -> None:
        self.layout = layout
        self.rows = rows
        self._flat = {dtype: torch.zeros(rows, size, dtype=dtype, device=device) for dtype, size in layout.sizes.items()}
        self.steps = torch.zeros(rows, dtype=torch.int64)
        """Updates that each row's optimiser has made, on the CPU."""
        main = self._flat[layout.dtype]
        self.parameters = main[:, : layout.parameters]
        """All trained parameters, shape (rows, parameters)."""
        self.moments = {name: main[:, begin:end] for name, (begin, end) in layout.moments.items()}
        self.tensors = {name: self._view(slot) for name, slot in layout.slots.items()}
        """By name, with a leading axis of rows."""
        self._states = [self._state(row) for row in range(rows)]

    def _view(self, slot: _Slot) -> torch.Tensor:
        return self._flat[slot.dtype][:, slot.begin : slot.end].view(self.rows, *slot.shape)

    def _state(self, row: int) -> dict[str, torch.Tensor]:
        net = {name: tensor[row] for name, tensor in self.tensors.items()}
        return {**net, **{name: net[other] for name, other in self.layout.same.items()}}

    @property
    def nbytes(self) -> int:
        """Bytes of all rows."""
        return sum(flat.numel() * flat.element_size() for flat in self._flat.values())

    def split(self, flat: torch.Tensor) -> dict[str, torch.Tensor]:
        """Return views of a (rows, parameters) tensor by trained parameter, with a leading axis of rows."""
        slots = {name: self.layout.slots[name] for name in self.layout.trained}
        return {name: flat[:, s.begin : s.end].view(self.rows, *s.shape) for name, s in slots.items()}

    def fill(self, row: int, module: nn.Module) -> None:
        """Let a row begin as a network is."""
        saved = module.state_dict()
        for name in self.layout.slots:
            self.tensors[name][row].copy_(saved[name])

    def copy(self, donors: Iterable[int], recipients: Iterable[int]) -> None:
        """Give each recipient row its donor row's contents, as they are before the first of these copies."""
        pairs = [(d, r) for d, r in zip(donors, recipients, strict=True) if d != r]
        overwritten = {r for _, r in pairs}
        for flat in (*self._flat.values(), self.steps):
            kept = {d: flat[d].clone() for d, _ in pairs if d in overwritten}
            for donor, recipient in pairs:
                flat[recipient].copy_(kept.get(donor, flat[donor]))

    def state(self, row: int) -> dict[str, Any]:
        """Return a row's state; its tensors are views of the row."""
        moments = {name: moment[row] for name, moment in self.moments.items()}
        return {"net": dict(self._states[row]), "optimiser": {**moments, "step": int(self.steps[row])}}

    def load(self, row: int, state: Mapping[str, Any]) -> None:
        """Let a row take over a state.

        Raises:
            StateError: the state is not one of this network and optimiser.
        """
        net, optimiser = state["net"], state["optimiser"]
        want, have = set(self._states[row]) | set(self.moments), set(net) | set(optimiser) - {"step"}
        if want != have:
            odd = ", ".join(sorted(want ^ have)[:8])
            raise StateError(f"this state belongs to another network or optimiser: they differ in {odd}")
        for name, slot in self.layout.slots.items():
            if net[name].shape != slot.shape:
                raise StateError(f"{name} has shape {tuple(net[name].shape)} in this state, {tuple(slot.shape)} in the network")
            self._states[row][name].copy_(net[name])
        for name, moment in self.moments.items():
            moment[row].copy_(optimiser[name])
        self.steps[row] = int(optimiser["step"])
