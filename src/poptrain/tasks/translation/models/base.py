"""What decoding needs of a network."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeAlias

import torch
from torch import nn

__all__ = ["Memory", "Translation"]

Memory: TypeAlias = dict[str, Any]
"""What a network remembers of a batch while it decodes: tensors whose first axis is the batch, or lists of them."""


class Translation(nn.Module, ABC):
    """An encoder and a decoder over one vocabulary."""

    @abstractmethod
    def forward(self, source: torch.Tensor, inputs: torch.Tensor) -> torch.Tensor:
        """Return logits of every next subword, shape (batch, target length, vocabulary).

        Args:
            source: shape (batch, source length), PAD where there is nothing.
            inputs: target subwords behind BOS, shape (batch, target length).
        """

    @abstractmethod
    def begin(self, source: torch.Tensor) -> Memory:
        """Return the memory with which decoding begins."""

    @abstractmethod
    def advance(self, tokens: torch.Tensor, memory: Memory) -> tuple[torch.Tensor, Memory]:
        """Return logits of the subword behind `tokens` (shape (batch,)), shape (batch, vocabulary), and the next memory."""


def select(memory: Any, rows: torch.Tensor) -> Any:
    """Return the memory of some rows of the batch, shape (rows,), which may repeat."""
    if isinstance(memory, dict):
        return {name: select(value, rows) for name, value in memory.items()}
    if isinstance(memory, (list, tuple)):
        return [select(value, rows) for value in memory]
    return memory.index_select(0, rows) if isinstance(memory, torch.Tensor) else memory
