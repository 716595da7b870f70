"""How long an interval may take before its worker counts as stuck."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Deadline"]

_SHORTEST = 600.0
"""Seconds below which the automatic deadline never falls."""

_SHORT = 0.5
"""Seconds up to which the slowest interval counts as short."""


@dataclass(slots=True)
class Deadline:
    """The deadline of a study's intervals: fixed, or twenty times the slowest one so far and at least ten minutes.

    Args:
        fixed: seconds; None to go by the slowest interval.
        slowest: seconds that the slowest interval has taken.
    """

    fixed: float | None = None
    slowest: float = 0.0

    def note(self, seconds: float) -> None:
        """Take note of how long an interval took."""
        self.slowest = max(self.slowest, seconds)

    @property
    def seconds(self) -> float:
        """Seconds after which an interval counts as stuck."""
        return self.fixed if self.fixed is not None else max(_SHORTEST, 20 * self.slowest)

    @property
    def short(self) -> bool:
        """Whether all intervals so far were short."""
        return self.slowest < _SHORT
