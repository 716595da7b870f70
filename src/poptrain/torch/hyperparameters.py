"""The hyperparameters of a block's rows as tensors, noting which of them are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from poptrain.core.errors import ConfigError
from poptrain.trainable.population import Columns

__all__ = ["Hyperparameters", "Setting", "resolve"]

Setting: TypeAlias = "float | str | Callable[[Mapping[str, torch.Tensor], torch.Tensor], torch.Tensor]"
"""A number, the name of a hyperparameter, or a function of all hyperparameters and the step's number, each of shape (rows,)."""


class Hyperparameters(Mapping[str, torch.Tensor]):
    """By name a tensor of shape (rows,): float32 of real numbers, int64 of whole ones, bool of truth values.

    Args:
        columns: the values as `PopulationTrainable.configure` gets them; reading a tensor reads its column.
        device: where the tensors are.
    """

    def __init__(self, columns: Mapping[str, NDArray[Any]], device: torch.device) -> None:
        self._columns = columns
        self._device = device
        self._tensors: dict[str, torch.Tensor] = {}
        self.read: set[str] = set()

    def __getitem__(self, name: str) -> torch.Tensor:
        if name not in self._columns:
            names = ", ".join(self._columns) or "none"
            raise ConfigError(f"there is no hyperparameter {name!r} in the space: it has {names}")
        self.note(name)
        tensor = self._tensor(name)
        if tensor is None:
            raise ConfigError(f"hyperparameter {name!r} is not a number, so it has no tensor: declare it structural=True")
        return tensor

    def __iter__(self) -> Iterator[str]:
        return iter(self._columns)

    def __len__(self) -> int:
        return len(self._columns)

    def note(self, name: str) -> None:
        """Note that a hyperparameter was read."""
        if name not in self.read:
            self.read.add(name)
            self._columns[name]

    def everything(self) -> dict[str, torch.Tensor]:
        """Return all that are numbers, without noting that they were read."""
        found = {name: self._tensor(name) for name in self._columns}
        return {name: tensor for name, tensor in found.items() if tensor is not None}

    def of_row(self, row: int) -> Mapping[str, torch.Tensor]:
        """Return those of one row, of shape ()."""
        return _Row(self, row)

    def _tensor(self, name: str) -> torch.Tensor | None:
        if name not in self._tensors:
            column = self._columns.quietly(name) if isinstance(self._columns, Columns) else self._columns[name]
            if column.dtype == object:
                return None
            kind = np.float32 if column.dtype.kind == "f" else column.dtype
            self._tensors[name] = torch.from_numpy(column.astype(kind)).to(self._device)
        return self._tensors[name]


class _Row(Mapping[str, torch.Tensor]):
    """The hyperparameters of one row."""

    def __init__(self, whole: Hyperparameters, row: int) -> None:
        self._whole = whole
        self._row = row

    def __getitem__(self, name: str) -> torch.Tensor:
        return self._whole[name][self._row]

    def __iter__(self) -> Iterator[str]:
        return iter(self._whole)

    def __len__(self) -> int:
        return len(self._whole)


def resolve(setting: Setting, h: Hyperparameters, step: torch.Tensor) -> float | torch.Tensor:
    """Return a setting's value: a number for all rows, or a tensor of shape (rows, 1).

    Args:
        setting: what was asked for.
        h: the hyperparameters.
        step: number of the step, counted over each member's life, shape (rows,).
    """
    if isinstance(setting, str):
        return h[setting].unsqueeze(1)
    if callable(setting):
        return torch.as_tensor(setting(h, step)).to(step.device).expand(step.shape).unsqueeze(1)
    return float(setting)
