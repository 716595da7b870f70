"""Time as an argument: the system's clock, and one that a test or a simulation moves by hand."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Protocol

__all__ = ["Clock", "ManualClock", "SystemClock"]


class Clock(Protocol):
    """Two readings: seconds since some start that never go back, and seconds since 1970."""

    def monotonic(self) -> float:
        """Return seconds since an arbitrary start; never decreases."""
        ...

    def wall(self) -> float:
        """Return seconds since 1970-01-01 UTC."""
        ...


class SystemClock:
    """The clock of this machine."""

    def monotonic(self) -> float:
        """Return the monotonic reading of the operating system, in seconds."""
        return time.monotonic()

    def wall(self) -> float:
        """Return the time of day of the operating system, in seconds since 1970."""
        return time.time()


@dataclass
class ManualClock:
    """A clock that stands still until it is moved.

    Example:
        >>> clock = ManualClock()
        >>> clock.advance(2.5)
        >>> clock.monotonic()
        2.5
    """

    now: float = 0.0

    def monotonic(self) -> float:
        """Return the seconds this clock was moved by."""
        return self.now

    def wall(self) -> float:
        """Return the same reading as `monotonic`: a simulated study begins in 1970."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move the clock forward by `seconds` (>= 0)."""
        if seconds < 0:
            raise ValueError(f"a clock moves forward only, got {seconds}")
        self.now += seconds
