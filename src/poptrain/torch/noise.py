"""Random numbers of a row's own, wherever it is computed.

Every row has a generator, seeded for each interval by the row's own random state, so that what a member draws does not depend
on the rows beside it. On an accelerator, where a call for each row would cost more than the numbers, the block has one
generator.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np
import torch

__all__ = ["Noise", "normal_like", "uniform_like"]

_CURRENT: ContextVar[Noise | None] = ContextVar("poptrain_noise", default=None)


class Noise:
    """The generators of a block's rows.

    Args:
        device: where the numbers are needed.
        seeds: random state of each row.
    """

    def __init__(self, device: torch.device, seeds: Sequence[int]) -> None:
        self._device = device
        self.rows = len(seeds)
        together = int(np.random.SeedSequence(list(seeds)).generate_state(1, np.uint64)[0] >> 1)
        per_row = list(seeds) if device.type == "cpu" else [together]
        self._generators = [torch.Generator(device).manual_seed(seed) for seed in per_row]

    @contextlib.contextmanager
    def active(self) -> Iterator[None]:
        """Let `uniform_like` and `normal_like` draw from here."""
        token = _CURRENT.set(self)
        try:
            yield
        finally:
            _CURRENT.reset(token)

    def draw(self, shape: Sequence[int], dtype: torch.dtype, *, normal: bool) -> torch.Tensor:
        """Return numbers of shape (rows, *shape)."""
        drawn = torch.empty((self.rows, *shape), dtype=dtype, device=self._device)
        parts = drawn.unbind(0) if len(self._generators) == self.rows else (drawn,)
        for part, generator in zip(parts, self._generators, strict=True):
            if normal:
                part.normal_(generator=generator)
            else:
                part.uniform_(generator=generator)
        return drawn


class _Draw(torch.autograd.Function):
    """Numbers in the shape of an example; under vmap, every row's own."""

    generate_vmap_rule = False

    @staticmethod
    def forward(example: torch.Tensor, noise: Noise, normal: bool) -> torch.Tensor:
        return noise.draw(example.shape, _floating(example), normal=normal)[0]

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: torch.Tensor) -> None:
        ctx.mark_non_differentiable(output)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple[None, None, None]:
        return None, None, None

    @staticmethod
    def vmap(
        info: Any, in_dims: tuple[Any, ...], example: torch.Tensor, noise: Noise, normal: bool
    ) -> tuple[torch.Tensor, int]:
        shape = list(example.shape)
        if in_dims[0] is not None:
            del shape[in_dims[0]]
        return noise.draw(shape, _floating(example), normal=normal), 0


def _floating(example: torch.Tensor) -> torch.dtype:
    return example.dtype if example.is_floating_point() else torch.get_default_dtype()


def uniform_like(example: torch.Tensor) -> torch.Tensor:
    """Return numbers from [0, 1) in the shape of `example`, every member's from its own generator.

    To be used where training draws random numbers: in a loss, in an augmentation, in a module's forward.
    """
    return _like(example, normal=False)


def normal_like(example: torch.Tensor) -> torch.Tensor:
    """Return standard normal numbers in the shape of `example`, every member's from its own generator."""
    return _like(example, normal=True)


def _like(example: torch.Tensor, *, normal: bool) -> torch.Tensor:
    noise = _CURRENT.get()
    if noise is None:
        return torch.randn_like(example) if normal else torch.rand_like(example)
    drawn: torch.Tensor = _Draw.apply(example.detach(), noise, normal)  # type: ignore[no-untyped-call]
    return drawn
