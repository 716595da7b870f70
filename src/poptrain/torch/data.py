"""Batches of examples for all rows, drawn so that a member's data do not depend on the rows beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from poptrain.core.errors import ConfigError
from poptrain.trainable.population import PopulationInterval

__all__ = ["Batches", "DataSource"]

DataSource: TypeAlias = Callable[[PopulationInterval], Iterator[tuple[torch.Tensor, ...]]]
"""From an interval to batches, one for each step (and each part of an accumulated gradient); their tensors have a leading axis
of rows."""

_DATA = 1
"""Keeps the draws of data apart from those of noise."""


@dataclass(frozen=True)
class Batches:
    """Random batches of examples that are held in memory; every member has its own, or all have the same.

    Examples are drawn with replacement.

    Args:
        tensors: inputs, targets, and whatever else belongs to an example; the first axis counts examples.
        batch_size: examples of a batch, >= 1; where it is the name of a structural hyperparameter, its value.
        shared: whether all members see the same batch, drawn from the step's number alone.
        seed: of the shared draws.

    Raises:
        ConfigError: the tensors do not have equally many examples, or there are none.
    """

    tensors: tuple[torch.Tensor, ...]
    batch_size: int | str = 64
    shared: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        counts = {len(tensor) for tensor in self.tensors}
        if len(counts) != 1 or counts == {0}:
            found = ", ".join(str(len(tensor)) for tensor in self.tensors)
            raise ConfigError(f"the tensors of a data source must have equally many examples and at least one, got {found}")
        if isinstance(self.batch_size, int) and self.batch_size < 1:
            raise ConfigError(f"batch_size must be at least 1, got {self.batch_size}")

    def batches(
        self, interval: PopulationInterval, *, batch_size: int, parts: int, device: torch.device
    ) -> Iterator[tuple[torch.Tensor, ...]]:
        """Yield the batches of an interval, `parts` for each step.

        Args:
            interval: steps, first steps and random states.
            batch_size: examples of a batch.
            parts: batches for each step.
            device: where the batches are needed.
        """
        rows, shape = len(interval.seeds), (parts, batch_size)
        if not self.shared:
            picks = torch.from_numpy(np.stack([self._own(seed, interval.steps, shape) for seed in interval.seeds], axis=2))
        for step in range(interval.steps):
            if self.shared:
                picks = torch.from_numpy(np.stack([self._common(start + step, shape) for start in interval.starts], axis=1))
            for part in range(parts):
                index = picks[part] if self.shared else picks[step, part]
                yield tuple(self._take(tensor, index, rows).to(device, non_blocking=True) for tensor in self.tensors)

    def _take(self, tensor: torch.Tensor, index: torch.Tensor, rows: int) -> torch.Tensor:
        """Return examples by index, shape (rows, batch, ...); rows with the same examples share memory."""
        if self.shared and bool((index == index[:1]).all()):
            return tensor.index_select(0, index[0].to(tensor.device)).expand(rows, *index.shape[1:], *tensor.shape[1:])
        return tensor.index_select(0, index.flatten().to(tensor.device)).view(*index.shape, *tensor.shape[1:])

    def _own(self, seed: int, steps: int, shape: tuple[int, int]) -> NDArray[np.int64]:
        return np.random.default_rng((seed, _DATA)).integers(len(self.tensors[0]), size=(steps, *shape))

    def _common(self, step: int, shape: tuple[int, int]) -> NDArray[np.int64]:
        return np.random.default_rng((self.seed, _DATA, step)).integers(len(self.tensors[0]), size=shape)
