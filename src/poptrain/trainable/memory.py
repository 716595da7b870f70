"""How many bodies a process has room for."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import psutil

__all__ = ["RoomForBodies", "rows_that_fit"]

_MEASURABLE = 1 << 22
"""Bytes below which a difference of memory in use says nothing."""

_SHARE = 0.5
"""Part of the free memory that further bodies of this process may take."""


class RoomForBodies:
    """Decides whether one more body fits, from the memory that the first one took.

    Args:
        limit: fixed number of bodies (>= 1); None to measure: one more body is allowed while twice what the first one took,
            in main memory and on the current CUDA device, is free.
    """

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._before: tuple[int, int] | None = None
        self._cost: tuple[int, int] | None = None

    def begin(self) -> None:
        """Note the memory in use before the first body is made."""
        if self._limit is None and self._before is None:
            self._before = _used()

    def measure(self) -> None:
        """Note, once, what the first body took, after it has trained an interval."""
        if self._limit is None and self._cost is None and self._before is not None:
            after = _used()
            self._cost = (max(0, after[0] - self._before[0]), max(0, after[1] - self._before[1]))

    def settle(self, bodies: int) -> None:
        """Allow no more than `bodies` (>= 1) from now on: something else than memory has run out."""
        self._limit = bodies

    def allows(self, bodies: int) -> bool:
        """Return whether `bodies` bodies (>= 1) may exist in this process."""
        if self._limit is not None:
            return bodies <= self._limit
        if bodies == 1 or self._cost is None:
            return True
        free = _free()
        return self._cost[0] <= free[0] * _SHARE and self._cost[1] <= free[1] * _SHARE


def rows_that_fit(rows: int, train: Callable[[], object]) -> int | None:
    """Return how many rows a block may have, from what `train` takes that makes and trains one of `rows` rows.

    Returns:
        A number of at least `rows`; None where the memory it took is too little to be measured.
    """
    before = _used()
    kept = train()  # must be alive while its memory is measured
    after = _used()
    del kept
    free = _free()
    limits = [int(f * _SHARE / (a - b) * rows) for b, a, f in zip(before, after, free, strict=True) if a - b > _MEASURABLE]
    return max(rows, min(limits)) if limits else None


def _used() -> tuple[int, int]:
    """Return bytes in use by this process: (main memory, current CUDA device)."""
    return psutil.Process().memory_info().rss, _cuda(lambda torch: int(torch.cuda.memory_reserved()))


def _free() -> tuple[int, int]:
    """Return bytes that are free: (main memory, current CUDA device)."""
    return psutil.virtual_memory().available, _cuda(lambda torch: int(torch.cuda.mem_get_info()[0]))


def _cuda(ask: Callable[[Any], int]) -> int:
    torch = sys.modules.get("torch")
    if torch is None or not torch.cuda.is_initialized():
        return 0
    return ask(torch)
